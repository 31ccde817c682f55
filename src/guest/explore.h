/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks into a guest: kernel, log, vCPUs, tasks. Parses hostile memory, so callers outside of tests
 * run it in the sandbox (explorer.h).
 */
#pragma once

#include "guest/kernel.h"

struct vh_explore_options {
	bool dmesg, vcpus, tasks; /* what is wanted */
	uint64_t dmesg_from;      /* seq of the first record that is wanted */
	unsigned samples;         /* of vCPUs; 0: VH_EXPLORE_SAMPLES */
	int64_t gap_ns;           /* between two of them; 0: VH_EXPLORE_GAP_NS */
	int64_t folded_ns;        /* collect folded stacks for so long; 0: none */
	struct vh_kernel_options kernel;
};
#define VH_EXPLORE_SAMPLES 3u
#define VH_EXPLORE_GAP_NS  (10 * VH_NS_PER_MS)

struct vh_explore_input {
	struct vh_memory *memory; /* its budget is set */
	struct vh_cpu *cpus;      /* first reading of all vCPUs; n 0: there are none to be had */
	size_t n_cpus;
	/* Reads the registers of all vCPUs again, into the same n rows; false: no more. NULL: they
	 * do not change (a dump), or cannot be read again. */
	bool (*sample)(void *self, struct vh_cpu *cpus, size_t n);
	void *self;
};

/* Never NULL: what could not be found is in outcome, why and notes. */
struct vh_inside *vh_explore(
	const struct vh_explore_input *input, const struct vh_explore_options *options);

/*
 * Follows the kernel's log: emit() gets what is new each interval, first with the kernel and all
 * records from options->dmesg_from on, and returns false when it has enough. Where that kernel is
 * no longer there, or nothing of it moved for stands_ns (0: never mind), the last that emit() gets
 * is VH_INSIDE_NO_LINUX and why. renew(self) sets the memory's budget anew, before each look. NULL;
 * or what there is, and emit() was never called, where no kernel was found. The caller frees it.
 */
struct vh_explore_follow {
	int64_t interval_ns, stands_ns;
	void (*renew)(void *self);
	bool (*emit)(void *self, const struct vh_inside *in);
	void *self;
};
struct vh_inside *vh_explore_follow(const struct vh_explore_input *input,
	const struct vh_explore_options *options, const struct vh_explore_follow *follow);

/* Samples the vCPUs of in (explore_vcpus.c): backtraces, and folded stacks over options->folded_ns.
 * Rows of in->vcpus, as many as input has, in their order. */
void vh_explore_vcpus(struct vh_kernel *k, const struct vh_explore_input *input,
	const struct vh_explore_options *options, struct vh_inside *in);
void vh_explore_fold(struct vh_kernel *k, const struct vh_explore_input *input,
	const struct vh_explore_options *options, struct vh_inside *in);
