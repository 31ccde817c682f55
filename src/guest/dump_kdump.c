/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's memory in a kdump-compressed dump (makedumpfile's diskdump_mod.h and IMPLEMENTATION;
 * QEMU dump/dump.c), of little-endian x86-64, plain or flattened, each page as it is or compressed
 * (unpack.h). Read here and not by libkdumpfile: that of Debian 12 does not know the flattened
 * form, which is what QEMU writes, nor QEMU's notes, and needs more system calls than the sandbox
 * has.
 */
#include <endian.h>
#include <errno.h>

#include "guest/dump.h"
#include "guest/unpack.h"

#define MAX_BITMAP  (64u << 20) /* of 2 TiB */
#define MAX_RECORDS (4u << 20)  /* of a flattened dump */
#define FLAT_HEAD   4096u

/* Where the header and the one behind it have what is needed. */
enum { STATUS_AT = 424, BLOCK_SIZE_AT = 428, SUB_BLOCKS_AT = 432, BITMAP_BLOCKS_AT = 436 };
enum { MAX_PFN_AT = 440, HEAD_BYTES = 464 };
enum { NOTES_AT = 48, NOTES_SIZE_AT = 56, MAX_PFN_64_AT = 96, SUB_BYTES = 104 };
enum { INCOMPLETE = 8 }; /* of the status in the header */
#define SAMPLES 1024u    /* of pages, when it is opened */

struct record { /* of a flattened dump: bytes of the plain one */
	uint64_t offset, bytes, at;
};

struct kdump {
	int fd;
	struct record *records; /* by offset; n 0: it is plain */
	size_t n_records;
	uint8_t *bitmap;     /* of pages that are in the dump */
	uint32_t *before;    /* pages before each 64 bytes of it */
	uint64_t pages;      /* bits of it */
	uint64_t in_dump;    /* of them those that are set */
	uint64_t left_out;   /* pages that the guest has and the dump has not */
	unsigned packings;   /* how pages are compressed, as far as the header and some tell */
	bool cut_short;      /* the file ends before its pages do */
	bool incomplete;     /* its writer ran out of room */
	uint64_t descriptor; /* where those of pages begin */
};

struct page_descriptor {
	uint64_t offset;
	uint32_t size, flags;
	uint64_t page_flags;
};

/* The record that holds an offset, or NULL. */
static const struct record *record_at(const struct kdump *k, uint64_t offset)
{
	size_t low = 0, high = k->n_records;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (k->records[middle].offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || offset - k->records[low - 1].offset >= k->records[low - 1].bytes)
		return NULL;
	return &k->records[low - 1];
}

/* Bytes of the plain dump. */
static int read_plain(const struct kdump *k, uint64_t offset, void *to, size_t n)
{
	uint8_t *out = to;

	if (!k->n_records)
		return vh_read_at(k->fd, offset, to, n);
	while (n) {
		const struct record *r = record_at(k, offset);

		if (!r)
			return -ENODATA;
		uint64_t within = offset - r->offset;
		size_t part = (size_t)VH_MIN(r->bytes - within, (uint64_t)n);
		int err = vh_read_at(k->fd, r->at + within, out, part);

		if (err)
			return err;
		out += part;
		offset += part;
		n -= part;
	}
	return 0;
}

static int by_offset(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	/* What was written later counts. */
	return (x->at > y->at) - (x->at < y->at);
}

/* Big-endian pairs of offset and length, each with its bytes behind it, up to one of -1. */
static void read_records(struct kdump *k)
{
	uint64_t at = FLAT_HEAD;

	while (k->n_records < MAX_RECORDS) {
		uint64_t pair[2];

		if (vh_read_at(k->fd, at, pair, sizeof(pair)))
			break;
		uint64_t offset = be64toh(pair[0]), bytes = be64toh(pair[1]);

		at += sizeof(pair);
		if (offset > INT64_MAX || !bytes || bytes > INT64_MAX - at)
			break;
		VH_PUSH(k->records, k->n_records) = (struct record){offset, bytes, at};
		at += bytes;
	}
	if (k->n_records)
		qsort(k->records, k->n_records, sizeof(*k->records), by_offset);
}

static uint32_t u32_at(const uint8_t *from, size_t at)
{
	uint32_t value;

	memcpy(&value, from + at, sizeof(value));
	return le32toh(value);
}

static uint64_t u64_at(const uint8_t *from, size_t at)
{
	uint64_t value;

	memcpy(&value, from + at, sizeof(value));
	return le64toh(value);
}

