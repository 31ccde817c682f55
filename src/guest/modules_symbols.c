/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A module's symbols: the ELF symbol table that kernel/module/kallsyms.c keeps of it (4.14 to 7.x),
 * read when the first of them is asked for.
 */
#include <elf.h>

#include "guest/modules_parts.h"

#define MAX_SYMBOLS (128u << 10) /* of a module; amdgpu has some 60 thousand */
#define MAX_ALL     (512u << 10) /* of all modules together */
#define MAX_NAMES   (8u << 20)
#define MAX_NAME    512u /* KSYM_NAME_LEN of 6.1 on */

struct table {
	uint64_t symtab, strtab;
	uint32_t n;
};

static bool find_table(const struct vh_modules *m, const struct vh_module *module,
	struct vh_space *s, struct table *t)
{
	uint8_t copy[72];
	struct vh_bytes b = {copy, sizeof(copy)};
	const struct vh_module_layout *o = &m->layout;

	if (!module->kallsyms || vh_space_read(s, module->kallsyms, copy, sizeof(copy)) < 0)
		return false;
	t->symtab = vh_bytes_u64(b, o->symtab);
	t->strtab = vh_bytes_u64(b, o->strtab);
	t->n = vh_bytes_u32(b, o->num_symtab);
	return t->n && t->n <= MAX_SYMBOLS && t->n <= MAX_ALL - m->symbols;
}

static int by_address(const void *a, const void *b)
{
	const struct vh_symbol *x = a, *y = b;

	/* Of two at one address the first in the table goes first: its size is its index still. */
	if (x->gva != y->gva)
		return x->gva < y->gva ? -1 : 1;
	return (x->size > y->size) - (x->size < y->size);
}

/* Names as the kernel skips them: none, and those of mapping symbols. */
static bool is_name(const char *name)
{
	return name[0] && name[0] != '$' && strncmp(name, ".L", 2) != 0;
}

static void add(struct vh_module *module, const Elf64_Sym *e, uint32_t index, size_t names)
{
	const char *name = e->st_name < names ? module->names + e->st_name : "";
	bool global = ELF64_ST_BIND(e->st_info) != STB_LOCAL;
	char type = ELF64_ST_TYPE(e->st_info) == STT_OBJECT ? 'd' : 't';

	if (e->st_shndx == SHN_UNDEF || !(e->st_value >> 63) || !is_name(name))
		return;
	VH_PUSH(module->symbols, module->n_symbols) = (struct vh_symbol){
		.name = name,
		.type = global ? (char)(type - 'a' + 'A') : type,
		.gva = e->st_value,
		.size = index,
	};
}

static void read_symbols(struct vh_modules *m, struct vh_module *module, struct vh_space *s)
{
	struct table t;

	module->has_symbols = true;
	if (!find_table(m, module, s, &t))
		return;
	vh_auto_free Elf64_Sym *elf = vh_alloc(t.n * sizeof(*elf));
	const struct vh_module_region *region = vh_module_region_at(m, t.strtab);
	uint64_t names = 0;

	if (!region || vh_space_read(s, t.symtab, elf, t.n * sizeof(*elf)) < 0)
		return;
	for (uint32_t i = 0; i < t.n; i++)
		names = VH_MAX(names, elf[i].st_name);
	names = VH_MIN(names + MAX_NAME, region->gva + region->bytes - t.strtab);
	if (names > MAX_NAMES)
		return;
	module->names = vh_alloc(names + 1);
	if (vh_space_read(s, t.strtab, module->names, names) < 0)
		return;
	for (uint32_t i = 0; i < t.n; i++)
		add(module, &elf[i], i, names);
	m->symbols += module->n_symbols;
	if (module->n_symbols)
		qsort(module->symbols, module->n_symbols, sizeof(*module->symbols), by_address);
}

bool vh_modules_symbol(
	struct vh_modules *m, struct vh_space *s, uint64_t gva, struct vh_symbol *out)
{
	const struct vh_module_region *region = vh_module_region_at(m, gva);

	if (!region)
		return false;
	struct vh_module *module = &m->list[region->module];

	if (!module->has_symbols)
		read_symbols(m, module, s);
	size_t low = 0, high = module->n_symbols;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (module->symbols[middle].gva <= gva)
			low = middle + 1;
		else
			high = middle;
	}
	uint64_t end = region->gva + region->bytes;

	if (low < module->n_symbols)
		end = VH_MIN(end, module->symbols[low].gva);
	if (!low || module->symbols[low - 1].gva < region->gva)
		return false;
	uint64_t best = module->symbols[low - 1].gva;

	while (low > 1 && module->symbols[low - 2].gva == best)
		low--;
	*out = module->symbols[low - 1];
	out->size = end - best;
	return true;
}
