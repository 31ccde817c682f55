/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the events of a thread to slices of its time: where it was, and, within that, that it was
 * not on a CPU. Slices of a thread never overlap but where one holds the other. Pure.
 */
#pragma once

#include "collect/perf_ring.h"
#include "decode/exits.h"

#define VH_SLICE_UNKNOWN "unknown" /* before the first event, and behind lost ones */
struct vh_slice {
	int64_t from_ns, to_ns;
	const char *name; /* as long as the call lasts */
	uint64_t reason;  /* of the exit, or of the exit to user space; VH_NO_REASON */
	uint64_t rip, info1, info2, err;
	bool has_rip, has_info, has_err;
};

struct vh_slicer {
	/* Where the slices and all other events go. */
	void (*slice)(void *data, const struct vh_slice *slice);
	void (*instant)(void *data, const struct vh_perf_record *record);
	void *data;
	enum vh_isa isa; /* vh_slicer_take learns it from kvm_exit */
	/* Its own; all 0 at the begin. */
	enum vh_place place;
	enum vh_rest rest;
	int64_t now_ns;
	int64_t place_ns, rest_ns; /* since when */
	bool ended;
	bool enters;           /* kvm_entry was seen */
	struct vh_slice about; /* of the place */
	bool slept;            /* the last sleep is over, and not told yet */
	bool woken;            /* by kvm_vcpu_wakeup: it was a halt */
	struct vh_slice sleep;
};
/* The thread's next event. Time never goes back: what claims to be older is of now. */
void vh_slicer_take(struct vh_slicer *s, const struct vh_perf_record *r);
/* Ends what is open. */
void vh_slicer_end(struct vh_slicer *s, int64_t now_ns);
