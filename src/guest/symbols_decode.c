/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names and addresses out of the tables of kallsyms (kernel/kallsyms.c: kallsyms_expand_symbol(),
 * kallsyms_sym_address()). A name is a length, then that many bytes, each of which stands for a
 * token; the first character of its expansion is the symbol's type.
 */
#include "guest/symbols_table.h"

#define BLOCK    256u /* names between two markers */
#define MAX_NAME 512u
#define AT_ONCE  16u /* bytes of a token that are copied so, being mostly few */

/* From 6.1 on a length above 127 takes two bytes, seven bits each, the low ones first; before, none
 * was that long. */
static bool name_length(const struct vh_kallsyms *k, size_t end, size_t *at, size_t *n)
{
	const uint8_t *data = k->copy.data;

	if (*at >= end)
		return false;
	*n = data[(*at)++];
	if (*n & 0x80) {
		if (*at >= end)
			return false;
		*n = (*n & 0x7f) | (size_t)data[(*at)++] << 7;
	}
	return *n > 0 && *n <= end - *at;
}

/* Bytes of the name, 0 where it is too long. Behind the tokens lies their index, so that AT_ONCE
 * bytes of each can be read. */
static size_t expand(
	const struct vh_kallsyms *k, size_t at, size_t n, char to[static VH_SYMBOLS_NAME])
{
	const uint8_t *codes = k->copy.data + at, *tokens = k->copy.data + k->tokens;
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		struct vh_kallsyms_token t = k->token[codes[i]];

		if (t.bytes > MAX_NAME - used)
			return 0;
		if (t.bytes <= AT_ONCE)
			memcpy(to + used, tokens + t.at, AT_ONCE);
		else
			memcpy(to + used, tokens + t.at, t.bytes);
		used += t.bytes;
	}
	return used;
}

bool vh_kallsyms_block(const struct vh_kallsyms *k, size_t block, struct vh_symbols *y)
{
	size_t first = block * BLOCK, count = VH_MIN(k->n - first, (size_t)BLOCK);
	uint64_t begin = vh_kallsyms_marker(k, block), all = k->markers - k->names;
	bool is_last = block + 1 == k->n_markers;
	uint64_t next = is_last ? all : vh_kallsyms_marker(k, block + 1);
	size_t at, end, n;

	/* No name goes on into the next block: else lengths that lie would have the same bytes
	 * decoded for each of thousands of blocks. */
	if (begin >= next || next > all)
		return false;
	at = k->names + (size_t)begin;
	end = k->names + (size_t)next;
	for (size_t i = 0; i < count; i++, at += n) {
		if (!name_length(k, end, &at, &n))
			return false;
		if (!y)
			continue;
		char *to = vh_symbols_name_room(y);
		size_t bytes = to ? expand(k, at, n, to) : 0;

		/* What is too long, or a type alone, is no name; the next may be one. */
		if (bytes > 1)
			vh_symbols_take_name(y, first + i, bytes);
	}
	return is_last || at == end;
}

/* --- Addresses -----------------------------------------------------------------------------------
 */

enum form {
	ABSOLUTE_PERCPU, /* x86 up to 6.14: what is not negative is a per-CPU offset, as it is */
	RELATIVE,        /* to kallsyms_relative_base */
	TO_PLACE,        /* to where the offset itself lies: 7.x */
};

struct addresses {
	const struct vh_kallsyms *k;
	uint64_t low, high;
	size_t offsets; /* where in the copy */
	enum form form;
	uint64_t base;
	const char *layout;
};

static uint64_t place_of(const struct addresses *a, size_t i)
{
	return a->k->copy.gva + a->offsets + 4 * i;
}

