/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The log before 5.10 (kernel/printk/printk.c, 4.14 to 5.9): records of their own length one behind
 * the other in log_buf, from log_first_idx to log_next_idx; one of length 0 says that the next lies
 * at the start. A line that has no end yet is in the variable cont.
 */
#include <errno.h>

#include "guest/printk_parts.h"

#define MAX_LOG (64u << 20)
#define MIN_LOG 1024u
#define MAX_SEQ (UINT64_MAX >> 1)

/* struct printk_log: 16 bytes, and 4 more with CONFIG_PRINTK_CALLER (5.1). */
#define HEADER        16u
#define HEADER_CALLER 20u
#define MAX_HEADER    64u

struct log {
	uint32_t ts, len, text_len, dict_len, facility, level, header; /* offsets, and the size */
	unsigned level_shift;
	uint64_t gva;
	uint32_t bytes, first, next;
	uint64_t first_seq, next_seq;
};

static void find_members(struct log *l, const struct vh_layout *layout)
{
	struct vh_field f;

	l->ts = vh_layout_offset(layout, "printk_log", "ts_nsec", 0);
	l->len = vh_layout_offset(layout, "printk_log", "len", 8);
	l->text_len = vh_layout_offset(layout, "printk_log", "text_len", 10);
	l->dict_len = vh_layout_offset(layout, "printk_log", "dict_len", 12);
	l->facility = vh_layout_offset(layout, "printk_log", "facility", 14);
	l->level = vh_layout_offset(layout, "printk_log", "level", 15);
	l->level_shift = 5;
	if (vh_layout_field(layout, "printk_log", "level", &f) && f.bits == 3 && f.bit_offset <= 5)
		l->level_shift = f.bit_offset;
	if (!vh_layout_sizeof(layout, "printk_log", &l->header) || l->header < HEADER ||
		l->header > MAX_HEADER)
		l->header = HEADER;
}

static int read_u64(const struct vh_kernel *k, const char *symbol, uint64_t *value)
{
	uint64_t gva;

	return vh_symbols_address(k->symbols, symbol, &gva) ? vh_space_u64(k->space, gva, value)
							    : -ENOENT;
}

static int read_u32(const struct vh_kernel *k, const char *symbol, uint32_t *value)
{
	uint64_t gva;

	return vh_symbols_address(k->symbols, symbol, &gva) ? vh_space_u32(k->space, gva, value)
							    : -ENOENT;
}

static int read_variables(const struct vh_kernel *k, struct log *l)
{
	int err = read_u64(k, "log_buf", &l->gva);

	if (!err)
		err = read_u32(k, "log_buf_len", &l->bytes);
	if (!err)
		err = read_u32(k, "log_first_idx", &l->first);
	if (!err)
		err = read_u32(k, "log_next_idx", &l->next);
	if (!err)
		err = read_u64(k, "log_first_seq", &l->first_seq);
	if (!err)
		err = read_u64(k, "log_next_seq", &l->next_seq);
	if (!err && (l->bytes < MIN_LOG || l->bytes > MAX_LOG || l->first >= l->bytes ||
			    l->next > l->bytes || l->first_seq > MAX_SEQ ||
			    l->next_seq - l->first_seq > l->bytes / HEADER))
		err = -EBADMSG;
	return err;
}

/* A record at `at`; 0: there is none, else the bytes that it takes. */
static uint32_t add(struct log *l, struct vh_bytes log, uint32_t at, uint64_t seq, bool wanted,
	struct vh_inside *in)
{
	struct vh_bytes b = vh_bytes_at(log, at, l->bytes);
	uint32_t bytes = vh_bytes_u16(b, l->len), text = vh_bytes_u16(b, l->text_len);
	struct vh_inside_record record = {
		.seq = seq,
		.ts_ns = vh_bytes_u64(b, l->ts),
		.level = (unsigned)vh_bytes_number(b, l->level, 1) >> l->level_shift & 7,
		.facility = (unsigned)vh_bytes_number(b, l->facility, 1),
		.complete = true,
	};

