/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the tables of kallsyms lie in guest memory (scripts/kallsyms.c, write_src()). What is found
 * first is the token table, by the digits, which stand for themselves in it; the index of its 256
 * tokens, which follows, tells it from a keyboard's table. Before it lie the markers (and, in 6.2
 * and 6.3, 3 bytes a symbol), before these the names, before these their number.
 */
#include "guest/symbols_table.h"

/* Before the tokens: markers, and 3 bytes a symbol in 6.2 and 6.3. */
#define MAX_BACK      (8u << 20)
#define MAX_RUNS      16u /* that may be the markers */
#define MAX_NUMBERS   16u /* that may be how many names there are */
#define BLOCK         256u
#define MAX_NAME_DATA 513u /* of one name, with its length */

static uint64_t number_at(const struct vh_symbols_copy *c, size_t at, unsigned bytes)
{
	uint64_t value = 0;

	memcpy(&value, c->data + at, bytes);
	return value;
}

uint64_t vh_kallsyms_marker(const struct vh_kallsyms *k, size_t block)
{
	return number_at(&k->copy, k->markers + block * k->marker_bytes, k->marker_bytes);
}

/* --- Tokens --------------------------------------------------------------------------------------
 */

/* Does the index of the tokens, the last of which ends at end, lie at k->token_index? */
static bool index_fits(
	const struct vh_symbols_copy *c, size_t zero, size_t end, struct vh_kallsyms *k)
{
	uint16_t index[256];

	if (k->token_index > c->n || c->n - k->token_index < sizeof(index))
		return false;
	memcpy(index, c->data + k->token_index, sizeof(index));
	if (index[0] || index['0'] > zero)
		return false;
	k->tokens = zero - index['0'];
	for (unsigned i = 0; i < 256; i++) {
		size_t next = i < 255 ? k->tokens + index[i + 1] : end, at = k->tokens + index[i];

		if (next <= at || next > end || c->data[next - 1])
			return false;
		k->token[i] = (struct vh_kallsyms_token){index[i], (uint16_t)(next - 1 - at)};
	}
	return true;
}

/* Token '0' lies at zero: do 256 tokens lie around it, and their index behind them? It is aligned
 * to 8, from 7.2 on to 4. */
bool vh_kallsyms_tokens(const struct vh_symbols_copy *c, size_t zero, struct vh_kallsyms *k)
{
	size_t end = zero;

	*k = (struct vh_kallsyms){.copy = *c};
	for (unsigned token = '0'; token < 256; token++) {
		size_t most = VH_MIN(c->n - end, (size_t)512);
		const uint8_t *nul = memchr(c->data + end, 0, most);

		if (!nul || end - zero > UINT16_MAX)
			return false;
		end = (size_t)(nul + 1 - c->data);
	}
	for (size_t align = 4; align <= 8; align += 4) {
		k->token_index = (end + align - 1) & ~(align - 1);
		if (index_fits(c, zero, end, k))
			return true;
	}
	return false;
}

/* --- Names and their number ----------------------------------------------------------------------
 */

/* Of up to sixteen blocks spread over all but the last, a quarter ends where the next begins: pages
 * may be missing, but by chance hardly one does. */
static bool names_decode(const struct vh_kallsyms *k)
{
	size_t step = k->n_markers / 16 + 1, good = 0, all = 0;

	for (size_t block = 0; block + 1 < k->n_markers; block += step, all++)
		good += vh_kallsyms_block(k, block, NULL);
	return good && 4 * good >= all;
}

/* The names end before the markers, the last of which tells where up to 256 last names begin.
 * Before them stands how many there are, which must fit the number of markers. */
static bool find_names(struct vh_kallsyms *k)
{
	uint64_t last = vh_kallsyms_marker(k, k->n_markers - 1);
	size_t from, to, numbers = 0;

	if (last >= k->markers)
		return false;
	to = (k->markers - (size_t)last - 1) & ~(size_t)3;
	from = to - VH_MIN(to, (size_t)BLOCK * MAX_NAME_DATA);
	for (size_t at = to; at >= from + 8; at -= 4) {
		for (size_t back = 8; back >= 4; back -= 4) {
			uint64_t n = number_at(&k->copy, at - back, 4);

			if (n > VH_SYMBOLS_MAX || (n + BLOCK - 1) / BLOCK != k->n_markers)
				continue;
			k->n = (size_t)n;
			k->names = at;
			k->num_syms = at - back;
			if (names_decode(k))
				return true;
			if (++numbers == MAX_NUMBERS)
				return false;
		}
	}
	return false;
}

/* --- Markers -------------------------------------------------------------------------------------
 */

static bool follows(uint64_t before, uint64_t after)
{
	return after > before && after - before >= 2 * BLOCK &&
	       after - before <= BLOCK * MAX_NAME_DATA;
}

/* Runs of ascending numbers that begin with 0, from the tokens backwards, up to most bytes away. */
static bool find_markers(struct vh_kallsyms *k, unsigned bytes, size_t most)
{
	const struct vh_symbols_copy *c = &k->copy;
	size_t floor = k->tokens - VH_MIN(k->tokens, most), runs = 0;
	size_t end = k->tokens & ~(size_t)(bytes - 1);

	k->marker_bytes = bytes;
	while (end >= floor + bytes && end >= bytes && runs < MAX_RUNS) {
		size_t at = end - bytes;

		while (at >= bytes &&
			follows(number_at(c, at - bytes, bytes), number_at(c, at, bytes)))
			at -= bytes;
		k->markers = at;
		k->n_markers = (end - at) / bytes;
		if (k->n_markers >= 2 && !number_at(c, at, bytes)) {
			runs++;
			if (find_names(k))
				return true;
		}
		end = at;
	}
	return false;
}

/* Mostly markers end where the tokens begin. 64-bit ones first: seen as such, 32-bit ones do not
 * ascend; the other way round every second one would be a run. */
bool vh_kallsyms_names(struct vh_kallsyms *k)
{
	return find_markers(k, 8, 8) || find_markers(k, 4, 8) || find_markers(k, 4, MAX_BACK);
}

size_t vh_kallsyms_digits(const struct vh_symbols_copy *c, size_t from)
{
	const uint8_t *at = from < c->n ? memmem(c->data + from, c->n - from, VH_KALLSYMS_DIGITS,
						  sizeof(VH_KALLSYMS_DIGITS))
					: NULL;

	return at ? (size_t)(at - c->data) : c->n;
}
