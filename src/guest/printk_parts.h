/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two readers of the kernel's log have in common. */
#pragma once

#include "guest/bytes.h"
#include "guest/printk.h"

/* More text than this is not taken over: the oldest records go. */
#define VH_PRINTK_MAX_TEXT (8u << 20)

/* Adds a record; its text is copied. */
void vh_printk_add(struct vh_inside *in, const struct vh_inside_record *r, struct vh_bytes text);
/*
 * Reads bytes [from, from + n) of a ring of `size` bytes at gva, n <= size, over its end, into what
 * is zeroes before. A page that cannot be read, or is not tried behind many such, stays so, and is
 * counted in *holes. 0, or -EDQUOT and -ETIME.
 */
int vh_printk_read_ring(struct vh_space *s, uint64_t gva, uint64_t size, uint64_t from, uint64_t n,
	uint8_t *to, uint64_t *holes);

/* 5.10 on; ring is the gva of struct printk_ringbuffer. */
int vh_printk_read_records(struct vh_kernel *k, uint64_t ring, uint64_t from, struct vh_inside *in);
int vh_printk_next_of_records(const struct vh_kernel *k, uint64_t ring, uint64_t *next);
/* Before. */
int vh_printk_read_log(struct vh_kernel *k, uint64_t from, struct vh_inside *in);
int vh_printk_next_of_log(const struct vh_kernel *k, uint64_t *next);
