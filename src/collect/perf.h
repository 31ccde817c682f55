/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tracepoints of some threads as a stream of records, by perf_event_open(2): all events of a
 * thread, and its switches of CPU, go to one ring buffer of its own, so that they come in order.
 * What had no room is counted. Everything ends with the descriptors, however this process ends.
 */
#pragma once

#include "base/error.h"
#include "collect/perf_ring.h"

#define VH_PERF_RING_TOTAL (64u << 20) /* bytes, of all rings together */
#define VH_PERF_RING_MAX   (8u << 20)  /* of a thread */
/*
 * The event that comes millions of times a second where KVM emulates every instruction: after so
 * many in one interval the kernel itself stops it for the thread, and then vmhang for all others.
 */
#define VH_PERF_LIMITED VH_TP_EMULATE
#define VH_PERF_LIMIT   1024

struct vh_perf;
struct vh_perf_options {
	size_t threads;     /* about so many will be added: sets the size of a ring */
	size_t total_bytes; /* of all rings; 0: VH_PERF_RING_TOTAL */
};

/* Takes the formats' pointer: they must outlive it. */
struct vh_perf *vh_perf_new(
	const struct vh_tp_format formats[VH_N_TP], const struct vh_perf_options *options);
/*
 * Begins to record a thread's events of the set (1 << VH_TP_*); with `switches` also when it leaves
 * and gets its CPU, and its end. An error where none of them can be; code ESRCH: it has ended.
 * owner is passed back with its records.
 */
struct vh_error *vh_perf_add(
	struct vh_perf *p, pid_t tid, uint32_t events, bool switches, size_t owner);
void vh_perf_free(struct vh_perf *p); /* accepts NULL */

/* Calls `take` for every record up to a time, thread by thread, each thread's in order. What is
 * younger stays. */
typedef void (*vh_perf_taker)(void *data, size_t owner, const struct vh_perf_record *r);
void vh_perf_drain(struct vh_perf *p, int64_t until_ns, vh_perf_taker take, void *data);
/* When to drain next so that nothing should be lost; CLOCK_MONOTONIC ns. */
int64_t vh_perf_next_ns(const struct vh_perf *p);

/* When the limited event was stopped; 0: it was not. No record of it is younger. */
int64_t vh_perf_stopped_ns(const struct vh_perf *p);
/* Starts it, for all threads; and again for another interval. */
void vh_perf_renew(struct vh_perf *p);

/* Why some descriptor of an event could not be opened; NULL: all could. */
const char *vh_perf_failed(const struct vh_perf *p, enum vh_tp tp);
/* Records of an event that were lost since the last call; 0 too where the kernel (before 6.0) only
 * tells the sum of all events, as VH_PERF_LOST does. */
uint64_t vh_perf_event_lost(struct vh_perf *p, enum vh_tp tp);

/* Why this process may not record tracepoints of that thread, as a clause that the caller frees;
 * NULL: it may. */
char *vh_perf_why_not(const struct vh_tp_format formats[VH_N_TP], pid_t tid);