static uint64_t address_of(const struct addresses *a, size_t i)
{
	uint32_t raw;
	int64_t offset;

	memcpy(&raw, a->k->copy.data + a->offsets + 4 * i, sizeof(raw));
	offset = (int32_t)raw;
	switch (a->form) {
	case ABSOLUTE_PERCPU:
		return offset >= 0 ? (uint64_t)offset : a->base - 1 - (uint64_t)offset;
	case TO_PLACE:
		return place_of(a, i) + (uint64_t)offset;
	default:
		return a->base + raw;
	}
}

/* Tables are sorted, so that what lies out of order or out of the kernel does not belong. A few
 * such are borne: a page of the table may be missing. Where there is no table there may be zeros,
 * which are in order too, but lead nowhere. */
static bool plausible(const struct addresses *a)
{
	uint64_t first = 0, last = 0;
	size_t in_kernel = 0, wrong = 0;

	if (a->offsets % 4 || a->offsets > a->k->copy.n ||
		a->k->n > (a->k->copy.n - a->offsets) / 4)
		return false;
	if (a->form != TO_PLACE && (a->base < a->low || a->base > a->high))
		return false;
	for (size_t i = 0; i < a->k->n; i++) {
		uint64_t gva = address_of(a, i);

		if (a->form == ABSOLUTE_PERCPU && !(gva >> 31))
			continue;
		if (gva < a->low || gva > a->high || gva < last || gva == place_of(a, i))
			wrong++;
		else if (!in_kernel++)
			first = gva;
		last = gva;
		if (wrong > 64 + a->k->n / 16)
			return false;
	}
	return in_kernel > a->k->n / 4 && wrong <= in_kernel / 16 && last - first >= in_kernel;
}

static uint64_t base_at(const struct vh_kallsyms *k, size_t at)
{
	uint64_t base = 0;

	if (at <= k->copy.n - sizeof(base))
		memcpy(&base, k->copy.data + at, sizeof(base));
	return base;
}

static size_t rounded_up(size_t n, size_t by)
{
	return (n + by - 1) / by * by;
}

/* Offsets relative to a base, with per-CPU symbols as they are, or not. */
static bool fits_base(struct addresses *a, size_t offsets, size_t base)
{
	a->offsets = offsets;
	a->base = base_at(a->k, base);
	a->form = ABSOLUTE_PERCPU;
	if (plausible(a))
		return true;
	a->form = RELATIVE;
	return plausible(a);
}

/* Up to 6.3: offsets, base, number, names, each aligned to 8. */
static bool before_names(struct addresses *a)
{
	const struct vh_kallsyms *k = a->k;
	size_t bytes = rounded_up(4 * k->n, 8);

	a->layout = k->marker_bytes == 8 ? "up to 4.19" : "4.20 to 6.3";
	return k->num_syms >= bytes + 8 && fits_base(a, k->num_syms - 8 - bytes, k->num_syms - 8);
}

/* From 6.4 on they follow the token index, and in 7.x there is no base any more. */
static bool behind_tokens(struct addresses *a)
{
	const struct vh_kallsyms *k = a->k;
	size_t at = k->token_index + 512;

	a->layout = "6.4 on";
	if (fits_base(a, rounded_up(at, 8), rounded_up(rounded_up(at, 8) + 4 * k->n, 8)))
		return true;
	a->layout = "7.x, relative to its place";
	a->form = TO_PLACE;
	for (size_t align = 4; align <= 8; align += 4) {
		a->offsets = rounded_up(at, align);
		if (plausible(a))
			return true;
	}
	return false;
}

size_t vh_kallsyms_end(const struct vh_kallsyms *k)
{
	return k->token_index + 512 + 8 + 4 * k->n + 8 + 8;
}

bool vh_kallsyms_addresses(
	const struct vh_kallsyms *k, uint64_t low, uint64_t high, struct vh_symbols *y)
{
	struct addresses a = {.k = k, .low = low, .high = high};

	if (!before_names(&a) && !behind_tokens(&a))
		return false;
	for (size_t i = 0; i < k->n; i++)
		y->gva[i] = address_of(&a, i);
	y->layout = a.layout;
	return true;
}
