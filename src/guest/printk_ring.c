/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The log of 5.10 on (kernel/printk/printk_ringbuffer.[ch]): descriptors, infos and text are rings
 * of their own. A descriptor's id leads to its slot, and stands in front of its text too, so that
 * what the kernel overwrote while it was copied is seen and left out.
 */
#include <errno.h>

#include "guest/printk_parts.h"

#define MAX_COUNT_BITS 24u /* of descriptors, 2^N: 16 times what a log_buf_len of 32 MB has */
#define MAX_SIZE_BITS  31u
#define WHOLE_TEXT     (16u << 20) /* a longer text ring is read record by record */
#define FEW            64u         /* so few records are read one by one too */
#define RING_BYTES     256u
#define MAX_STRIDE     256u

#define ID_MASK    (UINT64_MAX >> 2)
#define STATE(var) ((unsigned)((var) >> 62))
enum { STATE_RESERVED, STATE_COMMITTED, STATE_FINALIZED, STATE_REUSABLE };
#define NO_TEXT 3u /* begin of a record that is empty; any other odd one lost its text */
#define ID_SIZE 8u /* in front of a text */

enum member {
	DESC_RING,
	TEXT_RING,
	COUNT_BITS,
	DESCS,
	INFOS,
	HEAD_ID,
	TAIL_ID,
	SIZE_BITS,
	DATA,
	STATE_VAR,
	TEXT_LPOS,
	BEGIN,
	NEXT,
	SEQ,
	TS,
	TEXT_LEN,
	FACILITY,
	LEVEL,
	N_MEMBER
};
/* Where each is, and its size; offsets of 5.10 to 5.17 on 64 bits where nothing tells them. */
static const struct {
	const char *type, *path;
	uint32_t offset, size;
} members[N_MEMBER] = {
	[DESC_RING] = {"printk_ringbuffer", "desc_ring", 0, 0},
	[TEXT_RING] = {"printk_ringbuffer", "text_data_ring", 40, 0},
	[COUNT_BITS] = {"prb_desc_ring", "count_bits", 0, 4},
	[DESCS] = {"prb_desc_ring", "descs", 8, 8},
	[INFOS] = {"prb_desc_ring", "infos", 16, 8},
	[HEAD_ID] = {"prb_desc_ring", "head_id", 24, 8},
	[TAIL_ID] = {"prb_desc_ring", "tail_id", 32, 8},
	[SIZE_BITS] = {"prb_data_ring", "size_bits", 0, 4},
	[DATA] = {"prb_data_ring", "data", 8, 8},
	[STATE_VAR] = {"prb_desc", "state_var", 0, 8},
	[TEXT_LPOS] = {"prb_desc", "text_blk_lpos", 8, 16},
	[BEGIN] = {"prb_data_blk_lpos", "begin", 0, 8},
	[NEXT] = {"prb_data_blk_lpos", "next", 8, 8},
	[SEQ] = {"printk_info", "seq", 0, 8},
	[TS] = {"printk_info", "ts_nsec", 8, 8},
	[TEXT_LEN] = {"printk_info", "text_len", 16, 2},
	[FACILITY] = {"printk_info", "facility", 18, 1},
	[LEVEL] = {"printk_info", "level", 19, 1},
};

struct ring {
	struct vh_space *space;
	uint64_t at[N_MEMBER];
	unsigned level_shift;
	bool text_ring_known;
	uint32_t desc_stride, info_stride;
	unsigned count_bits, size_bits;
	uint64_t descs, infos, data; /* gva */
	uint64_t head;               /* id of the newest record */
	uint64_t first_id, n;        /* what is looked at */
	uint8_t *text;               /* a copy of the whole text ring; NULL: read as needed */
	uint64_t taken;              /* bytes of blocks whose text was taken over */
	uint64_t holes, broken;
};

static uint32_t stride(const struct vh_layout *l, const char *type, uint32_t least, uint32_t usual)
{
	uint32_t bytes;

	return vh_layout_sizeof(l, type, &bytes) && bytes >= least && bytes <= MAX_STRIDE ? bytes
											  : usual;
}

static void find_members(struct ring *r, const struct vh_layout *l)
{
	struct vh_field f;

	for (unsigned i = 0; i < N_MEMBER; i++)
		r->at[i] = vh_layout_offset(l, members[i].type, members[i].path, members[i].offset);
	r->level_shift = 5;
	if (vh_layout_field(l, "printk_info", "level", &f) && f.bits == 3 && f.bit_offset <= 5)
		r->level_shift = f.bit_offset;
	r->text_ring_known = vh_layout_field(l, "printk_ringbuffer", "text_data_ring", &f);
	r->desc_stride = stride(l, "prb_desc", 24, 24);
	r->info_stride = stride(l, "printk_info", 24, 88);
}

