/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* By elfutils' libdw, which is loaded when it is needed: vmhang runs without it. */
#include "collect/vmlinux.h"

#include <errno.h>

#include "config.h"

#if HAVE_LIBDW
#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <sys/stat.h>

#define LIBRARY     "libdw.so.1"
#define MAX_INLINED 16 /* functions in one another of which a line tells */
/* Bytes of a line that is told: up to MAX_LINE, and then one function more, at most. */
#define MAX_LINE 560
#define PATH     "%.300s"
#define NAME     "%.100s"

static struct {
	__typeof__(&dwfl_begin) begin;
	__typeof__(&dwfl_end) end;
	__typeof__(&dwfl_report_elf) report_elf;
	__typeof__(&dwfl_report_end) report_end;
	__typeof__(&dwfl_module_build_id) build_id;
	__typeof__(&dwfl_module_getdwarf) debug_information;
	__typeof__(&dwfl_module_addrdie) unit_at;
	__typeof__(&dwfl_module_nextcu) next_unit;
	__typeof__(&dwfl_errmsg) errmsg;
	__typeof__(&dwarf_haspc) has_address;
	__typeof__(&dwarf_getsrc_die) line_in_unit;
	__typeof__(&dwarf_linesrc) line_file;
	__typeof__(&dwarf_lineno) line_number;
	__typeof__(&dwarf_getscopes) scopes_at;
	__typeof__(&dwarf_getscopes_die) scopes_of;
	__typeof__(&dwarf_tag) tag;
	__typeof__(&dwarf_diename) name;
	__typeof__(&dwarf_attr) attribute;
	__typeof__(&dwarf_formudata) number;
	__typeof__(&dwarf_formstring) text;
	__typeof__(&dwarf_getsrcfiles) files;
	__typeof__(&dwarf_filesrc) file;
} dw;

static bool load(void)
{
	const struct {
		void *function;
		const char *name;
	} rows[] = {
		{&dw.begin, "dwfl_begin"},
		{&dw.end, "dwfl_end"},
		{&dw.report_elf, "dwfl_report_elf"},
		{&dw.report_end, "dwfl_report_end"},
		{&dw.build_id, "dwfl_module_build_id"},
		{&dw.debug_information, "dwfl_module_getdwarf"},
		{&dw.unit_at, "dwfl_module_addrdie"},
		{&dw.next_unit, "dwfl_module_nextcu"},
		{&dw.errmsg, "dwfl_errmsg"},
		{&dw.has_address, "dwarf_haspc"},
		{&dw.line_in_unit, "dwarf_getsrc_die"},
		{&dw.line_file, "dwarf_linesrc"},
		{&dw.line_number, "dwarf_lineno"},
		{&dw.scopes_at, "dwarf_getscopes"},
		{&dw.scopes_of, "dwarf_getscopes_die"},
		{&dw.tag, "dwarf_tag"},
		{&dw.name, "dwarf_diename"},
		{&dw.attribute, "dwarf_attr"},
		{&dw.number, "dwarf_formudata"},
		{&dw.text, "dwarf_formstring"},
		{&dw.files, "dwarf_getsrcfiles"},
		{&dw.file, "dwarf_filesrc"},
	};
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; library && i < VH_ARRAY_SIZE(rows); i++) {
		void *found = dlsym(library, rows[i].name);

		if (!found)
			return false;
		memcpy(rows[i].function, &found, sizeof(found));
	}
	return library;
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

	return ip - k->kaslr_offset;
}

/* Where an address is: a compilation unit of the file, and the address as the file has it. */
struct place {
	Dwarf_Die *unit;
	Dwarf_Addr at;
	const char *folder; /* in which it was compiled; NULL unknown */
};

static bool find_place(Dwfl_Module *m, uint64_t address, struct place *p)
{
	Dwarf_Addr bias = 0;
	Dwarf_Attribute folder;

	p->unit = dw.unit_at(m, address, &bias);
	/* Without .debug_aranges, which clang leaves out, no index leads to the unit: each is
	 * asked. */
	if (!p->unit)
		while ((p->unit = dw.next_unit(m, p->unit, &bias)))
			if (dw.has_address(p->unit, address - bias) > 0)
				break;
	if (!p->unit)
		return false;
	p->at = address - bias;
	p->folder = dw.attribute(p->unit, DW_AT_comp_dir, &folder) ? dw.text(&folder) : NULL;
	return true;
}

/* A path as the kernel's own tree has it: what leads to the tree is of the machine that built it. A
 * folder beside the tree, into which was built, has the first names in common with it. */
static const char *path_in_tree(const char *path, const char *folder)
{
	size_t common = 0;
	int names = 0;

	while (vh_prefix(path, "./") || vh_prefix(path, "../"))
		path = strchr(path, '/') + 1;
	for (size_t i = 0; *path == '/' && folder && path[i] && path[i] == folder[i]; i++)
		if (path[i + 1] == '/' && (folder[i + 1] == '/' || !folder[i + 1])) {
			common = i + 2;
			names++;
		}
	/* "/usr" alone says nothing. */
	return names > 1 ? path + common : path;
}

static void put_place(
	struct vh_buf *b, const struct place *p, const char *file, unsigned long long number)
{
	vh_buf_printf(b, PATH ":%llu", path_in_tree(file ? file : "?", p->folder), number);
}

/* The line by the table of lines: of the innermost function, an inlined one where there is one. */
static bool put_line(struct vh_buf *b, const struct place *p)
{
	Dwarf_Line *line = dw.line_in_unit(p->unit, p->at);
	const char *file = line ? dw.line_file(line, NULL, NULL) : NULL;
	int number = 0;

	if (!file || dw.line_number(line, &number) != 0)
		return false;
	put_place(b, p, file, (unsigned)VH_MAX(number, 0));
	return true;
}

