/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's log in an image, written as the kernel writes it: for tests and fuzz targets. */
#pragma once

#include "guest/printk.h"
#include "tests/unit/guest/image.h"

#ifndef LOG_GVA
#define LOG_GVA UINT64_C(0xffffffff82000000)
#endif
#define LOG_RING  (LOG_GVA + 0x100)
#define LOG_DESCS (LOG_GVA + 0x200) /* 2^3 of 24 bytes */
#define LOG_INFOS (LOG_GVA + 0x400) /* of 88 bytes */
#define LOG_TEXT  (LOG_GVA + 0x800) /* 2^8 bytes; of the old log 2^10 */
#define LOG_COUNT 8u
#define LOG_SIZE  256u
#define LOG_IDS   (UINT64_MAX >> 2)

static const char log_memory[] = "map ffffffff82000000 2000000 2000 w\n"
				 "u64 ffffffff82000000 ffffffff82000100\n"
				 "symbol prb ffffffff82000000 d\n";
enum { LOG_RESERVED, LOG_COMMITTED, LOG_FINALIZED, LOG_REUSABLE };

struct log_build {
	struct image *i;
	bool text_at_48; /* of struct printk_ringbuffer, as since 5.19 */
	uint64_t id, lpos;
	uint64_t begin[LOG_COUNT]; /* of the records, by slot */
	uint64_t seq;              /* of the next */
};

static inline void log_u64(struct log_build *b, uint64_t gva, uint64_t value)
{
	image_put(b->i, gva, &value, sizeof(value));
}

static inline void log_begin(struct log_build *b, struct image *i)
{
	*b = (struct log_build){.i = i,
		.id = (0 - (uint64_t)LOG_COUNT - 1) & LOG_IDS,
		.lpos = 0 - (uint64_t)LOG_SIZE};
	/* What head and tail are before the first record. */
	log_u64(b, LOG_DESCS + (LOG_COUNT - 1) * 24, b->id | (uint64_t)LOG_REUSABLE << 62);
}

/* The ring itself, when all records are there: the tail is the oldest one whose text is. */
static inline void log_end(struct log_build *b)
{
	uint64_t text = LOG_RING + (b->text_at_48 ? 48 : 40), tail = b->id;
	uint64_t n = VH_MIN(b->seq, LOG_COUNT);

	for (uint64_t k = 1; k < n; k++) {
		uint64_t begin = b->begin[(b->id - k) % LOG_COUNT];

		if (!(begin & 1) && b->lpos - begin > LOG_SIZE)
			break;
		tail = (b->id - k) & LOG_IDS;
	}
	log_u64(b, LOG_RING, 3);
	log_u64(b, LOG_RING + 8, LOG_DESCS);
	log_u64(b, LOG_RING + 16, LOG_INFOS);
	log_u64(b, LOG_RING + 24, b->id);
	log_u64(b, LOG_RING + 32, tail);
	log_u64(b, LOG_RING + 40, b->seq); /* last_finalized_seq, or overwritten */
	log_u64(b, text, 8);
	log_u64(b, text + 8, LOG_TEXT);
	log_u64(b, text + 16, b->lpos);
}

/* A record whose block is [begin, next). */
static inline void log_record(struct log_build *b, unsigned state, unsigned level, uint64_t ts,
	size_t length, uint64_t begin, uint64_t next)
{
	b->id = (b->id + 1) & LOG_IDS;
	uint64_t slot = b->id % LOG_COUNT, desc = LOG_DESCS + slot * 24,
		 info = LOG_INFOS + slot * 88;

	b->begin[slot] = begin;
	log_u64(b, desc, b->id | (uint64_t)state << 62);
	log_u64(b, desc + 8, begin);
	log_u64(b, desc + 16, next);
	log_u64(b, info, b->seq++);
	log_u64(b, info + 8, ts);
	log_u64(b, info + 16, length | (uint64_t)level << 29 | 3 << 16);
}

static inline void log_add(
	struct log_build *b, unsigned state, unsigned level, uint64_t ts, const char *text)
{
	size_t n = strlen(text);
	uint64_t begin = b->lpos, next = begin + ((8 + n + 7) & ~UINT64_C(7)),
		 at = begin % LOG_SIZE;
	uint64_t id = (b->id + 1) & LOG_IDS;

	if (begin / LOG_SIZE != (next - 1) / LOG_SIZE) {
		at = 0;
		next = (begin / LOG_SIZE + 1) * LOG_SIZE + (next - begin);
	}
	log_u64(b, LOG_TEXT + at, id);
	image_put(b->i, LOG_TEXT + at + 8, text, n);
	log_record(b, state, level, ts, n, begin, next);
	b->lpos = next;
}

/* --- Before 5.10 ------------------------------------------------------------------------------ */

static const char old_log_memory[] = "map ffffffff82000000 2000000 2000 w\n"
				     "u64 ffffffff82000000 ffffffff82000800\n"
				     "u32 ffffffff82000008 400\n"
				     "symbol log_buf ffffffff82000000 d\n"
				     "symbol log_buf_len ffffffff82000008 d\n"
				     "symbol log_first_idx ffffffff82000010 d\n"
				     "symbol log_next_idx ffffffff82000014 d\n"
				     "symbol log_first_seq ffffffff82000018 d\n"
				     "symbol log_next_seq ffffffff82000020 d\n"
				     "symbol cont ffffffff82001000 b\n";
#define OLD_LOG_CONT UINT64_C(0xffffffff82001000)

static inline void old_log_set(
	struct image *i, uint32_t first, uint32_t next, uint64_t first_seq, uint64_t next_seq)
{
	image_put(i, LOG_GVA + 0x10, &first, 4);
	image_put(i, LOG_GVA + 0x14, &next, 4);
	image_put(i, LOG_GVA + 0x18, &first_seq, 8);
	image_put(i, LOG_GVA + 0x20, &next_seq, 8);
}

/* Where the next record begins. */
static inline uint32_t old_log_add(
	struct image *i, uint32_t at, uint64_t ts, unsigned level, const char *text, uint16_t dict)
{
	uint16_t length = (uint16_t)strlen(text);
	uint16_t head[4] = {(uint16_t)((16 + length + dict + 3) & ~3), length, dict,
		(uint16_t)(3 | level << 13)};

	image_put(i, LOG_TEXT + at, &ts, 8);
	image_put(i, LOG_TEXT + at + 8, head, 8);
	image_put(i, LOG_TEXT + at + 16, text, length);
	return at + head[0];
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Of an image that is done. */
static inline int log_read_with(
	struct image *i, struct vh_symbols *symbols, uint64_t from, struct vh_inside *in)
{
	struct vh_kernel k = {.space = i->space, .symbols = symbols};

	k.layout = vh_layout_new(NULL, NULL);
	int err = vh_printk_read(&k, from, in);

	vh_layout_free(k.layout);
	return err;
}

/* The image is done with it. */
static inline struct vh_inside *log_read(struct image *i, uint64_t from, int *err)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_LINUX);
	struct vh_symbols *symbols = image_symbols(i);

	if (!i->space)
		image_done(i);
	*err = log_read_with(i, symbols, from, in);
	vh_symbols_free(symbols);
	return in;
}