/* What the ring tells of itself, as far as it can be so. */
static int read_ring(struct ring *r, uint64_t gva)
{
	uint8_t copy[RING_BYTES];
	struct vh_bytes b = {copy, sizeof(copy)};
	uint64_t desc = r->at[DESC_RING], text = r->at[TEXT_RING];
	int err = vh_space_read(r->space, gva, copy, sizeof(copy));

	if (err)
		return err;
	/* The ring before it has a member more from 5.19 on (last_finalized_id, in 6.7 and later
	 * last_finalized_seq): then what would be the address of the text is its size, and no
	 * address in the kernel's half. */
	if (!r->text_ring_known && !(vh_bytes_u64(b, text + r->at[DATA]) >> 63))
		text += 8;
	r->count_bits = vh_bytes_u32(b, desc + r->at[COUNT_BITS]);
	r->size_bits = vh_bytes_u32(b, text + r->at[SIZE_BITS]);
	r->descs = vh_bytes_u64(b, desc + r->at[DESCS]);
	r->infos = vh_bytes_u64(b, desc + r->at[INFOS]);
	r->data = vh_bytes_u64(b, text + r->at[DATA]);
	if (r->count_bits < 1 || r->count_bits > MAX_COUNT_BITS || r->size_bits < 4 ||
		r->size_bits > MAX_SIZE_BITS)
		return -EBADMSG;
	r->head = vh_bytes_u64(b, desc + r->at[HEAD_ID]) & ID_MASK;
	uint64_t tail = vh_bytes_u64(b, desc + r->at[TAIL_ID]) & ID_MASK;

	/* The tail may have gone on; it is never further behind than the ring is long. */
	r->n = ((r->head - tail) & ID_MASK) + 1;
	r->n = VH_MIN(r->n, UINT64_C(1) << r->count_bits);
	r->n = VH_MIN(r->n, VH_INSIDE_MAX_DMESG);
	r->first_id = (r->head - r->n + 1) & ID_MASK;
	return 0;
}

static uint64_t slot(const struct ring *r, uint64_t id)
{
	return id & ((UINT64_C(1) << r->count_bits) - 1);
}

/* Leaves out what is older than from: seqs go up by one with each id. */
static int skip_older(struct ring *r, uint64_t from)
{
	uint64_t last = (r->first_id + r->n - 1) & ID_MASK, seq;
	int err = vh_space_u64(
		r->space, r->infos + slot(r, last) * r->info_stride + r->at[SEQ], &seq);

	if (err)
		return err;
	/* The last one is being set up: what it says is of the one before in this slot. */
	if (seq < from || slot(r, seq) != slot(r, last))
		return 0;
	if (seq - from < r->n) {
		r->n = seq - from + 1;
		r->first_id = (last - r->n + 1) & ID_MASK;
	}
	return 0;
}

/* The text of a record whose block is [begin, next): false where it is another one's by now. */
static bool text_of(struct ring *r, uint64_t id, uint64_t begin, uint64_t next, uint32_t length,
	uint8_t *scratch, struct vh_bytes *text)
{
	uint64_t size = UINT64_C(1) << r->size_bits, mask = size - 1, at = begin & mask;
	uint64_t bytes = next - begin;
	struct vh_bytes b = {scratch, 0};

	/* A block that does not fit before the end lies at the start, and its begin does not say
	 * so; one that ends with the ring may have its next at the start. */
	if (begin >> r->size_bits != (next - 1) >> r->size_bits) {
		at = 0;
		bytes = next & mask;
	}
	if (bytes < ID_SIZE || bytes > size - at)
		return false;
	bytes = VH_MIN(bytes, ID_SIZE + (uint64_t)length);
	if (r->text)
		b = vh_bytes_at((struct vh_bytes){r->text, size}, at, bytes);
	else if (vh_space_read(r->space, r->data + at, scratch, bytes) == 0)
		b.n = bytes;
	if (b.n != bytes || (vh_bytes_u64(b, 0) & ID_MASK) != id)
		return false;
	/* Blocks do not overlap. Twice the ring, for what goes on while it is read; more is a lie
	 * that has the same bytes copied for each of all records. */
	r->taken += bytes;
	if (r->taken > 2 * size)
		return false;
	*text = vh_bytes_at(b, ID_SIZE, length);
	return true;
}

