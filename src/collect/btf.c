/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/btf.h"

#include <linux/btf.h>

#define BTF_CAP    (64u << 20)
#define MAX_CHAIN  32 /* typedefs, const, volatile before a type */
#define TRACEPOINT "btf_trace_"

/* One piece of BTF. The types of a module continue those of the base, and so do its strings. */
struct part {
	char *data;
	const char *strings;
	uint32_t string_bytes;
	uint32_t string_base; /* offset of its first string */
	const char *types;
	uint32_t type_bytes;
};

struct vh_btf {
	struct part parts[2];
	uint32_t *at; /* of type i + 1: offset in its part's types */
	size_t n;
	size_t n_base; /* so many of them are the base's */
};

/* Bytes behind struct btf_type (linux/btf.h); -1 for a kind that is not known. */
static int64_t extra_bytes(const struct btf_type *t)
{
	uint32_t n = BTF_INFO_VLEN(t->info);

	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_INT:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return (int64_t)(n * sizeof(struct btf_member));
	case BTF_KIND_ENUM:
		return (int64_t)(n * sizeof(struct btf_enum));
	case BTF_KIND_FUNC_PROTO:
		return (int64_t)(n * sizeof(struct btf_param));
	case BTF_KIND_DATASEC:
		return (int64_t)(n * sizeof(struct btf_var_secinfo));
	case BTF_KIND_VAR:
	case 17: /* BTF_KIND_DECL_TAG, Linux 5.16 */
		return 4;
	case 19: /* BTF_KIND_ENUM64, Linux 6.0: value name, low, high word */
		return (int64_t)n * 12;
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case 16: /* BTF_KIND_FLOAT */
	case 18: /* BTF_KIND_TYPE_TAG */
		return 0;
	default:
		return -1;
	}
}

/* Takes the sections of one piece, and the piece; false where it is none of this machine's. */
static bool part_open(struct part *p, char *data, size_t size, uint32_t string_base)
{
	struct vh_str text = {data, size};
	struct btf_header h;

	p->data = data;
	if (text.n < sizeof(h))
		return false;
	memcpy(&h, text.s, sizeof(h));
	if (h.magic != BTF_MAGIC || h.hdr_len < sizeof(h) || h.hdr_len > text.n ||
		h.type_off > text.n - h.hdr_len || h.type_len > text.n - h.hdr_len - h.type_off ||
		h.str_off > text.n - h.hdr_len || h.str_len > text.n - h.hdr_len - h.str_off ||
		h.type_off % 4 || h.hdr_len % 4)
		return false;
	p->types = p->data + h.hdr_len + h.type_off;
	p->type_bytes = h.type_len;
	p->strings = p->data + h.hdr_len + h.str_off;
	p->string_bytes = h.str_len;
	p->string_base = string_base;
	/* Every string ends within. */
	return h.str_len && !p->strings[h.str_len - 1];
}

static void index_types(struct vh_btf *btf, const struct part *p)
{
	for (uint32_t at = 0; p->type_bytes - at >= sizeof(struct btf_type);) {
		const struct btf_type *t = (const struct btf_type *)(p->types + at);
		int64_t extra = extra_bytes(t);

		if (extra < 0 || extra > (int64_t)(p->type_bytes - at - sizeof(*t)))
			return;
		VH_PUSH(btf->at, btf->n) = at;
		at += (uint32_t)(sizeof(*t) + (size_t)extra);
	}
}

/* Takes both pieces. */
static struct vh_btf *open_parts(char *base, size_t base_size, char *module, size_t module_size)
{
	struct vh_btf *btf = vh_alloc(sizeof(*btf));

	btf->parts[1].data = module;
	if (!part_open(&btf->parts[0], base, base_size, 0)) {
		vh_btf_free(btf);
		return NULL;
	}
	index_types(btf, &btf->parts[0]);
	btf->n_base = btf->n;
	if (module_size &&
		part_open(&btf->parts[1], module, module_size, btf->parts[0].string_bytes))
		index_types(btf, &btf->parts[1]);
	return btf;
}

static char *copy(struct vh_str s)
{
	return s.n ? memcpy(vh_alloc(s.n), s.s, s.n) : NULL;
}

struct vh_btf *vh_btf_parse(struct vh_str base, struct vh_str module)
{
	return open_parts(copy(base), base.n, copy(module), module.n);
}

