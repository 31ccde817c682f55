/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions to a kernel that was found. */
#include "guest/kernel.h"

#include <errno.h>

#include "guest/modules.h"
#include "guest/unwind.h"

void vh_kernel_close(struct vh_kernel *k)
{
	vh_unwinder_free(k->unwinder);
	vh_secrets_free(k->secrets);
	vh_modules_free(k->modules);
	vh_layout_free(k->layout);
	vh_guest_btf_free(k->btf);
	vh_vmcoreinfo_free(k->note);
	vh_symbols_free(k->symbols);
	free(k->ranges);
	vh_space_free(k->space);
	*k = (struct vh_kernel){0};
}

int vh_kernel_u64(const struct vh_kernel *k, const char *symbol, uint64_t *value)
{
	uint64_t gva;

	if (!vh_symbols_address(k->symbols, symbol, &gva))
		return -ENOENT;
	return vh_space_u64(k->space, gva, value);
}

int vh_kernel_u32(const struct vh_kernel *k, const char *symbol, uint32_t *value)
{
	uint64_t gva;

	if (!vh_symbols_address(k->symbols, symbol, &gva))
		return -ENOENT;
	return vh_space_u32(k->space, gva, value);
}

bool vh_kernel_since(const struct vh_kernel *k, unsigned major, unsigned minor)
{
	return k->version && k->version >= 100 * major + minor;
}

static bool within(uint64_t gva, uint64_t from, uint64_t to)
{
	return from && gva >= from && gva < to;
}

bool vh_kernel_is_text(const struct vh_kernel *k, uint64_t gva)
{
	return within(gva, k->stext, k->etext) || within(gva, k->sinittext, k->einittext) ||
	       (k->modules && vh_modules_is_text(k->modules, gva));
}

/* True where an address lies in what is mapped of the image. */
static bool in_image(const struct vh_kernel *k, uint64_t gva)
{
	for (size_t i = 0; i < k->n_ranges; i++)
		if (gva >= k->ranges[i].gva && gva - k->ranges[i].gva < k->ranges[i].bytes)
			return true;
	return within(gva, k->stext, k->etext) || within(gva, k->sinittext, k->einittext);
}

void vh_kernel_name(const struct vh_kernel *k, uint64_t gva, struct vh_frame *f)
{
	struct vh_symbol s;
	size_t module;

	if (k->modules && vh_modules_at(k->modules, gva, &module)) {
		vh_replace(&f->module, vh_modules_name(k->modules, module));
		if (!vh_modules_symbol(k->modules, k->space, gva, &s))
			return;
	} else if (!in_image(k, gva) || !vh_symbols_at(k->symbols, gva, &s)) {
		return;
	}
	vh_replace(&f->symbol, s.name);
	f->offset = gva - s.gva;
	f->size = s.size;
}

/*
 * Up to 6.14 the symbols of x86-64's per-CPU variables are offsets from 0, since then addresses in
 * the image (arch/x86/kernel/setup_percpu.c); __per_cpu_offset[] fits either, for it is what is to
 * be added to a symbol. A kernel without CONFIG_SMP has neither it nor more than one CPU.
 */
bool vh_kernel_percpu(const struct vh_kernel *k, const char *symbol, int cpu, uint64_t *gva)
{
	uint64_t variable, table, offset;
	struct vh_symbol s;

	if (cpu < 0 || !vh_symbols_address(k->symbols, symbol, &variable))
		return false;
	if (!vh_symbols_address(k->symbols, "__per_cpu_offset", &table)) {
		*gva = variable;
		return cpu == 0;
	}
	/* NR_CPUS elements; how many, the next symbol tells. */
	if (!vh_symbols_at(k->symbols, table, &s) || (uint64_t)cpu >= s.size / sizeof(offset))
		return false;
	if (vh_space_u64(k->space, table + (uint64_t)cpu * sizeof(offset), &offset))
		return false;
	*gva = variable + offset;
	return true;
}

struct vh_step vh_step_begin(struct vh_memory *m)
{
	return (struct vh_step){vh_now_ns(), vh_memory_used(m).bytes};
}

void vh_step_end(struct vh_inside *in, const char *name, struct vh_memory *m, struct vh_step step)
{
	VH_PUSH(in->steps, in->n_steps) = (struct vh_inside_step){
		.name = vh_strdup(name),
		.took_ns = vh_now_ns() - step.began_ns,
		.bytes = vh_memory_used(m).bytes - step.bytes,
	};
}
