/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Showing what a VM's exits were over an interval: one view, and its writers. Pure: from struct
 * vh_exits to text and JSON.
 */
#pragma once

#include "base/names.h"
#include "decode/exits.h"

#define VH_EXITS_SCHEMA "vmhang.exits/1"
#define VH_ALL_VCPUS    (-1)

/* The order of the rows. */
enum vh_exits_sort {
	VH_SORT_SAMPLES,
	VH_SORT_TIME,
	VH_SORT_MEAN,
	VH_SORT_MAX,
	VH_SORT_NAME,
	VH_N_SORT
};
VH_NAMES_DECLARE(vh_exits_sort, enum vh_exits_sort); /* "samples", "time", ... */

/* Which events are the rows: exits, or one kind of what lies behind them, as perf kvm --event. */
enum vh_exits_of { VH_EXITS_VMEXIT, VH_EXITS_MMIO, VH_EXITS_IOPORT, VH_EXITS_MSR, VH_N_EXITS_OF };
VH_NAMES_DECLARE(vh_exits_of, enum vh_exits_of); /* "vmexit", "mmio", "ioport", "msr" */

/* Of whom, and when. */
struct vh_exits_about {
	const char *name; /* the VM's, not escaped */
	pid_t pid;
	int64_t at_wall_ns; /* end of the interval; CLOCK_REALTIME */
};

struct vh_exits_options {
	int vcpu; /* index, or VH_ALL_VCPUS */
	enum vh_exits_of of;
	enum vh_exits_sort sort;
	bool keys;          /* what lies behind each row, indented under it */
	unsigned most_keys; /* in JSON: of one kind and vCPU; 0: 64 */
	unsigned width;     /* columns to wrap at, or to cut at where there is a height; 0: 100 */
	unsigned height;    /* lines at most: a screen, whose tables are cut to fit; 0: no screen */
	bool colour;
};

/*
 * All vCPUs (and what belongs to the VM as a whole) as one, or one vCPU alone. Counts, extremes and
 * deviations are those of all samples together. The strings are e's.
 */
struct vh_exits_merged {
	struct vh_vcpu_exits sum; /* vcpu is VH_ALL_VCPUS, or the index */
	size_t n_vcpus;
	double rate[VH_N_KEY_KIND];    /* events a second, also of one that was only sampled */
	uint64_t count[VH_N_KEY_KIND]; /* of all keys */
};
struct vh_exits_merged *vh_exits_merge(const struct vh_exits *e, int vcpu);
void vh_exits_merged_free(struct vh_exits_merged *m);
/* A read that QEMU must answer is an event when it is asked and one when it is answered: where
 * there are answers the first ones go, so that an access counts once. */
void vh_exits_drop_first_halves(struct vh_exits_merged *m);
/* Adds the samples of b to a, which begins as {0}. */
void vh_timing_merge(struct vh_timing *a, const struct vh_timing *b);

/* Where the time went, in the words of people; shares of a whole. */
struct vh_exits_split {
	double guest, kvm;
	double inside;  /* in KVM_RUN, where guest and KVM cannot be told apart */
	double user;    /* on a CPU, outside of KVM_RUN */
	double blocked; /* asleep outside of KVM_RUN */
	double halted;  /* asleep in KVM_RUN */
	double waiting; /* runnable, without a CPU */
	double asleep;  /* asleep, and no event tells where */
	double unknown; /* on a CPU, and no event tells where */
};
/* All NAN without a span. */
struct vh_exits_split vh_exits_split(const struct vh_vcpu_exits *v);

/* The first line is the answer. Ends with a newline. */
void vh_exits_text(const struct vh_exits *e, const struct vh_exits_about *about,
	const struct vh_exits_options *o, struct vh_buf *out);
/* docs/exits.schema.json; of the options vcpu, of and sort count. */
struct json_object *vh_exits_json(const struct vh_exits *e, const struct vh_exits_about *about,
	const struct vh_exits_options *o);