static bool has_page(const struct kdump *k, uint64_t pfn)
{
	return pfn < k->pages && k->bitmap[pfn / 8] >> (pfn % 8) & 1;
}

/* Pages of the dump before this one: the index of its descriptor. */
static uint64_t rank_of(const struct kdump *k, uint64_t pfn)
{
	uint64_t block = pfn / 512, n = k->before[block];

	for (uint64_t byte = block * 64; byte < pfn / 8; byte++)
		n += (unsigned)__builtin_popcount(k->bitmap[byte]);
	return n + (unsigned)__builtin_popcount(k->bitmap[pfn / 8] & ((1u << pfn % 8) - 1));
}

static int read_page(const struct kdump *k, uint64_t pfn, uint8_t *page)
{
	struct page_descriptor d;
	uint8_t packed[2 * VH_GUEST_PAGE];
	int err;

	if (!has_page(k, pfn))
		return -ENODATA;
	err = read_plain(k, k->descriptor + rank_of(k, pfn) * sizeof(d), &d, sizeof(d));
	if (err)
		return err;
	if (!(d.flags & VH_PACKINGS))
		return d.size == VH_GUEST_PAGE ? read_plain(k, d.offset, page, d.size) : -EIO;
	if (d.size > sizeof(packed))
		return -EIO;
	err = read_plain(k, d.offset, packed, d.size);
	return err ? err : vh_unpack(d.flags & VH_PACKINGS, packed, d.size, page);
}

static int kdump_read(void *self, vh_gpa gpa, void *to, size_t n)
{
	const struct kdump *k = self;
	uint8_t *out = to, page[VH_GUEST_PAGE];

	while (n) {
		size_t skip = (size_t)(gpa.a % VH_GUEST_PAGE),
		       part = VH_MIN(VH_GUEST_PAGE - skip, n);
		int err = read_page(k, gpa.a / VH_GUEST_PAGE, page);

		if (err)
			return err;
		memcpy(out, page + skip, part);
		out += part;
		n -= part;
		gpa.a += part;
	}
	return 0;
}

static bool kdump_next(void *self, vh_gpa gpa, uint64_t most, struct vh_run *run)
{
	const struct kdump *k = self;
	uint64_t pfn = gpa.a / VH_GUEST_PAGE, end;

	while (pfn < k->pages && !has_page(k, pfn))
		pfn += pfn % 8 || k->bitmap[pfn / 8] ? 1 : 8;
	for (end = pfn; has_page(k, end) && (end - pfn + 1) * VH_GUEST_PAGE <= most;)
		end++;
	*run = (struct vh_run){{pfn * VH_GUEST_PAGE}, (end - pfn) * VH_GUEST_PAGE};
	return run->bytes > 0;
}

static void kdump_free(void *self)
{
	struct kdump *k = self;

	free(k->records);
	free(k->bitmap);
	free(k->before);
	free(k);
}

/* By the first of the two bitmaps, in which a filter leaves what it takes out of the second. */
static void count_left_out(struct kdump *k, uint64_t at, uint64_t half)
{
	uint8_t block[VH_GUEST_PAGE];

	for (uint64_t from = 0; from < half; from += sizeof(block)) {
		size_t n = (size_t)VH_MIN(half - from, (uint64_t)sizeof(block));

		if (read_plain(k, at + from, block, n))
			return;
		for (size_t i = 0; i < n; i++)
			k->left_out +=
				(unsigned)__builtin_popcount(block[i] & ~k->bitmap[from + i]);
	}
}

/* Of the two bitmaps the second: pages that are in the dump, and not only in the machine. */
static const char *read_bitmap(struct kdump *k, uint64_t at, uint64_t bytes, uint64_t max_pfn)
{
	uint64_t half = bytes / 2;
	uint32_t n = 0;

	if (!half || half > MAX_BITMAP)
		return "its bitmap of pages is as no guest's";
	/* What is not there costs no memory. */
	uint8_t last;

	if (read_plain(k, at + bytes - 1, &last, 1))
		return "its bitmap of pages is cut short";
	k->bitmap = vh_alloc(half + 64);
	k->before = vh_alloc((half / 64 + 2) * sizeof(*k->before));
	if (read_plain(k, at + half, k->bitmap, half))
		return "its bitmap of pages is cut short";
	k->pages = VH_MIN(half * 8, max_pfn);
	for (uint64_t byte = 0; byte < half; byte++) {
		if (byte % 64 == 0)
			k->before[byte / 64] = n;
		n += (unsigned)__builtin_popcount(k->bitmap[byte]);
	}
	k->in_dump = n;
	count_left_out(k, at, half);
	return NULL;
}

