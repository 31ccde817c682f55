/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ring buffer of one thread's perf events (linux/perf_event.h, struct perf_event_mmap_page),
 * and what a record in it says. The kernel writes it, but nothing in it is believed beyond its
 * bounds.
 */
#pragma once

#include <linux/perf_event.h>

#include "collect/trace_events.h"

struct vh_ring {
	struct perf_event_mmap_page *page; /* NULL: not mapped */
	uint8_t *data;
	size_t bytes;    /* of data: a power of two */
	uint64_t tail;   /* of what was taken */
	uint8_t *copy;   /* of a record that wraps around; made when first needed */
	uint64_t broken; /* times that the rest had to be thrown away because it made no sense */
};

/* Maps 2^n pages for the event; a negative errno where that failed. */
int vh_ring_map(struct vh_ring *r, int fd, size_t bytes);
void vh_ring_unmap(struct vh_ring *r);
/* The oldest record that was not taken yet, whole; NULL without one. Valid until it is taken. */
const struct perf_event_header *vh_ring_peek(struct vh_ring *r);
void vh_ring_take(struct vh_ring *r, const struct perf_event_header *record);
/* Tells the kernel what was taken, so that it can use the room again. */
void vh_ring_give_back(struct vh_ring *r);
/* Bytes that wait, at most the ring's size. */
size_t vh_ring_waiting(const struct vh_ring *r);

/* What vmhang asks of each sample; all other records end with the time (attr.sample_id_all). */
#define VH_PERF_SAMPLE_TYPE (PERF_SAMPLE_TIME | PERF_SAMPLE_RAW)

enum vh_perf_kind {
	VH_PERF_TRACEPOINT,
	VH_PERF_SWITCH_IN,
	VH_PERF_SWITCH_OUT,
	VH_PERF_EXIT,  /* the thread ended */
	VH_PERF_LOST,  /* there was no room for so many records */
	VH_PERF_OTHER, /* nothing that is wanted, or nonsense */
};
struct vh_perf_record {
	enum vh_perf_kind kind;
	int64_t time_ns;
	enum vh_tp tp;
	uint64_t value[VH_TP_FIELDS]; /* 0 where the event has no such field */
	unsigned present;             /* which it has: 1 << position */
	bool preempted;               /* switched out, but runnable */
	uint64_t lost;
};

/* Which tracepoint an id of this kernel is. */
struct vh_tp_ids {
	uint8_t tp[UINT16_MAX + 1]; /* VH_N_TP: none of ours */
};
void vh_tp_ids_fill(struct vh_tp_ids *ids, const struct vh_tp_format formats[VH_N_TP]);
/* Takes a record apart; whatever is too short for what it claims to be is VH_PERF_OTHER. */
void vh_perf_decode(const struct perf_event_header *record, const struct vh_tp_ids *ids,
	const struct vh_tp_format formats[VH_N_TP], struct vh_perf_record *out);
