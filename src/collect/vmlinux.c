/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* By elfutils' libdw, which is loaded when it is needed: vmhang runs without it. */
#include "collect/vmlinux.h"

#include <errno.h>

#include "config.h"

#if HAVE_LIBDW
#include <dlfcn.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>

#define LIBRARY "libdw.so.1"

static struct {
	__typeof__(&dwfl_begin) begin;
	__typeof__(&dwfl_end) end;
	__typeof__(&dwfl_report_elf) report_elf;
	__typeof__(&dwfl_report_end) report_end;
	__typeof__(&dwfl_module_build_id) build_id;
	__typeof__(&dwfl_module_getsrc) getsrc;
	__typeof__(&dwfl_lineinfo) lineinfo;
	__typeof__(&dwfl_module_nextcu) next_unit;
	__typeof__(&dwarf_haspc) has_address;
	__typeof__(&dwarf_getsrc_die) line_in_unit;
	__typeof__(&dwarf_linesrc) line_file;
	__typeof__(&dwarf_lineno) line_number;
	__typeof__(&dwfl_errmsg) errmsg;
} dw;

static bool load(void)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return false;
	*(void **)&dw.begin = dlsym(library, "dwfl_begin");
	*(void **)&dw.end = dlsym(library, "dwfl_end");
	*(void **)&dw.report_elf = dlsym(library, "dwfl_report_elf");
	*(void **)&dw.report_end = dlsym(library, "dwfl_report_end");
	*(void **)&dw.build_id = dlsym(library, "dwfl_module_build_id");
	*(void **)&dw.getsrc = dlsym(library, "dwfl_module_getsrc");
	*(void **)&dw.lineinfo = dlsym(library, "dwfl_lineinfo");
	*(void **)&dw.next_unit = dlsym(library, "dwfl_module_nextcu");
	*(void **)&dw.has_address = dlsym(library, "dwarf_haspc");
	*(void **)&dw.line_in_unit = dlsym(library, "dwarf_getsrc_die");
	*(void **)&dw.line_file = dlsym(library, "dwarf_linesrc");
	*(void **)&dw.line_number = dlsym(library, "dwarf_lineno");
	*(void **)&dw.errmsg = dlsym(library, "dwfl_errmsg");
	return dw.begin && dw.end && dw.report_elf && dw.report_end && dw.build_id && dw.getsrc &&
	       dw.lineinfo && dw.next_unit && dw.has_address && dw.line_in_unit && dw.line_file &&
	       dw.line_number && dw.errmsg;
}

/* The file that was named is all that is looked at: no other path, and no server. */
static int no_elf(Dwfl_Module *m VH_UNUSED, void **user VH_UNUSED, const char *name VH_UNUSED,
	Dwarf_Addr base VH_UNUSED, char **file VH_UNUSED, Elf **elf VH_UNUSED)
{
	return -1;
}

static int no_debuginfo(Dwfl_Module *m VH_UNUSED, void **user VH_UNUSED, const char *name VH_UNUSED,
	Dwarf_Addr base VH_UNUSED, const char *file VH_UNUSED, const char *link VH_UNUSED,
	GElf_Word crc VH_UNUSED, char **debug_file VH_UNUSED)
{
	return -1;
}

static struct vh_error *check_build_id(Dwfl_Module *m, const char *path, struct vh_inside *in)
{
	const unsigned char *bits;
	GElf_Addr at;
	int n = dw.build_id(m, &bits, &at);
	vh_auto_buf struct vh_buf hex = {0};

	for (int i = 0; i < n; i++)
		vh_buf_printf(&hex, "%02x", bits[i]);
	if (!hex.len || !in->kernel.build_id) {
		vh_inside_note(in,
			"whether %s is of the guest's kernel could not be told: %s has no build id",
			path, hex.len ? "the guest's memory" : "the file");
		return NULL;
	}
	if (vh_streq(hex.data, in->kernel.build_id))
		return NULL;
	return vh_error_new(0, "%s is of another kernel: its build id is %s, the guest's %s", path,
		hex.data, in->kernel.build_id);
}

/* A return address may be of the line behind the call. */
static uint64_t address_of(const struct vh_frame *f, const struct vh_inside_kernel *k)
{
	uint64_t ip = f->kind == VH_FRAME_CALL || f->kind == VH_FRAME_GUESS ? f->ip - 1 : f->ip;

	return ip - (k->has_kaslr_offset ? k->kaslr_offset : 0);
}

/* Without .debug_aranges, which clang leaves out, no index leads to the unit: each is asked. */
static const char *search_units(Dwfl_Module *m, uint64_t address, int *number)
{
	Dwarf_Addr bias = 0;

	for (Dwarf_Die *unit = NULL; (unit = dw.next_unit(m, unit, &bias));) {
		Dwarf_Line *line = dw.has_address(unit, address - bias) > 0
					   ? dw.line_in_unit(unit, address - bias)
					   : NULL;

		if (line && dw.line_number(line, number) == 0)
			return dw.line_file(line, NULL, NULL);
	}
	return NULL;
}

static const char *source_of(Dwfl_Module *m, uint64_t address, int *number)
{
	Dwfl_Line *line = dw.getsrc(m, address);
	const char *file = line ? dw.lineinfo(line, NULL, number, NULL, NULL, NULL) : NULL;

	return file ? file : search_units(m, address, number);
}

static void add_lines(Dwfl_Module *m, const struct vh_inside_kernel *k, struct vh_backtrace *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct vh_frame *f = &b->frames[i];
		int number = 0;

		if (!f->symbol || f->module || f->kind == VH_FRAME_USER)
			continue;
		const char *file = source_of(m, address_of(f, k), &number);

		if (!file)
			continue;
		free(f->line);
		f->line = vh_asprintf("%s:%d", vh_prefix(file, "./") ? file + 2 : file, number);
	}
}

static struct vh_error *add_all(Dwfl *dwfl, Dwfl_Module *m, const char *path, struct vh_inside *in)
{
	struct vh_error *err;

	dw.report_end(dwfl, NULL, NULL);
	if (!m)
		return vh_error_new(0, "%s: %s", path, dw.errmsg(-1));
	err = check_build_id(m, path, in);
	if (err)
		return err;
	for (size_t i = 0; i < in->n_vcpus; i++)
		add_lines(m, &in->kernel, &in->vcpus[i].stack);
	for (size_t i = 0; i < in->n_tasks; i++)
		add_lines(m, &in->kernel, &in->tasks[i].stack);
	return NULL;
}

struct vh_error *vh_vmlinux_add_lines(const char *path, struct vh_inside *in)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = no_elf, .find_debuginfo = no_debuginfo};
	struct vh_error *err;

	if (!load())
		return vh_error_new(ENOTSUP, "lines of %s: %s is not installed", path, LIBRARY);
	if (access(path, R_OK) < 0)
		return vh_error_new(errno, "reading %s: %s", path, strerror(errno));
	Dwfl *dwfl = dw.begin(&callbacks);

	if (!dwfl)
		return vh_error_new(0, "%s: %s", path, dw.errmsg(-1));
	err = add_all(dwfl, dw.report_elf(dwfl, "kernel", path, -1, 0, false), path, in);
	dw.end(dwfl);
	return err;
}

#else

struct vh_error *vh_vmlinux_add_lines(const char *path, struct vh_inside *in VH_UNUSED)
{
	return vh_error_new(ENOTSUP, "lines of %s: this vmhang was built without libdw", path);
}
#endif