static void read_notes(const struct kdump *k, const uint8_t *sub, struct vh_dump *out)
{
	uint64_t at = u64_at(sub, NOTES_AT), n = u64_at(sub, NOTES_SIZE_AT);
	uint8_t last;

	if (!n || n > VH_DUMP_MAX_NOTES || at > INT64_MAX - n ||
		read_plain(k, at + n - 1, &last, 1))
		return;
	vh_auto_free uint8_t *notes = vh_alloc(n);

	if (!read_plain(k, at, notes, n))
		vh_dump_take_notes(notes, n, out);
}

/* How pages are compressed, as the header says and some of them do, from first to last; and whether
 * the farthest of these is in the file. */
static void sample_pages(struct kdump *k, unsigned status)
{
	uint64_t step = k->in_dump / SAMPLES + 1, end = 0;
	uint8_t last;

	k->packings = status & VH_PACKINGS;
	for (uint64_t n = 0; n < k->in_dump; n += step) {
		/* Back to front, so that the last is one of them. */
		uint64_t i = k->in_dump - 1 - n;
		struct page_descriptor d;

		if (read_plain(k, k->descriptor + i * sizeof(d), &d, sizeof(d))) {
			k->cut_short = true;
			return;
		}
		k->packings |= d.flags & VH_PACKINGS;
		if (d.size && d.offset <= (uint64_t)INT64_MAX - d.size)
			end = VH_MAX(end, d.offset + d.size);
	}
	k->cut_short = end && read_plain(k, end - 1, &last, 1);
}

static const char *read_heads(struct kdump *k, struct vh_dump *out)
{
	uint8_t head[HEAD_BYTES], sub[SUB_BYTES];
	uint64_t block = VH_GUEST_PAGE, max_pfn;

	if (read_plain(k, 0, head, sizeof(head)) || memcmp(head, "KDUMP   ", 8) != 0)
		return "it has no header of kdump";
	if (u32_at(head, BLOCK_SIZE_AT) != block)
		return "its blocks are not of 4096 bytes";
	if (read_plain(k, block, sub, sizeof(sub)))
		return "it is cut short";
	/* 64 bits from version 6 on. */
	max_pfn = u32_at(head, 8) >= 6 ? u64_at(sub, MAX_PFN_64_AT) : u32_at(head, MAX_PFN_AT);
	max_pfn = VH_MIN(max_pfn, (uint64_t)MAX_BITMAP * 8);
	read_notes(k, sub, out);
	uint64_t bitmap = (1 + (uint64_t)u32_at(head, SUB_BLOCKS_AT)) * block;
	uint64_t bytes = (uint64_t)u32_at(head, BITMAP_BLOCKS_AT) * block;

	const char *no = read_bitmap(k, bitmap, bytes, max_pfn);

	if (no)
		return no;
	k->descriptor = bitmap + bytes;
	k->incomplete = u32_at(head, STATUS_AT) & INCOMPLETE;
	sample_pages(k, u32_at(head, STATUS_AT));
	return NULL;
}

/* What is not in it must not be taken for what was not there. */
static char *note_of(const struct kdump *k)
{
	return vh_dump_note(k->left_out, k->in_dump,
		k->incomplete                 ? "the dump is incomplete, as its header says"
		: k->n_records == MAX_RECORDS ? "the dump has more pieces than are looked at"
		: k->cut_short                ? "the dump is cut short"
					      : NULL);
}

void vh_dump_open_kdump(int fd, struct vh_dump *out)
{
	static const struct vh_memory_source source = {kdump_read, kdump_next, kdump_free};
	struct kdump *k = vh_alloc(sizeof(*k));
	char head[VH_DUMP_HEAD] = "";
	const char *no, *packing, *lack;

	*out = (struct vh_dump){0};
	k->fd = fd;
	if (!vh_read_at(fd, 0, head, sizeof(head)) && memcmp(head, "makedumpfile", 12) == 0)
		read_records(k);
	no = read_heads(k, out);
	if (no)
		out->why = vh_asprintf("the dump cannot be used: %s", no);
	else if (vh_unpack_lacks(k->packings, &packing, &lack))
		out->why = vh_asprintf("the dump cannot be used: its pages are compressed with %s, "
				       "and %s",
			packing, lack);
	if (out->why) {
		kdump_free(k);
		return;
	}
	out->note = note_of(k);
	struct vh_ram all = {.bytes = k->pages * VH_GUEST_PAGE};

	out->memory = vh_memory_new(&source, k, &all, 1);
}
