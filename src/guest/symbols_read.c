/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads a kernel's symbols: copies what is mapped, range by range and no further than needed, looks
 * for the tables in the copy, and decodes them.
 */
#include <errno.h>

#include "guest/symbols_table.h"

#define MAX_RANGE  (UINT64_C(128) << 20) /* 10 MiB are usual */
#define MAX_ALL    (UINT64_C(256) << 20) /* of all ranges */
#define PIECE      ((size_t)256 << 10)
#define STEP       ((size_t)1 << 20)
#define MAX_HITS   256u /* of the digits, in all ranges */
#define MAX_TABLES 4u   /* of tokens, in all ranges */
#define BLOCK      256u
/* From token '0' on: the other tokens, and their index. */
#define TOKEN_BYTES ((size_t)UINT16_MAX + 1024)

struct search {
	struct vh_space *s;
	uint64_t low, high; /* where symbols may lie */
	uint64_t bytes;     /* read so far */
	unsigned hits, tables;
	bool has_names;
};

/* --- One range -----------------------------------------------------------------------------------
 */

struct reading {
	struct search *h;
	uint8_t *data;
	struct vh_symbols_copy copy;
	size_t room; /* as far as it may be read */
	int err;     /* that ended all reading */
};

static bool is_final(int err)
{
	return err == -EDQUOT || err == -ETIME;
}

/* Page by page: what cannot be read stays 0. */
static int read_pages(struct vh_space *s, uint64_t gva, uint8_t *to, size_t n)
{
	for (size_t at = 0; at < n; at += VH_GUEST_PAGE) {
		size_t bytes = VH_MIN(n - at, (size_t)VH_GUEST_PAGE);
		int err = vh_space_read(s, gva + at, to + at, bytes);

		if (is_final(err))
			return err;
		if (err)
			memset(to + at, 0, bytes);
	}
	return 0;
}

/* Goes on reading until at least end; false where that must stop. */
static bool read_to(struct reading *r, size_t end)
{
	end = VH_MIN(end, r->room);
	while (!r->err && r->copy.n < end) {
		size_t n = VH_MIN(r->room - r->copy.n, PIECE);
		uint64_t gva = r->copy.gva + r->copy.n;
		uint8_t *to = r->data + r->copy.n;
		int err = vh_space_read(r->h->s, gva, to, n);

		if (err && !is_final(err))
			err = read_pages(r->h->s, gva, to, n);
		if (err) {
			r->err = err;
			return false;
		}
		r->copy.n += n;
		r->h->bytes += n;
	}
	return !r->err;
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

/* What lies around the digits at zero: symbols, or NULL. */
static struct vh_symbols *try_at(struct reading *r, size_t zero)
{
	struct search *h = r->h;
	struct vh_kallsyms k;

	h->hits++;
	if (!read_to(r, zero + TOKEN_BYTES) || !vh_kallsyms_tokens(&r->copy, zero, &k))
		return NULL;
	h->tables++;
	if (!vh_kallsyms_names(&k))
		return NULL;
	h->has_names = true;
	if (!read_to(r, vh_kallsyms_end(&k)))
		return NULL;
	k.copy = r->copy;
	return decode(&k, h->low, h->high);
}

static int search_range(struct search *h, const struct vh_range *range, struct vh_symbols **out)
{
	size_t room = (size_t)VH_MIN(VH_MIN(range->bytes, MAX_RANGE), MAX_ALL - h->bytes);
	uint8_t *data = vh_realloc_array(NULL, room + 1, 1);
	struct reading r = {h, data, {data, 0, range->gva}, room, 0};
	size_t from = 0;

	while (!*out && r.copy.n < room && read_to(&r, r.copy.n + STEP)) {
		size_t zero;

		while (!*out && h->hits < MAX_HITS && h->tables < MAX_TABLES &&
			(zero = vh_kallsyms_digits(&r.copy, from)) < r.copy.n) {
			from = zero + 1;
			*out = try_at(&r, zero);
		}
		from = VH_MAX(from, r.copy.n - VH_MIN(r.copy.n, sizeof(VH_KALLSYMS_DIGITS) - 1));
	}
	free(data);
	return *out ? 0 : r.err;
}

/* --- All ranges ----------------------------------------------------------------------------------
 */

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