static void add(struct ring *r, uint64_t id, struct vh_bytes desc, struct vh_bytes info,
	uint64_t from, struct vh_inside *in)
{
	uint8_t scratch[ID_SIZE + UINT16_MAX];
	unsigned state = STATE(vh_bytes_u64(desc, r->at[STATE_VAR]));
	uint64_t lpos = r->at[TEXT_LPOS], begin = vh_bytes_u64(desc, lpos + r->at[BEGIN]);
	uint64_t next = vh_bytes_u64(desc, lpos + r->at[NEXT]);
	uint32_t length = vh_bytes_u16(info, r->at[TEXT_LEN]);
	struct vh_inside_record record = {
		.seq = vh_bytes_u64(info, r->at[SEQ]),
		.ts_ns = vh_bytes_u64(info, r->at[TS]),
		.level = vh_bytes_number(info, r->at[LEVEL], 1) >> r->level_shift & 7,
		.facility = (unsigned)vh_bytes_number(info, r->at[FACILITY], 1),
		.complete = state == STATE_FINALIZED,
	};
	struct vh_bytes text = {scratch, 0};

	if (record.seq < from)
		return;
	/* A record that was only just reserved has no text yet: nothing is known of it. */
	if (state == STATE_RESERVED && (!length || begin & 1))
		return;
	if (slot(r, record.seq) != slot(r, id) ||
		(in->n_dmesg && in->dmesg[in->n_dmesg - 1].seq >= record.seq)) {
		r->broken++;
		return;
	}
	if (begin & 1) {
		if (begin != NO_TEXT) /* there was no room for it: lost */
			return;
	} else if (!text_of(r, id, begin, next, length, scratch, &text)) {
		r->broken++;
		return;
	}
	vh_printk_add(in, &record, text);
}

static int read_text(struct ring *r)
{
	uint64_t size = UINT64_C(1) << r->size_bits;

	if (size > WHOLE_TEXT || r->n <= FEW)
		return 0;
	r->text = vh_alloc(size);
	return vh_printk_read_ring(r->space, r->data, size, 0, size, r->text, &r->holes);
}

/* Descriptors before infos before text: of what is overwritten meanwhile, the newer part is met
 * last, and does not fit. */
static int copy_records(struct ring *r, uint64_t from, struct vh_inside *in)
{
	uint64_t count = UINT64_C(1) << r->count_bits, first = slot(r, r->first_id);
	vh_auto_free uint8_t *descs = vh_alloc(r->n * r->desc_stride);
	vh_auto_free uint8_t *infos = vh_alloc(r->n * r->info_stride);
	int err = vh_printk_read_ring(r->space, r->descs, count * r->desc_stride,
		first * r->desc_stride, r->n * r->desc_stride, descs, &r->holes);

	if (!err)
		err = vh_printk_read_ring(r->space, r->infos, count * r->info_stride,
			first * r->info_stride, r->n * r->info_stride, infos, &r->holes);
	if (!err)
		err = read_text(r);
	for (uint64_t i = 0; !err && i < r->n; i++) {
		uint64_t id = (r->first_id + i) & ID_MASK;
		struct vh_bytes desc = {descs + i * r->desc_stride, r->desc_stride};
		struct vh_bytes info = {infos + i * r->info_stride, r->info_stride};
		uint64_t var = vh_bytes_u64(desc, r->at[STATE_VAR]);

		if ((var & ID_MASK) == id && STATE(var) != STATE_REUSABLE)
			add(r, id, desc, info, from, in);
	}
	return err;
}

int vh_printk_read_records(struct vh_kernel *k, uint64_t ring, uint64_t from, struct vh_inside *in)
{
	struct ring r = {.space = k->space};

	find_members(&r, k->layout);
	int err = read_ring(&r, ring);

	if (!err && from)
		err = skip_older(&r, from);
	if (!err)
		err = copy_records(&r, from, in);
	free(r.text);
	if (r.holes)
		vh_inside_note(in,
			"%llu pages of the kernel's log could not be read, records are missing",
			(unsigned long long)r.holes);
	if (r.broken)
		vh_inside_note(in,
			"%llu records of the kernel's log are broken, or were overwritten while "
			"they were read",
			(unsigned long long)r.broken);
	return err;
}

/* The first record of a ring of N has the id -N (DESC0_ID(), plus one), and the seq 0. */
int vh_printk_next_of_records(const struct vh_kernel *k, uint64_t ring, uint64_t *next)
{
	struct ring r = {.space = k->space};

	find_members(&r, k->layout);
	int err = read_ring(&r, ring);

	if (!err)
		*next = (r.head + (UINT64_C(1) << r.count_bits) + 1) & ID_MASK;
	return err;
}
