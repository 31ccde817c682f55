/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small images of a guest's memory, described as text, for tests and fuzz targets. A line each:
 *
 *	map GVA GPA BYTES [w][x][u]	pages of 4 KiB; "-" for no right; tables are made as needed
 *	u8|u16|u32|u64 GVA VALUE...	little-endian numbers, one behind the other
 *	str GVA TEXT			the rest of the line and a NUL
 *	hex GVA BYTES			as 00ff12
 *	symbol NAME GVA TYPE		for image_symbols()
 *
 * Numbers are hexadecimal; "#" begins a comment. What is wrong in a description aborts.
 */
#pragma once

#include <stdio.h>

#include "base/text.h"
#include "guest/symbols.h"

#define IMAGE_PAGES  4096u
#define IMAGE_TABLES UINT64_C(0x40000000) /* GPA of the first page table */

struct image {
	vh_gpa gpa[IMAGE_PAGES]; /* ascending */
	uint8_t *data;           /* of page i at i * 4096 */
	size_t n, room;
	uint64_t next_table;
	struct vh_root root;
	struct vh_symbol symbols[256];
	size_t n_symbols;
	struct vh_memory *memory; /* of image_done() */
	struct vh_space *space;
};

/* The bytes of a page, which is added where it is new. */
static inline uint8_t *image_page(struct image *i, uint64_t gpa)
{
	size_t at = 0, high = i->n;

	while (at < high) {
		size_t middle = (at + high) / 2;

		if (i->gpa[middle].a < gpa)
			at = middle + 1;
		else
			high = middle;
	}
	if (at < i->n && i->gpa[at].a == gpa)
		return i->data + at * VH_GUEST_PAGE;
	if (i->n == IMAGE_PAGES)
		abort();
	if (i->n == i->room) {
		i->room = i->room ? 2 * i->room : 64;
		i->data = vh_realloc_array(i->data, i->room, VH_GUEST_PAGE);
	}
	memmove(i->gpa + at + 1, i->gpa + at, (i->n - at) * sizeof(*i->gpa));
	memmove(i->data + (at + 1) * VH_GUEST_PAGE, i->data + at * VH_GUEST_PAGE,
		(i->n - at) * VH_GUEST_PAGE);
	i->gpa[at].a = gpa;
	memset(i->data + at * VH_GUEST_PAGE, 0, VH_GUEST_PAGE);
	i->n++;
	return i->data + at * VH_GUEST_PAGE;
}

static inline uint64_t image_entry(struct image *i, uint64_t table, uint64_t gva, int shift)
{
	uint64_t entry;

	memcpy(&entry, image_page(i, table) + (gva >> shift & 511) * 8, sizeof(entry));
	return entry;
}

static inline void image_set_entry(
	struct image *i, uint64_t table, uint64_t gva, int shift, uint64_t entry)
{
	memcpy(image_page(i, table) + (gva >> shift & 511) * 8, &entry, sizeof(entry));
}

/* An entry of a page. What is set in one of a table, 7, makes it one of either architecture. */
static inline uint64_t image_leaf(const struct image *i, uint64_t gpa, const char *rights)
{
	bool w = strchr(rights, 'w'), u = strchr(rights, 'u'), x = strchr(rights, 'x');

	if (i->root.paging == VH_PAGING_ARM64)
		return gpa | 3 | (w ? 0 : 0x80) | (u ? 0x40 : 0) | (x ? 0 : UINT64_C(1) << 53);
	return gpa | 1 | (w ? 2 : 0) | (u ? 4 : 0) | (x ? 0 : UINT64_C(1) << 63);
}

/* Four levels, entries of tables with all rights. */
static inline void image_map(struct image *i, uint64_t gva, uint64_t gpa, const char *rights)
{
	uint64_t table = i->root.table.a;

	for (int shift = 39; shift > 12; shift -= 9) {
		uint64_t entry = image_entry(i, table, gva, shift);

		if (!entry) {
			entry = i->next_table | 7;
			i->next_table += VH_GUEST_PAGE;
			image_set_entry(i, table, gva, shift, entry);
		}
		table = entry & ~UINT64_C(0xfff);
	}
	image_set_entry(i, table, gva, 12, image_leaf(i, gpa, rights));
	image_page(i, gpa);
}

/* The byte at an address, by the page tables as they are. */
static inline uint8_t *image_at(struct image *i, uint64_t gva)
{
	uint64_t table = i->root.table.a;

	for (int shift = 39; shift >= 12; shift -= 9) {
		uint64_t entry = image_entry(i, table, gva, shift);

		if (!(entry & 1)) {
			fprintf(stderr, "image: %#llx is not mapped\n", (unsigned long long)gva);
			abort();
		}
		table = entry & UINT64_C(0x000ffffffffff000);
	}
	return image_page(i, table) + (gva & 0xfff);
}

