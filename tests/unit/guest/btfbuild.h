/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small BTF sections, described as text, for tests and fuzz targets. A line each:
 *
 *	struct NAME BYTES	begins a structure (union likewise); "-": anonymous
 *	OFFSET NAME BYTES	a member that is a number
 *	OFFSET NAME BYTES*N	an array of numbers
 *	OFFSET NAME :BITS	a bit field; OFFSET is in bits
 *	OFFSET NAME @TYPE	a member that is a structure described before; "-": anonymous
 *	OFFSET NAME @TYPE*N	an array of such
 *	typedef NAME TYPE	of a structure described before
 *	enum NAME FIRST...	its enumerators, numbered from 0 on
 *
 * Numbers are hexadecimal. "@-" is the last anonymous structure.
 */
#pragma once

#include <stdio.h>

#include "base/text.h"

struct btf_build {
	struct vh_buf types, strings;
	uint32_t n;      /* types so far */
	size_t info_at;  /* of the structure that members are added to */
	uint32_t *named; /* pairs: string offset, id */
	size_t n_named;
};

static inline void btf_words(struct btf_build *b, const uint32_t *words, size_t n)
{
	vh_buf_add(&b->types, words, n * sizeof(*words));
}

static inline uint32_t btf_string(struct btf_build *b, struct vh_str s)
{
	uint32_t at = (uint32_t)b->strings.len;

	if (!s.n || vh_str_is(s, "-"))
		return 0;
	vh_buf_add(&b->strings, s.s, s.n);
	vh_buf_putc(&b->strings, '\0');
	return at;
}

/* The last type of that name. */
static inline uint32_t btf_find(const struct btf_build *b, struct vh_str name)
{
	for (size_t i = b->n_named; i > 0; i -= 2) {
		const char *s = b->strings.data + b->named[i - 2];

		if (b->named[i - 2] ? vh_str_is(name, s) : vh_str_is(name, "-"))
			return b->named[i - 1];
	}
	fprintf(stderr, "btf: no %.*s\n", (int)name.n, name.s);
	abort();
}

/* kind, how many rows, flag */
static inline uint32_t btf_info(uint32_t kind, uint32_t n, bool flag)
{
	return kind << 24 | n | (uint32_t)flag << 31;
}

static inline void btf_name(struct btf_build *b, uint32_t name)
{
	b->n++;
	VH_PUSH(b->named, b->n_named) = name;
	VH_PUSH(b->named, b->n_named) = b->n;
}

static inline uint64_t btf_number(struct vh_str s)
{
	uint64_t value = 0;

	if (!vh_parse_u64(s, 16, &value)) {
		fprintf(stderr, "btf: no number \"%.*s\"\n", (int)s.n, s.s);
		abort();
	}
	return value;
}

/* Types that members need stand in front of the structure, so a structure is written when all of
 * its members are known: rows collects them. */
struct btf_rows {
	uint32_t name, kind, bytes, n;
	uint32_t rows[256 * 3];
};

static inline void btf_end(struct btf_build *b, struct btf_rows *r)
{
	if (!r->kind)
		return;
	btf_words(b, (uint32_t[]){r->name, btf_info(r->kind, r->n, true), r->bytes}, 3);
	btf_words(b, r->rows, (size_t)r->n * 3);
	btf_name(b, r->name);
	r->kind = 0;
}

static inline uint32_t btf_int(struct btf_build *b, uint32_t bytes)
{
	btf_words(b, (uint32_t[]){0, btf_info(1, 0, false), bytes, bytes * 8}, 4);
	return ++b->n;
}

static inline void btf_member(struct btf_build *b, struct btf_rows *r, struct vh_str offset,
	struct vh_str name, struct vh_str type)
{
	uint64_t bits = btf_number(offset) * 8;
	ssize_t star = vh_str_find(type, "*");
	uint32_t id;

