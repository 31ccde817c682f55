/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/btf.h"

#include <errno.h>

#define MAGIC       0xeb9fu
#define HEADER      24u      /* bytes of struct btf_header */
#define MAX_TYPES   1048575u /* BTF_MAX_TYPE of uapi/linux/btf.h */
#define MAX_NAME    128u     /* of what is asked for; longer ones are not indexed */
#define MAX_PROBES  32u      /* so that colliding names cannot make the index slow */
#define MAX_CHAIN   32u      /* typedefs, const, volatile before a type; arrays of arrays */
#define MAX_NESTING 16u      /* anonymous structs in each other; parts of a path */
/* Members and enumerators that one question looks at: more than any kernel needs. */
#define MAX_LOOKS       20000u
#define MAX_ENUMERATORS 500000u

/* Documentation/bpf/btf.rst. */
enum kind {
	KIND_INT = 1,
	KIND_PTR,
	KIND_ARRAY,
	KIND_STRUCT,
	KIND_UNION,
	KIND_ENUM,
	KIND_FWD,
	KIND_TYPEDEF,
	KIND_VOLATILE,
	KIND_CONST,
	KIND_RESTRICT,
	KIND_FUNC,
	KIND_FUNC_PROTO,
	KIND_VAR,
	KIND_DATASEC,
	KIND_FLOAT,    /* Linux 5.13 */
	KIND_DECL_TAG, /* 5.16 */
	KIND_TYPE_TAG, /* 5.17 */
	KIND_ENUM64,   /* 6.0 */
};

struct slot {
	uint32_t hash, id; /* of a type; 0: empty */
};

#define MAX_KINDS 128u

struct vh_btf {
	uint8_t *types;
	/* Of each kind: bytes behind the three words, and of each row; 0 and 0 where that is not
	 * told. Newer kernels have a section of it. */
	uint8_t layout[MAX_KINDS][4];
	char *strings; /* ends with a NUL */
	uint32_t type_bytes, string_bytes;
	uint32_t *at; /* of type i + 1: offset in types */
	size_t n;
	struct slot *slots; /* named structs, unions, typedefs, enums */
	uint32_t n_slots;   /* a power of two */
	uint32_t *enums;    /* ids */
	size_t n_enums;
};

struct type {
	enum kind kind;
	bool flag; /* of a struct: members carry the width of bit fields */
	uint32_t name, n;
	uint32_t size;       /* or the id of the type that it refers to */
	const uint8_t *rest; /* what stands behind the three words: n rows, or fixed */
};