static inline void image_put(struct image *i, uint64_t gva, const void *from, size_t n)
{
	const uint8_t *bytes = from;

	for (size_t done = 0, part; done < n; done += part) {
		part = VH_MIN(n - done, (size_t)(VH_GUEST_PAGE - (gva + done) % VH_GUEST_PAGE));
		memcpy(image_at(i, gva + done), bytes + done, part);
	}
}

static inline uint64_t image_number(struct vh_str *rest)
{
	struct vh_str word;
	uint64_t value = 0;

	if (!vh_next_word(rest, &word) || !vh_parse_u64(word, 16, &value)) {
		fprintf(stderr, "image: no number in \"%.*s\"\n", (int)rest->n, rest->s);
		abort();
	}
	return value;
}

static inline void image_numbers(struct image *i, size_t size, struct vh_str rest)
{
	uint64_t gva = image_number(&rest);

	while (vh_str_trim(rest).n) {
		uint64_t value = image_number(&rest);

		image_put(i, gva, &value, size);
		gva += size;
	}
}

static inline void image_line(struct image *i, struct vh_str line)
{
	ssize_t comment = vh_str_find(line, "#");
	struct vh_str rest = line, word;

	if (comment >= 0 && !vh_str_starts(vh_str_trim(line), "str "))
		rest.n = (size_t)comment;
	if (!vh_next_word(&rest, &word))
		return;
	if (vh_str_is(word, "map")) {
		uint64_t gva = image_number(&rest), gpa = image_number(&rest);
		uint64_t bytes = image_number(&rest);
		char *rights = vh_str_dup(vh_str_trim(rest));

		for (uint64_t at = 0; at < bytes; at += VH_GUEST_PAGE)
			image_map(i, gva + at, gpa + at, rights);
		free(rights);
	} else if (vh_str_starts(word, "u")) {
		uint64_t bits = 0;

		vh_parse_u64((struct vh_str){word.s + 1, word.n - 1}, 10, &bits);
		image_numbers(i, bits / 8, rest);
	} else if (vh_str_is(word, "str")) {
		uint64_t gva = image_number(&rest);
		char *text = vh_str_dup(vh_str_trim(rest));

		image_put(i, gva, text, strlen(text) + 1);
		free(text);
	} else if (vh_str_is(word, "hex")) {
		uint64_t gva = image_number(&rest);
		struct vh_str hex = vh_str_trim(rest);

		for (size_t k = 0; k + 1 < hex.n; k += 2) {
			uint64_t value = 0;

			vh_parse_u64((struct vh_str){hex.s + k, 2}, 16, &value);
			image_put(i, gva + k / 2, &value, 1);
		}
	} else if (vh_str_is(word, "symbol") && vh_next_word(&rest, &word)) {
		struct vh_symbol *s = &i->symbols[i->n_symbols++];

		s->name = vh_str_dup(word);
		s->gva = image_number(&rest);
		rest = vh_str_trim(rest);
		s->type = rest.n ? rest.s[0] : 'D';
	} else {
		fprintf(stderr, "image: \"%.*s\"\n", (int)line.n, line.s);
		abort();
	}
}

/* Adds what text describes; may be called several times before image_done(). */
static inline void image_add(struct image *i, const char *text)
{
	struct vh_str rest = vh_str(text), line;

	while (vh_next_line(&rest, &line))
		image_line(i, line);
}

static inline struct image *image_paged(enum vh_paging paging, const char *text)
{
	struct image *i = vh_alloc(sizeof(*i));

	i->root = (struct vh_root){
		.paging = paging, .table = {IMAGE_TABLES}, .page_bits = 12, .va_bits = 48};
	i->next_table = IMAGE_TABLES + VH_GUEST_PAGE;
	image_page(i, IMAGE_TABLES);
	image_add(i, text);
	return i;
}

static inline struct image *image_new(const char *text)
{
	return image_paged(VH_PAGING_X86_4, text);
}

/* From here on memory and space may be used; the pages' bytes may still be changed. */
static inline struct image *image_done(struct image *i)
{
	i->memory = vh_memory_of_pages(i->gpa, i->n, i->data);
	i->space = vh_space_new(i->memory, &i->root);
	return i;
}

static inline struct vh_symbols *image_symbols(const struct image *i)
{
	return vh_symbols_of(i->symbols, i->n_symbols);
}

static inline void image_free(struct image *i)
{
	for (size_t k = 0; k < i->n_symbols; k++)
		free((char *)i->symbols[k].name);
	vh_space_free(i->space);
	vh_memory_free(i->memory);
	free(i->data);
	free(i);
}