/* The line where an inlined function is called. */
static void put_call(struct vh_buf *b, const struct place *p, Dwarf_Die *inlined)
{
	Dwarf_Word file = 0, number = 0;
	Dwarf_Attribute attribute;
	Dwarf_Files *files;
	size_t n;

	if (dw.attribute(inlined, DW_AT_call_line, &attribute))
		dw.number(&attribute, &number);
	if (!dw.attribute(inlined, DW_AT_call_file, &attribute) ||
		dw.number(&attribute, &file) != 0 || dw.files(p->unit, &files, &n) != 0 ||
		file >= n)
		return put_place(b, p, NULL, number);
	put_place(b, p, dw.file(files, (size_t)file, NULL, NULL), number);
}

/* The inlined functions around an address, innermost first, as they are called and not as they are
 * declared. */
static size_t inlined_at(const struct place *p, Dwarf_Die *out, size_t most)
{
	vh_auto_free Dwarf_Die *declared = NULL;
	vh_auto_free Dwarf_Die *scopes = NULL;
	size_t found = 0;
	int n = dw.scopes_at(p->unit, p->at, &declared);

	n = n > 0 ? dw.scopes_of(&declared[0], &scopes) : 0;
	for (int i = 0; i < n && dw.tag(&scopes[i]) != DW_TAG_subprogram && found < most; i++)
		if (dw.tag(&scopes[i]) == DW_TAG_inlined_subroutine)
			out[found++] = scopes[i];
	return found;
}

/* "fs/read_write.c:470 > call_read_iter include/linux/fs.h:2259": first the line in the function
 * that the frame's symbol names, then what is inlined there. NULL: there is none. */
static char *line_of(Dwfl_Module *m, uint64_t address)
{
	vh_auto_buf struct vh_buf line = {0}, innermost = {0};
	Dwarf_Die inlined[MAX_INLINED];
	struct place p;

	if (!find_place(m, address, &p) || !put_line(&innermost, &p))
		return NULL;
	size_t n = inlined_at(&p, inlined, MAX_INLINED);

	if (!n)
		return vh_strdup(vh_buf_str(&innermost));
	put_call(&line, &p, &inlined[n - 1]);
	for (; n; n--) {
		if (line.len > MAX_LINE) {
			vh_buf_printf(&line, " > ...");
			break;
		}

		const char *name = dw.name(&inlined[n - 1]);

		vh_buf_printf(&line, " > " NAME " ", name ? name : "?");
		if (n > 1)
			put_call(&line, &p, &inlined[n - 2]);
		else
			vh_buf_add(&line, innermost.data, innermost.len);
	}
	return vh_strdup(vh_buf_str(&line));
}

static void add_lines(Dwfl_Module *m, const struct vh_inside_kernel *k, struct vh_backtrace *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct vh_frame *f = &b->frames[i];

		if (!f->symbol || f->module || f->kind == VH_FRAME_USER)
			continue;
		free(f->line);
		f->line = line_of(m, address_of(f, k));
	}
}

static struct vh_error *add_all(Dwfl *dwfl, Dwfl_Module *m, const char *path, struct vh_inside *in)
{
	struct vh_error *err;
	Dwarf_Addr bias;

	dw.report_end(dwfl, NULL, NULL);
	if (!m)
		return vh_error_new(0, "%s: %s", path, dw.errmsg(-1));
	err = check_build_id(m, path, in);
	if (err)
		return err;
	if (!dw.debug_information(m, &bias))
		return vh_error_new(
			0, "%s has no debug information that can be read: %s", path, dw.errmsg(-1));
	if (!in->kernel.has_kaslr_offset) {
		vh_inside_note(in, "no lines: how far the guest's kernel was moved is not known");
		return NULL;
	}
	for (size_t i = 0; i < in->n_vcpus; i++)
		add_lines(m, &in->kernel, &in->vcpus[i].stack);
	for (size_t i = 0; i < in->n_tasks; i++)
		add_lines(m, &in->kernel, &in->tasks[i].stack);
	return NULL;
}

/* A FIFO, say, would be waited for. */
static struct vh_error *open_file(const char *path, int *fd)
{
	struct stat st;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (*fd < 0 || fstat(*fd, &st) < 0)
		return vh_error_new(errno, "reading %s: %s", path, strerror(errno));
	return S_ISREG(st.st_mode) ? NULL : vh_error_new(0, "%s is no regular file", path);
}

struct vh_error *vh_vmlinux_add_lines(const char *path, struct vh_inside *in)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = no_elf, .find_debuginfo = no_debuginfo};
	struct vh_error *err;

	if (!load())
		return vh_error_new(ENOTSUP, "lines of %s: %s is not installed", path, LIBRARY);
	vh_auto_close int fd = -1;

	err = open_file(path, &fd);
	if (err)
		return err;
	Dwfl *dwfl = dw.begin(&callbacks);

	if (!dwfl)
		return vh_error_new(0, "%s: %s", path, dw.errmsg(-1));
	Dwfl_Module *m = dw.report_elf(dwfl, "kernel", path, fd, 0, false);

	/* It is the module's then. */
	if (m)
		fd = -1;
	err = add_all(dwfl, m, path, in);
	dw.end(dwfl);
	return err;
}

#else

struct vh_error *vh_vmlinux_add_lines(const char *path, struct vh_inside *in VH_UNUSED)
{
	return vh_error_new(ENOTSUP, "lines of %s: this vmhang was built without libdw", path);
}
#endif