struct vh_btf *vh_btf_read(struct vh_host *host)
{
	struct vh_reading base = {0}, module = {0};

	vh_host_read(host, BTF_CAP, &base, "/sys/kernel/btf/vmlinux");
	vh_host_read(host, BTF_CAP, &module, "/sys/kernel/btf/kvm");
	/* Half of it would be wrong. */
	return open_parts(base.data, base.status == VH_OK ? base.size : 0, module.data,
		module.status == VH_OK ? module.size : 0);
}

void vh_btf_free(struct vh_btf *btf)
{
	if (!btf)
		return;
	free(btf->parts[0].data);
	free(btf->parts[1].data);
	free(btf->at);
	free(btf);
}

/* NULL for void (0) and for what is not there. */
static const struct btf_type *type_of(const struct vh_btf *btf, uint32_t id)
{
	if (!id || id > btf->n)
		return NULL;
	return (const struct btf_type *)(btf->parts[id > btf->n_base].types + btf->at[id - 1]);
}

static const char *string_at(const struct vh_btf *btf, uint32_t offset)
{
	const struct part *p = &btf->parts[offset >= btf->parts[0].string_bytes];

	offset -= p->string_base;
	return p->strings && offset < p->string_bytes ? p->strings + offset : "";
}

static const struct btf_type *find(
	const struct vh_btf *btf, uint32_t kind, const char *prefix, const char *name)
{
	size_t n = strlen(prefix);

	for (size_t i = 0; i < btf->n; i++) {
		const struct btf_type *t = type_of(btf, (uint32_t)i + 1);

		if (BTF_INFO_KIND(t->info) != kind)
			continue;
		const char *s = string_at(btf, t->name_off);

		if (strncmp(s, prefix, n) == 0 && strcmp(s + n, name) == 0)
			return t;
	}
	return NULL;
}

/* What a type is behind its names and qualifiers; NULL unknown or void. */
static const struct btf_type *behind(const struct vh_btf *btf, uint32_t id)
{
	const struct btf_type *t = type_of(btf, id);

	for (int i = 0; t && i < MAX_CHAIN; i++) {
		switch (BTF_INFO_KIND(t->info)) {
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_CONST:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_RESTRICT:
			t = type_of(btf, t->type);
			break;
		default:
			return t;
		}
	}
	return NULL;
}

static char letter_of(const struct btf_type *t)
{
	switch (t ? BTF_INFO_KIND(t->info) : BTF_KIND_UNKN) {
	case BTF_KIND_INT:
	case BTF_KIND_ENUM:
		return 'i';
	case BTF_KIND_PTR:
		return 'p';
	default:
		return '?';
	}
}

bool vh_btf_tracepoint(const struct vh_btf *btf, const char *name, char args[VH_BTF_MAX_ARGS + 1])
{
	const struct btf_type *t = find(btf, BTF_KIND_TYPEDEF, TRACEPOINT, name);

	/* typedef void (*btf_trace_X)(void *data, arguments...) (include/trace/bpf_probe.h) */
	t = t ? behind(btf, t->type) : NULL;
	t = t && BTF_INFO_KIND(t->info) == BTF_KIND_PTR ? behind(btf, t->type) : NULL;
	if (!t || BTF_INFO_KIND(t->info) != BTF_KIND_FUNC_PROTO)
		return false;
	const struct btf_param *p = (const struct btf_param *)(t + 1);
	uint32_t n = BTF_INFO_VLEN(t->info);

	if (!n || n - 1 > VH_BTF_MAX_ARGS)
		return false;
	for (uint32_t i = 1; i < n; i++)
		args[i - 1] = letter_of(behind(btf, p[i].type));
	args[n - 1] = 0;
	return true;
}

int64_t vh_btf_offset(const struct vh_btf *btf, const char *structure, const char *member)
{
	const struct btf_type *t = find(btf, BTF_KIND_STRUCT, "", structure);

	if (!t)
		return -1;
	const struct btf_member *m = (const struct btf_member *)(t + 1);

	for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++) {
		/* With kind_flag the upper byte is a bit field's size. */
		uint32_t bits = m[i].offset;

		if (BTF_INFO_KFLAG(t->info))
			bits = BTF_MEMBER_BIT_OFFSET(bits);

		if (strcmp(string_at(btf, m[i].name_off), member) == 0)
			return bits % 8 ? -1 : (int64_t)(bits / 8);
	}
	return -1;
}