static uint32_t word(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

struct sections {
	uint64_t types, type_bytes, strings, string_bytes, layout, layout_bytes, all;
};

static bool read_header(const uint8_t *data, size_t n, struct sections *s)
{
	uint32_t header;

	if (n < HEADER || (word(data) & 0xffff) != MAGIC || data[2] != 1)
		return false;
	header = word(data + 4);
	if (header < HEADER || header > 4096)
		return false;
	*s = (struct sections){
		.types = (uint64_t)header + word(data + 8),
		.type_bytes = word(data + 12),
		.strings = (uint64_t)header + word(data + 16),
		.string_bytes = word(data + 20),
	};
	/* struct btf_header has grown by two words for it. */
	if (header >= HEADER + 8 && n >= HEADER + 8) {
		s->layout = (uint64_t)header + word(data + 24);
		s->layout_bytes = word(data + 28);
	}
	s->all = VH_MAX(s->types + s->type_bytes, s->strings + s->string_bytes);
	s->all = VH_MAX(s->all, s->layout + s->layout_bytes);
	return s->type_bytes && s->string_bytes && s->all <= VH_BTF_MAX;
}

size_t vh_guest_btf_size(const void *data, size_t n)
{
	struct sections s;

	return read_header(data, n, &s) ? (size_t)s.all : 0;
}

/* What stands in a type's info: up to 7.0 5 bits of kind and 16 of a count, with zeroes between. */
static enum kind kind_of(uint32_t info)
{
	return (enum kind)(info >> 24 & 0x7f);
}

static uint32_t count_of(uint32_t info)
{
	return info & 0xffffff;
}

/* Bytes of a type behind its three words; -1 for a kind that is not known, and that the section
 * does not tell of. */
static int64_t rest_bytes(const struct vh_btf *b, uint32_t info)
{
	const uint8_t *told = b->layout[kind_of(info)];
	uint32_t n = count_of(info);

	switch (kind_of(info)) {
	case KIND_INT:
	case KIND_VAR:
	case KIND_DECL_TAG:
		return 4;
	case KIND_ARRAY:
		return 12;
	case KIND_STRUCT:
	case KIND_UNION:
	case KIND_DATASEC:
	case KIND_ENUM64:
		return (int64_t)n * 12;
	case KIND_ENUM:
	case KIND_FUNC_PROTO:
		return (int64_t)n * 8;
	case KIND_PTR:
	case KIND_FWD:
	case KIND_TYPEDEF:
	case KIND_VOLATILE:
	case KIND_CONST:
	case KIND_RESTRICT:
	case KIND_FUNC:
	case KIND_FLOAT:
	case KIND_TYPE_TAG:
		return 0;
	default:
		return told[0] || told[1] ? told[0] + (int64_t)n * told[1] : -1;
	}
}

/* Finds where each type begins: no further than the first of a kind that is not known. */
static void index_types(struct vh_btf *b)
{
	uint32_t at = 0;

	while (b->type_bytes - at >= 12 && b->n < MAX_TYPES) {
		uint32_t info = word(b->types + at + 4);
		enum kind kind = kind_of(info);
		int64_t rest = rest_bytes(b, info);

		if (rest < 0 || rest > (int64_t)(b->type_bytes - at - 12))
			return;
		VH_PUSH(b->at, b->n) = at;
		if (kind == KIND_ENUM || kind == KIND_ENUM64)
			VH_PUSH(b->enums, b->n_enums) = (uint32_t)b->n;
		at += 12 + (uint32_t)rest;
	}
}

static bool type_of(const struct vh_btf *b, uint32_t id, struct type *t)
{
	if (!id || id > b->n)
		return false;
	const uint8_t *at = b->types + b->at[id - 1];
	uint32_t info = word(at + 4);

	*t = (struct type){
		.kind = kind_of(info),
		.flag = info >> 31,
		.name = word(at),
		.n = count_of(info),
		.size = word(at + 8),
		.rest = at + 12,
	};
	return true;
}

/* "" for what lies outside. */
static const char *string_at(const struct vh_btf *b, uint32_t offset)
{
	return offset < b->string_bytes ? b->strings + offset : "";
}

/* FNV-1a; 0 for a name that is none. */
static uint32_t hash_name(const char *s)
{
	uint32_t hash = 2166136261u;
	size_t i;

	for (i = 0; s[i] && i < MAX_NAME; i++)
		hash = (hash ^ (uint8_t)s[i]) * 16777619u;
	return i && i < MAX_NAME ? hash | 1 : 0;
}

/* What a name stands for, where there are several of it: a struct or union before an enum or
 * typedef, for these may be defined by it. */
static bool is_structure(enum kind kind)
{
	return kind == KIND_STRUCT || kind == KIND_UNION;
}

/* The slot of a name, or a free one for it; NULL where there are too many others in its place. */
static struct slot *slot_of(const struct vh_btf *b, const char *name, uint32_t hash)
{
	for (uint32_t i = 0; i < MAX_PROBES; i++) {
		struct slot *s = &b->slots[(hash + i) & (b->n_slots - 1)];
		struct type t;

		if (!s->id || (s->hash == hash && type_of(b, s->id, &t) &&
				      strcmp(string_at(b, t.name), name) == 0))
			return s;
	}
	return NULL;
}

static void index_names(struct vh_btf *b)
{
	b->n_slots = 1024;
	/* A third to a quarter of a kernel's types have a name of these kinds. */
	while (b->n_slots < b->n)
		b->n_slots *= 2;
	b->slots = vh_alloc(b->n_slots * sizeof(*b->slots));
	for (uint32_t id = 1; id <= b->n; id++) {
		struct type t, other;

		type_of(b, id, &t);
		if (!is_structure(t.kind) && t.kind != KIND_TYPEDEF && t.kind != KIND_ENUM &&
			t.kind != KIND_ENUM64)
			continue;
		const char *name = string_at(b, t.name);
		uint32_t hash = hash_name(name);
		struct slot *s = hash ? slot_of(b, name, hash) : NULL;

		if (s && (!s->id || (is_structure(t.kind) && type_of(b, s->id, &other) &&
					    !is_structure(other.kind))))
			*s = (struct slot){hash, id};
	}
}

int vh_guest_btf_parse(const void *data, size_t n, struct vh_btf **out, char **why)
{
	const uint8_t *bytes = data;
	struct sections s;

	*out = NULL;
	*why = NULL;
	if (!read_header(data, n, &s)) {
		*why = vh_strdup("there is no BTF header");
		return -EBADMSG;
	}
	if (s.all > n) {
		*why = vh_asprintf(
			"the BTF is cut short: %zu of %llu bytes", n, (unsigned long long)s.all);
		return -EBADMSG;
	}
	struct vh_btf *b = vh_alloc(sizeof(*b));

	b->type_bytes = (uint32_t)s.type_bytes;
	b->types = memcpy(vh_realloc_array(NULL, b->type_bytes, 1), bytes + s.types, b->type_bytes);
	b->string_bytes = (uint32_t)s.string_bytes;
	b->strings = vh_realloc_array(NULL, b->string_bytes + 1, 1);
	memcpy(b->strings, bytes + s.strings, b->string_bytes);
	b->strings[b->string_bytes] = '\0';
	memcpy(b->layout, bytes + s.layout, VH_MIN(s.layout_bytes, sizeof(b->layout)));
	index_types(b);
	if (!b->n) {
		*why = vh_strdup("the BTF has no type that is known");
		vh_guest_btf_free(b);
		return -EBADMSG;
	}
	index_names(b);
	*out = b;
	return 0;
}

void vh_guest_btf_free(struct vh_btf *b)
{
	if (!b)
		return;
	free(b->types);
	free(b->strings);
	free(b->at);
	free(b->slots);
	free(b->enums);
	free(b);
}

size_t vh_guest_btf_types(const struct vh_btf *b)
{
	return b->n;
}

/* --- Questions -----------------------------------------------------------------------------------
 */

/* The type behind typedefs, const, volatile and tags. */
static bool strip(const struct vh_btf *b, uint32_t id, struct type *t)
{
	for (unsigned i = 0; i < MAX_CHAIN && type_of(b, id, t); i++) {
		if (t->kind != KIND_TYPEDEF && t->kind != KIND_CONST && t->kind != KIND_VOLATILE &&
			t->kind != KIND_RESTRICT && t->kind != KIND_TYPE_TAG)
			return true;
		id = t->size;
	}
	return false;
}

/* Bytes, and how many elements where it is an array (of arrays). */
static bool measure(const struct vh_btf *b, uint32_t id, uint32_t *bytes, uint32_t *count)
{
	uint64_t n = 1;
	struct type t;

	for (unsigned i = 0; i < MAX_CHAIN && strip(b, id, &t); i++) {
		if (t.kind != KIND_ARRAY) {
			uint64_t each = t.kind == KIND_PTR ? 8 : t.size;

			if (t.kind == KIND_FWD || t.kind == KIND_FUNC ||
				t.kind == KIND_FUNC_PROTO || t.kind == KIND_VAR ||
				n * each > UINT32_MAX)
				return false;
			*bytes = (uint32_t)(n * each);
			*count = (uint32_t)n;
			return true;
		}
		n *= word(t.rest + 8);
		id = word(t.rest);
		if (n > UINT32_MAX)
			return false;
	}
	return false;
}

static bool find(const struct vh_btf *b, const char *name, uint32_t *id)
{
	uint32_t hash = hash_name(name);
	const struct slot *s = hash ? slot_of(b, name, hash) : NULL;

	if (!s || !s->id)
		return false;
	*id = s->id;
	return true;
}

struct member {
	uint32_t type, bits;
	uint64_t bit_offset;
};

static void member_at(const struct type *t, uint32_t i, struct member *m)
{
	uint32_t offset = word(t->rest + (size_t)i * 12 + 8);

	m->type = word(t->rest + (size_t)i * 12 + 4);
	m->bits = t->flag ? offset >> 24 : 0;
	m->bit_offset = t->flag ? offset & 0xffffff : offset;
}

/* Reads no more of s than name is long. */
static bool is_name(const char *s, struct vh_str name)
{
	return strncmp(s, name.s, name.n) == 0 && !s[name.n];
}

/* A member of that name; anonymous structs and unions are looked through. */
static bool find_member(const struct vh_btf *b, const struct type *t, struct vh_str name,
	unsigned depth, unsigned *looks, struct member *out)
{
	for (uint32_t i = 0; i < t->n && *looks; i++, --*looks)
		if (is_name(string_at(b, word(t->rest + (size_t)i * 12)), name)) {
			member_at(t, i, out);
			return true;
		}
	for (uint32_t i = 0; i < t->n && *looks && depth < MAX_NESTING; i++) {
		struct member m;
		struct type inner;

		member_at(t, i, &m);
		if (*string_at(b, word(t->rest + (size_t)i * 12)) || !strip(b, m.type, &inner) ||
			!is_structure(inner.kind))
			continue;
		if (find_member(b, &inner, name, depth + 1, looks, out)) {
			out->bit_offset += m.bit_offset;
			return true;
		}
	}
	return false;
}

/* Before kind_flag, the integer type itself told the place and width of a bit field. */
static void old_bit_field(const struct vh_btf *b, struct member *m)
{
	struct type t;

	if (m->bits || !strip(b, m->type, &t) || t.kind != KIND_INT)
		return;
	uint32_t encoding = word(t.rest), bits = encoding & 0xff;

	if (bits && bits < (uint64_t)t.size * 8) {
		m->bits = bits;
		m->bit_offset += encoding >> 16 & 0xff;
	}
}

static bool describe(const struct vh_btf *b, struct member *m, struct vh_field *out)
{
	old_bit_field(b, m);
	if (m->bit_offset / 8 > UINT32_MAX)
		return false;
	*out = (struct vh_field){
		.offset = (uint32_t)(m->bit_offset / 8),
		.bit_offset = (uint32_t)(m->bit_offset % 8),
		.bits = m->bits,
		.count = 1,
	};
	if (m->bits) {
		out->size = (out->bit_offset + m->bits + 7) / 8;
		return true;
	}
	return measure(b, m->type, &out->size, &out->count);
}

bool vh_guest_btf_field(
	const struct vh_btf *b, const char *type, const char *path, struct vh_field *out)
{
	struct vh_str rest = vh_str(path), part;
	unsigned looks = MAX_LOOKS;
	struct member all = {0};

	if (!find(b, type, &all.type))
		return false;
	for (unsigned depth = 0; vh_next_part(&rest, '.', &part); depth++) {
		struct member m;
		struct type t;

		/* A bit field has no members. */
		if (depth == MAX_NESTING || all.bits || !strip(b, all.type, &t) ||
			!is_structure(t.kind) || !find_member(b, &t, part, 0, &looks, &m))
			return false;
		m.bit_offset += all.bit_offset;
		all = m;
	}
	return describe(b, &all, out);
}

bool vh_guest_btf_sizeof(const struct vh_btf *b, const char *type, uint32_t *bytes)
{
	uint32_t id, count;

	return find(b, type, &id) && measure(b, id, bytes, &count);
}

bool vh_guest_btf_enumerator(const struct vh_btf *b, const char *name, int64_t *value)
{
	struct vh_str wanted = vh_str(name);
	unsigned looks = MAX_ENUMERATORS;

	for (size_t i = 0; i < b->n_enums; i++) {
		struct type t;

		type_of(b, b->enums[i], &t);
		uint32_t row = t.kind == KIND_ENUM64 ? 12 : 8;

		for (uint32_t k = 0; k < t.n && looks; k++, looks--) {
			const uint8_t *at = t.rest + (size_t)k * row;

			if (!is_name(string_at(b, word(at)), wanted))
				continue;
			if (t.kind == KIND_ENUM64)
				*value = (int64_t)((uint64_t)word(at + 8) << 32 | word(at + 4));
			else /* kind_flag: signed; values that are used here fit either way */
				*value = t.flag ? (int32_t)word(at + 4) : (int64_t)word(at + 4);
			return true;
		}
	}
	return false;
}
