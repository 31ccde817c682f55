/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the tables of kallsyms lie in guest memory (scripts/kallsyms.c, write_src()). What is found
 * first is the token table, by the digits, which stand for themselves in it; the index of its 256
 * tokens, which follows, tells it from a keyboard's table. Before it lie the markers (and, in 6.2
 * and 6.3, 3 bytes a symbol), before these the names, before these their number.
 */
#include <errno.h>

#include "guest/symbols_table.h"

#define MAX_RANGE (UINT64_C(128) << 20) /* 10 MiB are usual */
#define MAX_ALL   (UINT64_C(256) << 20) /* of all ranges */
#define PIECE     ((size_t)256 << 10)
#define MAX_HITS  256u /* of the digits, in all ranges */
/* Before the tokens: markers, and 3 bytes a symbol in 6.2 and 6.3. */
#define MAX_BACK      (8u << 20)
#define MAX_TABLES    4u  /* of tokens, in all ranges */
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
static bool tokens_around(const struct vh_symbols_copy *c, size_t zero, struct vh_kallsyms *k)
{
	size_t end = zero;

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

bool vh_kallsyms_next(
	const struct vh_symbols_copy *copy, struct vh_kallsyms_search *h, struct vh_kallsyms *k)
{
	static const char digits[] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009";

	while (h->hits < MAX_HITS && h->tables < MAX_TABLES && h->from < copy->n) {
		const uint8_t *at =
			memmem(copy->data + h->from, copy->n - h->from, digits, sizeof(digits));
		size_t zero = at ? (size_t)(at - copy->data) : copy->n;

		h->from = zero + 1;
		h->hits++;
		*k = (struct vh_kallsyms){.copy = *copy};
		if (!at || !tokens_around(copy, zero, k))
			continue;
		h->tables++;
		/* Mostly they end where the tokens begin. 64-bit ones first: seen as such, 32-bit
		 * ones do not ascend; the other way round every second one would be a run. */
		if (find_markers(k, 8, 8) || find_markers(k, 4, 8) || find_markers(k, 4, MAX_BACK))
			return true;
	}
	return false;
}

/* --- Ranges --------------------------------------------------------------------------------------
 */

/* Copies a range; what cannot be read stays 0. 0, or the error that ends all reading. */
static int copy_range(struct vh_space *s, const struct vh_range *r, uint8_t *to, size_t n)
{
	for (size_t at = 0; at < n; at += PIECE) {
		size_t bytes = VH_MIN(n - at, PIECE);
		int err = vh_space_read(s, r->gva + at, to + at, bytes);

		for (size_t page = at; err && page < at + bytes; page += VH_GUEST_PAGE) {
			if (err == -EDQUOT || err == -ETIME)
				return err;
			size_t part = VH_MIN(at + bytes - page, (size_t)VH_GUEST_PAGE);

			err = vh_space_read(s, r->gva + page, to + page, part);
			if (err)
				memset(to + page, 0, part);
			if (err != -EDQUOT && err != -ETIME)
				err = -ENODATA;
		}
	}
	return 0;
}

static struct vh_symbols *decode(const struct vh_kallsyms *k, uint64_t low, uint64_t high)
{
	struct vh_symbols *y = vh_symbols_room(k->n);

	if (!vh_kallsyms_addresses(k, low, high, y)) {
		vh_symbols_free(y);
		return NULL;
	}
	for (size_t block = 0; block < k->n_markers; block++) {
		size_t bytes = y->text_bytes, end = VH_MIN(k->n, (block + 1) * BLOCK);

		if (vh_kallsyms_block(k, block, y))
			continue;
		/* A wrong length: no name of this block is certain. */
		memset(y->name + block * BLOCK, 0, (end - block * BLOCK) * sizeof(*y->name));
		y->text_bytes = bytes;
	}
	vh_symbols_index(y);
	return y;
}

struct search {
	struct vh_space *s;
	uint64_t low, high; /* where symbols may lie */
	uint64_t bytes;     /* read so far */
	struct vh_kallsyms_search kallsyms;
	bool has_names;
};

static int search_range(struct search *h, const struct vh_range *r, struct vh_symbols **out)
{
	size_t n = (size_t)VH_MIN(VH_MIN(r->bytes, MAX_RANGE), MAX_ALL - h->bytes);
	uint8_t *data = vh_realloc_array(NULL, n + 1, 1);
	struct vh_symbols_copy copy = {data, n, r->gva};
	struct vh_kallsyms k;
	int err = copy_range(h->s, r, data, n);

	h->bytes += n;
	h->kallsyms.from = 0;
	while (!err && !*out && vh_kallsyms_next(&copy, &h->kallsyms, &k)) {
		h->has_names = true;
		*out = decode(&k, h->low, h->high);
	}
	free(data);
	return err;
}

static int by_likelihood(const void *a, const void *b)
{
	const struct vh_range *x = a, *y = b;

	if (x->writable != y->writable)
		return x->writable ? 1 : -1;
	if (x->executable != y->executable)
		return x->executable ? 1 : -1;
	return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

int vh_symbols_find(struct vh_space *s, const struct vh_range *ranges, size_t n,
	struct vh_symbols **out, char **why)
{
	struct vh_range *sorted = vh_realloc_array(NULL, n + 1, sizeof(*sorted));
	struct search h = {.s = s};
	int err = 0;

	*out = NULL;
	*why = NULL;
	vh_kernel_window(vh_space_root(s), &h.low, &h.high);
	if (n)
		memcpy(sorted, ranges, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_likelihood);
	for (size_t i = 0; i < n && !err && !*out && h.bytes < MAX_ALL; i++)
		if (!sorted[i].user)
			err = search_range(&h, &sorted[i], out);
	free(sorted);
	if (*out || err)
		return err;
	*why = h.has_names
		       ? vh_strdup("a table of kernel symbols was found, but not their addresses")
		       : vh_asprintf("no table of kernel symbols in %.1f MiB that are mapped",
				 (double)h.bytes / (1 << 20));
	return -ENOENT;
}

void vh_kernel_window(const struct vh_root *root, uint64_t *low, uint64_t *high)
{
	*low = VH_KERNEL_LOW;
	*high = VH_KERNEL_HIGH;
	if (root->paging != VH_PAGING_ARM64)
		return;
	/* Modules, image and vmalloc of arm64 share one area above the linear map
	 * (arch/arm64/include/asm/memory.h: KIMAGE_VADDR, kaslr moves it within vmalloc). */
	unsigned bits = root->va_bits >= 36 && root->va_bits <= 52 ? root->va_bits : 48;

	*low = ~UINT64_C(0) << (VH_MIN(bits, 48u) - 1);
	*high = ~UINT64_C(0) - (UINT64_C(1) << 30);
}
