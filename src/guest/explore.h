/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks into a guest: kernel, log, vCPUs, tasks. Parses hostile memory, so callers outside of tests
 * run it in the sandbox (sandbox.h).
 */
#pragma once

#include "guest/kernel.h"

struct vh_explore_options {
	bool dmesg, vcpus, tasks; /* what is wanted */
	uint64_t dmesg_from;      /* seq of the first record that is wanted */
	unsigned samples;         /* of vCPUs; 0: 3 */
	int64_t gap_ns;           /* between two of them; 0: 10 ms */
	int64_t folded_ns;        /* collect folded stacks for so long; 0: none */
	struct vh_kernel_options kernel;
};

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
