/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where struct module (include/linux/module.h, 4.14 to 7.x) has its members. */
#include "guest/modules_parts.h"

/* state, list and name have always been first. */
#define LIST 8u
#define NAME 24u

/* A member of `size` bytes at offset lies within `all`. */
static bool within(uint64_t offset, uint64_t size, uint64_t all)
{
	return offset <= all && size <= all - offset;
}

static bool fits(const struct vh_module_layout *o)
{
	bool mems = within(o->mem, (uint64_t)o->n_mems * o->mem_stride, o->bytes) &&
		    (!o->n_mems || (within(o->mem_base, 8, o->mem_stride) &&
					   within(o->mem_size, 4, o->mem_stride)));
	bool layouts = within((uint64_t)o->core + o->layout_base, 8, o->bytes) &&
		       within((uint64_t)o->core + o->layout_size, 4, o->bytes) &&
		       within((uint64_t)o->core + o->layout_text, 4, o->bytes) &&
		       within((uint64_t)o->init + o->layout_base, 8, o->bytes) &&
		       within((uint64_t)o->init + o->layout_size, 4, o->bytes) &&
		       within((uint64_t)o->init + o->layout_text, 4, o->bytes);

	return mems && layouts && within(o->list, 16, o->bytes) &&
	       within(o->name, VH_MODULE_NAME, o->bytes) && within(o->kallsyms, 8, o->bytes) &&
	       within(o->num_orcs, 4, o->bytes) && within(o->orc_ip, 8, o->bytes) &&
	       within(o->orc, 8, o->bytes) && o->symtab <= 64 && o->num_symtab <= 64 &&
	       o->strtab <= 64;
}

static uint32_t of_enum(const struct vh_kernel *k, const char *name, uint32_t usual)
{
	int64_t value;

	return k->btf && vh_guest_btf_enumerator(k->btf, name, &value) && value >= 0 &&
			       value < VH_MODULE_MEMS
		       ? (uint32_t)value
		       : usual;
}

/* 6.4 on. */
static bool mems(const struct vh_kernel *k, struct vh_module_layout *o)
{
	const struct vh_layout *l = k->layout;
	struct vh_field f;

	if (!vh_layout_field(l, "module", "mem", &f) || !f.count || f.count > VH_MODULE_MEMS)
		return false;
	if (!vh_layout_sizeof(l, "module_memory", &o->mem_stride) || o->mem_stride < 16 ||
		o->mem_stride > VH_MODULE_STRUCT / VH_MODULE_MEMS)
		return false;
	o->mem = f.offset;
	o->n_mems = f.count;
	o->mem_base = vh_layout_offset(l, "module_memory", "base", 0);
	o->mem_size = vh_layout_offset(l, "module_memory", "size", 8);
	o->text = of_enum(k, "MOD_TEXT", 0);
	o->init_text = of_enum(k, "MOD_INIT_TEXT", 4);
	return true;
}

static void set_layouts(struct vh_module_layout *o, uint32_t base, uint32_t size, uint32_t text)
{
	o->layout_base = base;
	o->layout_size = size;
	o->layout_text = text;
}

static bool layouts(const struct vh_layout *l, struct vh_module_layout *o)
{
	o->core = vh_layout_offset(l, "module", "core_layout", 0);
	o->init = vh_layout_offset(l, "module", "init_layout", 0);
	set_layouts(o, vh_layout_offset(l, "module_layout", "base", 0),
		vh_layout_offset(l, "module_layout", "size", 8),
		vh_layout_offset(l, "module_layout", "text_size", 12));
	return o->core && o->init;
}