	if (bytes < l->header || bytes > b.n ||
		l->header + text + vh_bytes_u16(b, l->dict_len) > bytes)
		return 0;
	if (wanted)
		vh_printk_add(in, &record, vh_bytes_at(b, l->header, text));
	return bytes;
}

/* Goes from record to record; false where one is broken. */
static bool walk(struct log *l, struct vh_bytes log, uint64_t from, struct vh_inside *in)
{
	uint64_t seq = l->first_seq, most = l->bytes / l->header, wraps = 0;
	uint64_t all = l->next_seq - l->first_seq;

	if (all > VH_INSIDE_MAX_DMESG)
		from = VH_MAX(from, l->next_seq - VH_INSIDE_MAX_DMESG);
	for (uint32_t at = l->first, bytes; at != l->next; at += bytes, seq++) {
		if (seq - l->first_seq > most)
			return false;
		/* No room for a header, or one of length 0: on at the start. */
		if (l->bytes - at < l->header ||
			!vh_bytes_u16(vh_bytes_at(log, at, l->header), l->len)) {
			if (wraps++)
				return false;
			at = 0;
			if (at == l->next)
				break;
		}
		bytes = add(l, log, at, seq, seq >= from, in);
		if (!bytes)
			return false;
	}
	return true;
}

/* struct cont { char buf[LOG_LINE_MAX]; size_t len; struct task_struct *owner; u64 ts_nsec;
 * u8 level; u8 facility; ... }; LOG_LINE_MAX is 1024 without the longest prefix. */
static void add_unfinished(struct vh_kernel *k, struct log *l, struct vh_inside *in)
{
	uint8_t copy[1024 + 64];
	struct vh_bytes b = {copy, sizeof(copy)};
	uint32_t line = vh_layout_offset(
		k->layout, "cont", "len", l->header == HEADER_CALLER ? 1024 - 48 : 1024 - 32);
	uint64_t gva;

	if (line > 1024 || !vh_symbols_address(k->symbols, "cont", &gva) ||
		vh_space_read(k->space, gva, copy, sizeof(copy)) < 0)
		return;
	uint64_t n = vh_bytes_u64(b, line);
	struct vh_inside_record record = {
		.seq = l->next_seq,
		.ts_ns = vh_bytes_u64(b, line + 16),
		.level = vh_bytes_number(b, line + 24, 1) & 7,
		.facility = (unsigned)vh_bytes_number(b, line + 25, 1),
		.complete = false,
	};

	if (in->n_dmesg)
		record.seq = VH_MAX(record.seq, in->dmesg[in->n_dmesg - 1].seq + 1);
	if (n && n <= line)
		vh_printk_add(in, &record, vh_bytes_at(b, 0, n));
}

int vh_printk_read_log(struct vh_kernel *k, uint64_t from, struct vh_inside *in)
{
	struct log l = {0};
	uint64_t holes = 0, first_seq;
	int err = read_variables(k, &l);

	if (err)
		return err;
	find_members(&l, k->layout);
	vh_auto_free uint8_t *copy = vh_alloc(l.bytes);
	struct vh_bytes log = {copy, l.bytes};

	err = vh_printk_read_ring(k->space, l.gva, l.bytes, 0, l.bytes, copy, &holes);
	/* What was overwritten while it was copied. */
	if (!err)
		err = read_u64(k, "log_first_seq", &first_seq);
	if (err)
		return err;
	bool broken = !walk(&l, log, VH_MAX(from, first_seq), in);

	if (l.next_seq >= from)
		add_unfinished(k, &l, in);
	if (holes)
		vh_inside_note(in, "%llu pages of the kernel's log could not be read",
			(unsigned long long)holes);
	if (broken)
		vh_inside_note(in, "the kernel's log is broken behind record %llu",
			(unsigned long long)(in->n_dmesg ? in->dmesg[in->n_dmesg - 1].seq : 0));
	return 0;
}

int vh_printk_next_of_log(const struct vh_kernel *k, uint64_t *next)
{
	struct log l = {0};
	int err = read_variables(k, &l);

	if (!err)
		*next = l.next_seq;
	return err;
}
