/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes tables of kallsyms into an image, as scripts/kallsyms.c of several versions laid them out.
 */
#pragma once

#include "tests/unit/guest/image.h"

enum kallsyms_layout {
	KALLSYMS_4_18, /* 64-bit markers; per-CPU symbols absolute up to 6.14 */
	KALLSYMS_5_4,  /* 32-bit markers */
	KALLSYMS_6_2,  /* and the order of names behind the markers */
	KALLSYMS_6_4,  /* addresses behind the token index */
	KALLSYMS_6_15, /* no absolute per-CPU symbols any more */
	KALLSYMS_7_0,  /* relative to their place */
	KALLSYMS_LAYOUTS,
};

struct kallsyms {
	struct vh_buf bytes;
	uint64_t gva;
	/* Offsets of the parts. */
	size_t addresses, num_syms, names, markers, tokens, token_index;
};

static inline void kallsyms_align(struct kallsyms *k)
{
	while (k->bytes.len % 8)
		vh_buf_putc(&k->bytes, 0);
}

static inline void kallsyms_number(struct kallsyms *k, uint64_t value, size_t n)
{
	vh_buf_add(&k->bytes, &value, n);
}

/* What a code stands for: printable characters for themselves, some for what is frequent. */
static inline const char *kallsyms_token(unsigned code, char character[static 2])
{
	static const char *const frequent[] = {"", "sys_", "do_", "__x64_sys_", "function_"};

	if (code >= 0x80 && code < 0x80 + VH_ARRAY_SIZE(frequent))
		return frequent[code - 0x80];
	character[0] = (char)(code > ' ' && code < 0x7f ? code : 0);
	character[1] = 0;
	return character;
}

static inline void kallsyms_name(struct kallsyms *k, char type, const char *name)
{
	struct vh_buf codes = {0};
	char character[2];

	vh_buf_putc(&codes, type);
	while (*name) {
		unsigned code = (unsigned char)*name;

		for (unsigned c = 0x84; c > 0x80; c--)
			if (vh_prefix(name, kallsyms_token(c, character)))
				code = c;
		name += strlen(kallsyms_token(code, character));
		vh_buf_putc(&codes, (char)code);
	}
	if (codes.len > 0x7f)
		vh_buf_putc(&k->bytes, (char)((codes.len & 0x7f) | 0x80));
	vh_buf_putc(&k->bytes, (char)(codes.len > 0x7f ? codes.len >> 7 : codes.len));
	vh_buf_add(&k->bytes, codes.data, codes.len);
	vh_buf_free(&codes);
}

/* base: the lowest address that is no per-CPU one. */
static inline void kallsyms_addresses(struct kallsyms *k, enum kallsyms_layout layout,
	const struct vh_symbol *list, size_t n, uint64_t base)
{
	kallsyms_align(k);
	k->addresses = k->bytes.len;
	for (size_t i = 0; i < n; i++) {
		uint64_t offset = list[i].gva - base;

		if (layout == KALLSYMS_7_0)
			offset = list[i].gva - (k->gva + k->bytes.len);
		else if (layout < KALLSYMS_6_15)
			offset = list[i].gva >> 63 ? base - list[i].gva - 1 : list[i].gva;
		kallsyms_number(k, offset, 4);
	}
	kallsyms_align(k);
	if (layout != KALLSYMS_7_0)
		kallsyms_number(k, base, 8);
}

/* list: sorted, per-CPU symbols (not negative) first. */
static inline struct kallsyms kallsyms_of(
	enum kallsyms_layout layout, uint64_t gva, const struct vh_symbol *list, size_t n)
{
	struct kallsyms k = {.gva = gva};
	size_t marker_bytes = layout == KALLSYMS_4_18 ? 8 : 4, first = 0, at = 0;
	uint64_t *markers = vh_alloc((n / 256 + 1) * sizeof(*markers));
	char character[2];

	while (first + 1 < n && !(list[first].gva >> 63))
		first++;
	kallsyms_number(&k, 0x1122334455667788, 8);
	if (layout < KALLSYMS_6_4)
		kallsyms_addresses(&k, layout, list, n, list[first].gva);
	kallsyms_align(&k);
	k.num_syms = k.bytes.len;
	kallsyms_number(&k, n, marker_bytes);
	kallsyms_align(&k);
	k.names = k.bytes.len;
	for (size_t i = 0; i < n; i++) {
		if (i % 256 == 0)
			markers[i / 256] = k.bytes.len - k.names;
		kallsyms_name(&k, list[i].type, list[i].name);
	}
	kallsyms_align(&k);
	k.markers = k.bytes.len;
	for (size_t i = 0; i < (n + 255) / 256; i++)
		kallsyms_number(&k, markers[i], marker_bytes);
	for (size_t i = 0; layout == KALLSYMS_6_2 && i < n; i++)
		kallsyms_number(&k, i * 7 % n << 8, 3);
	kallsyms_align(&k);
	k.tokens = k.bytes.len;
	for (unsigned code = 0; code < 256; code++) {
		const char *token = kallsyms_token(code, character);

		vh_buf_add(&k.bytes, token, strlen(token) + 1);
	}
	kallsyms_align(&k);
	k.token_index = k.bytes.len;
	for (unsigned code = 0; code < 256; code++) {
		kallsyms_number(&k, at, 2);
		at += strlen(kallsyms_token(code, character)) + 1;
	}
	if (layout >= KALLSYMS_6_4)
		kallsyms_addresses(&k, layout, list, n, list[first].gva);
	kallsyms_number(&k, 0x8877665544332211, 8);
	free(markers);
	return k;
}

/* Writes them to their address, which is mapped. */
static inline void kallsyms_put(struct image *i, const struct kallsyms *k)
{
	image_put(i, k->gva, k->bytes.data, k->bytes.len);
}

/* n symbols: per-CPU ones, functions of 16 bytes from text on, two of which share an address. */
static inline struct vh_symbol *kallsyms_symbols(size_t n, uint64_t text)
{
	struct vh_symbol *list = vh_alloc(n * sizeof(*list));

	for (size_t i = 0; i < n; i++) {
		static const char *const forms[][2] = {{"do_function_", ""}, {"__x64_sys_", ""},
			{"function_", ""}, {"x", ".part.0"}};

		if (i < 8)
			list[i] = (struct vh_symbol){vh_asprintf("percpu_%zu", i), 'A', i * 64, 64};
		else
			list[i] = (struct vh_symbol){
				.name = i == n / 2 ? vh_asprintf("%0*zu", 300, i)
						   : vh_asprintf("%s%zu%s", forms[i % 4][0], i,
							     forms[i % 4][1]),
				.type = i % 2 ? 't' : 'T',
				.gva = text + 16 * (i == 20 ? 19 : i),
			};
	}
	return list;
}

static inline void kallsyms_symbols_free(struct vh_symbol *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free((char *)list[i].name);
	free(list);
}