bool vh_module_layout_of(const struct vh_kernel *k, struct vh_module_layout *out)
{
	const struct vh_layout *l = k->layout;
	struct vh_module_layout o = {0};

	if (!vh_layout_sizeof(l, "module", &o.bytes) || o.bytes < NAME + VH_MODULE_NAME)
		return false;
	o.bytes = VH_MIN(o.bytes, VH_MODULE_STRUCT);
	o.list = vh_layout_offset(l, "module", "list", LIST);
	o.name = vh_layout_offset(l, "module", "name", NAME);
	if (!mems(k, &o) && !layouts(l, &o))
		return false;
	o.kallsyms = vh_layout_offset(l, "module", "kallsyms", 0);
	o.num_orcs = vh_layout_offset(l, "module", "arch.num_orcs", 0);
	o.orc_ip = vh_layout_offset(l, "module", "arch.orc_unwind_ip", 0);
	o.orc = vh_layout_offset(l, "module", "arch.orc_unwind", 0);
	o.symtab = vh_layout_offset(l, "mod_kallsyms", "symtab", 0);
	o.num_symtab = vh_layout_offset(l, "mod_kallsyms", "num_symtab", 8);
	o.strtab = vh_layout_offset(l, "mod_kallsyms", "strtab", 16);
	if (!fits(&o))
		return false;
	*out = o;
	return true;
}

/* struct module_layout { void *base; unsigned int size, text_size, ro_size, ro_after_init_size; }
 * that holds the struct module itself: the offset of it, or 0. */
static uint32_t find_core(struct vh_bytes b, uint64_t gva, uint64_t *base, uint64_t *size)
{
	for (uint32_t at = NAME + VH_MODULE_NAME; at + 24 <= b.n; at += 8) {
		uint64_t first = vh_bytes_u64(b, at);
		uint32_t all = vh_bytes_u32(b, at + 8), text = vh_bytes_u32(b, at + 12);
		uint32_t ro = vh_bytes_u32(b, at + 16), later = vh_bytes_u32(b, at + 20);

		if (first >> 63 && first % VH_GUEST_PAGE == 0 && gva > first && gva - first < all &&
			text <= ro && ro <= later && later <= all) {
			*base = first;
			*size = all;
			return at;
		}
	}
	return 0;
}

/* kallsyms points to core_kallsyms, which lies right behind it. */
static uint32_t find_kallsyms(struct vh_bytes b, uint64_t gva, uint64_t base, uint64_t size)
{
	for (uint32_t at = NAME + VH_MODULE_NAME; at + 32 <= b.n; at += 8)
		if (vh_bytes_u64(b, at) == gva + at + 8 && vh_bytes_u64(b, at + 8) - base < size &&
			vh_bytes_u64(b, at + 24) - base < size)
			return at;
	return 0;
}

/* struct mod_arch_specific { unsigned int num_orcs; int *orc_unwind_ip; struct orc_entry
 * *orc_unwind; }: both tables are in core memory, whole. */
static uint32_t find_orc(struct vh_bytes b, uint64_t base, uint64_t size)
{
	for (uint32_t at = NAME + VH_MODULE_NAME; at + 24 <= b.n; at += 8) {
		uint64_t n = vh_bytes_u64(b, at), ip = vh_bytes_u64(b, at + 8) - base;
		uint64_t orc = vh_bytes_u64(b, at + 16) - base;

		if (n && n <= size / 10 && within(ip, n * 4, size) && within(orc, n * 6, size) &&
			ip % 2 == 0 && (ip + n * 4 <= orc || orc + n * 6 <= ip))
			return at;
	}
	return 0;
}

bool vh_module_layout_infer(struct vh_bytes module, uint64_t gva, struct vh_module_layout *out)
{
	struct vh_module_layout o = {.bytes = (uint32_t)module.n, .list = LIST, .name = NAME};
	uint64_t base, size;

	o.core = find_core(module, gva, &base, &size);
	if (!o.core)
		return false;
	/* Both with a latch-tree node behind, of 56 bytes, where CONFIG_MODULES_TREE_LOOKUP is set,
	 * which it is with perf and tracing. Without their being met, init text is not known. */
	o.init = o.core + 80;
	set_layouts(&o, 0, 8, 12);
	o.kallsyms = find_kallsyms(module, gva, base, size);
	o.num_symtab = 8;
	o.strtab = 16;
	uint32_t orc = find_orc(module, base, size);

	if (orc) {
		o.num_orcs = orc;
		o.orc_ip = orc + 8;
		o.orc = orc + 16;
	}
	if (!fits(&o))
		return false;
	*out = o;
	return true;
}