	if (r->n == 256)
		abort();
	if (vh_str_starts(type, "@")) {
		size_t end = star < 0 ? type.n : (size_t)star;

		id = btf_find(b, (struct vh_str){type.s + 1, end - 1});
		if (star >= 0) {
			uint64_t n =
				btf_number((struct vh_str){type.s + end + 1, type.n - end - 1});

			btf_words(b, (uint32_t[]){0, btf_info(3, 0, false), 0, id, id, (uint32_t)n},
				6);
			id = ++b->n;
		}
	} else if (vh_str_starts(type, ":")) {
		bits = bits / 8 | btf_number((struct vh_str){type.s + 1, type.n - 1}) << 24;
		id = btf_int(b, 4);
	} else if (star >= 0) {
		uint32_t each = btf_int(b, (uint32_t)btf_number((struct vh_str){type.s, star}));
		uint64_t n = btf_number((struct vh_str){type.s + star + 1, type.n - star - 1});

		btf_words(b, (uint32_t[]){0, btf_info(3, 0, false), 0, each, each, (uint32_t)n}, 6);
		id = ++b->n;
	} else {
		id = btf_int(b, (uint32_t)btf_number(type));
	}
	r->rows[r->n * 3] = btf_string(b, name);
	r->rows[r->n * 3 + 1] = id;
	r->rows[r->n * 3 + 2] = (uint32_t)bits;
	r->n++;
}

static inline void btf_enum(struct btf_build *b, struct vh_str name, struct vh_str rest)
{
	uint32_t rows[64], n = 0;
	struct vh_str word;

	while (n < 32 && vh_next_word(&rest, &word)) {
		rows[n * 2] = btf_string(b, word);
		rows[n * 2 + 1] = n;
		n++;
	}
	uint32_t at = btf_string(b, name);

	btf_words(b, (uint32_t[]){at, btf_info(6, n, false), 4}, 3);
	btf_words(b, rows, (size_t)n * 2);
	btf_name(b, at);
}

static inline void btf_line(struct btf_build *b, struct btf_rows *r, struct vh_str line)
{
	struct vh_str rest = line, first = {0}, second = {0}, third = {0};

	vh_next_word(&rest, &first);
	vh_next_word(&rest, &second);
	struct vh_str behind = rest;

	vh_next_word(&rest, &third);
	if (!first.n || first.s[0] == '#')
		return;
	bool is_union = vh_str_is(first, "union");

	if (is_union || vh_str_is(first, "struct")) {
		btf_end(b, r);
		*r = (struct btf_rows){.name = btf_string(b, second),
			.kind = is_union ? 5 : 4,
			.bytes = (uint32_t)btf_number(third)};
	} else if (vh_str_is(first, "typedef")) {
		btf_end(b, r);
		uint32_t at = btf_string(b, second);

		btf_words(b, (uint32_t[]){at, btf_info(8, 0, false), btf_find(b, third)}, 3);
		btf_name(b, at);
	} else if (vh_str_is(first, "enum")) {
		btf_end(b, r);
		btf_enum(b, second, behind);
	} else {
		btf_member(b, r, first, second, third);
	}
}

/* The whole section; the caller frees it. */
static inline struct vh_buf btf_build(const char *text)
{
	struct btf_build b = {0};
	struct btf_rows rows = {0};
	struct vh_str rest = vh_str(text), line;
	struct vh_buf out = {0};

	vh_buf_putc(&b.strings, '\0');
	while (vh_next_line(&rest, &line))
		btf_line(&b, &rows, line);
	btf_end(&b, &rows);
	uint32_t header[] = {0x0001eb9f, 24, 0, (uint32_t)b.types.len, (uint32_t)b.types.len,
		(uint32_t)b.strings.len};

	vh_buf_add(&out, header, sizeof(header));
	vh_buf_add(&out, b.types.data, b.types.len);
	vh_buf_add(&out, b.strings.data, b.strings.len);
	vh_buf_free(&b.types);
	vh_buf_free(&b.strings);
	free(b.named);
	return out;
}
