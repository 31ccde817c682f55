/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/modules_parts.h"

#include <errno.h>

#define MAX_REGION (UINT64_C(256) << 20)
#define MAX_ORCS   (1u << 20)
#define INFER      2048u /* bytes of a struct module that are looked through without BTF */

static void add_region(
	struct vh_modules *m, uint64_t gva, uint64_t bytes, uint32_t module, bool text)
{
	if (gva >> 63 && bytes && bytes <= MAX_REGION && bytes - 1 <= UINT64_MAX - gva)
		VH_PUSH(m->regions, m->n_regions) =
			(struct vh_module_region){gva, bytes, module, text};
}

static void add_mems(struct vh_modules *m, struct vh_bytes b, struct vh_module *module)
{
	const struct vh_module_layout *o = &m->layout;

	for (uint32_t i = 0; i < o->n_mems; i++) {
		uint64_t at = o->mem + (uint64_t)i * o->mem_stride;
		uint64_t gva = vh_bytes_u64(b, at + o->mem_base);
		uint32_t bytes = vh_bytes_u32(b, at + o->mem_size);

		if (i == o->text)
			module->gva = gva;
		module->bytes += bytes;
		add_region(m, gva, bytes, (uint32_t)m->n, i == o->text || i == o->init_text);
	}
}

/* A piece of core or init memory: text first, and what is no text behind it. */
static uint64_t add_layout(
	struct vh_modules *m, struct vh_bytes b, uint64_t at, struct vh_module *module)
{
	const struct vh_module_layout *o = &m->layout;
	uint64_t gva = vh_bytes_u64(b, at + o->layout_base);
	uint32_t bytes = vh_bytes_u32(b, at + o->layout_size);
	uint32_t text = vh_bytes_u32(b, at + o->layout_text);

	if (!gva || text > bytes || bytes > MAX_REGION)
		return gva;
	module->bytes += bytes;
	add_region(m, gva, text, (uint32_t)m->n, true);
	add_region(m, gva + text, bytes - text, (uint32_t)m->n, false);
	return gva;
}

static void add(struct vh_modules *m, struct vh_bytes b)
{
	const struct vh_module_layout *o = &m->layout;
	struct vh_module module = {0};
	struct vh_bytes name = vh_bytes_at(b, o->name, VH_MODULE_NAME - 1);

	memcpy(module.name, name.data, name.n);
	if (o->n_mems) {
		add_mems(m, b, &module);
	} else {
		module.gva = add_layout(m, b, o->core, &module);
		add_layout(m, b, o->init, &module);
	}
	if (o->kallsyms)
		module.kallsyms = vh_bytes_u64(b, o->kallsyms);
	if (o->num_orcs && o->orc_ip && o->orc)
		module.orc = (struct vh_module_orc){
			.ip_gva = vh_bytes_u64(b, o->orc_ip),
			.orc_gva = vh_bytes_u64(b, o->orc),
			.n = VH_MIN(vh_bytes_u32(b, o->num_orcs), MAX_ORCS),
		};
	VH_PUSH(m->list, m->n) = module;
}

static int by_address(const void *a, const void *b)
{
	const struct vh_module_region *x = a, *y = b;

	return (x->gva > y->gva) - (x->gva < y->gva);
}

/* From module to module. NULL, or why it ended before it came to the list's head again. */
static const char *walk(struct vh_modules *m, struct vh_kernel *k, uint64_t head)
{
	uint8_t copy[VH_MODULE_STRUCT];
	uint64_t at;

	if (vh_space_u64(k->space, head, &at) < 0)
		return "its begin cannot be read";
	while (at != head) {
		uint64_t gva = at - m->layout.list;
		struct vh_bytes b = {copy, m->layout.bytes};

		if (m->n == VH_INSIDE_MAX_MODULES)
			return "it is too long";
		if (vh_space_read(k->space, gva, copy, b.n) < 0)
			return "a module cannot be read";
		if (!m->layout.name && !vh_module_layout_infer(b, gva, &m->layout))
			return "the kernel has no type information, and its form is not known";
		b.n = m->layout.bytes;
		add(m, b);
		m->list[m->n - 1].at = gva;
		at = vh_bytes_u64(b, m->layout.list);
		for (size_t i = 0; i < m->n; i++)
			if (m->list[i].at == at - m->layout.list)
				return "it leads back into itself";
	}
	return NULL;
}

struct vh_modules *vh_modules_read(struct vh_kernel *k, struct vh_inside *in)
{
	struct vh_modules *m = vh_alloc(sizeof(*m));
	uint64_t head;

	if (!vh_symbols_address(k->symbols, "modules", &head))
		return m; /* a kernel without modules */
	if (!vh_module_layout_of(k, &m->layout))
		m->layout = (struct vh_module_layout){.bytes = INFER, .list = 8};
	const char *why = walk(m, k, head);

	if (why)
		vh_inside_note(
			in, "the list of modules was read as far as the first %zu: %s", m->n, why);
	if (m->n_regions)
		qsort(m->regions, m->n_regions, sizeof(*m->regions), by_address);
	return m;
}

void vh_modules_free(struct vh_modules *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		free(m->list[i].symbols);
		free(m->list[i].names);
	}
	free(m->list);
	free(m->regions);
	free(m);
}

const struct vh_module_region *vh_module_region_at(const struct vh_modules *m, uint64_t gva)
{
	size_t low = 0, high = m->n_regions;

	while (low < high) { /* the first that begins behind gva */
		size_t middle = low + (high - low) / 2;

		if (m->regions[middle].gva <= gva)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || gva - m->regions[low - 1].gva >= m->regions[low - 1].bytes)
		return NULL;
	return &m->regions[low - 1];
}

bool vh_modules_at(const struct vh_modules *m, uint64_t gva, size_t *index)
{
	const struct vh_module_region *r = vh_module_region_at(m, gva);

	if (r)
		*index = r->module;
	return r;
}

bool vh_modules_is_text(const struct vh_modules *m, uint64_t gva)
{
	const struct vh_module_region *r = vh_module_region_at(m, gva);

	return r && r->text;
}

const char *vh_modules_name(const struct vh_modules *m, size_t index)
{
	return index < m->n ? m->list[index].name : NULL;
}

bool vh_modules_orc(const struct vh_modules *m, size_t index, struct vh_module_orc *out)
{
	if (index >= m->n || !m->list[index].orc.n)
		return false;
	*out = m->list[index].orc;
	return true;
}

void vh_modules_list(const struct vh_modules *m, struct vh_inside *in)
{
	for (size_t i = 0; i < m->n && in->n_modules < VH_INSIDE_MAX_MODULES; i++)
		VH_PUSH(in->modules, in->n_modules) = (struct vh_inside_module){
			vh_strdup(m->list[i].name), m->list[i].gva, m->list[i].bytes};
}
