/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counting a VM's exits for a while, by the best backend that the host permits: BPF programs that
 * count in the kernel; perf events, read from ring buffers and counted here; KVM's own statistics.
 * All is gone when the trace is closed or the process ends, however it ends: nothing is pinned, and
 * nothing is left in tracefs.
 */
#pragma once

#include "case/case.h"

enum vh_trace_backend { VH_TRACE_BPF, VH_TRACE_PERF, VH_TRACE_STATISTICS, VH_N_TRACE_BACKEND };
VH_NAMES_DECLARE(vh_trace_backend, enum vh_trace_backend); /* "bpf", "perf", "statistics" */

struct vh_trace;
struct vh_trace_options {
	/* The backends that may be used, a bit each (1 << VH_TRACE_BPF); 0: all. */
	unsigned backends;
	bool passive;    /* statistics are not to ask the monitor where debugfs tells none */
	bool no_libvirt; /* these are as in vh_collect_options */
	const char *libvirt_uri;
};

/*
 * Begins to count. The threads are the VM's vCPU threads as /proc shows them now; one that is
 * plugged in later is found by vh_trace_refresh. NULL and *err where no backend can be used: the
 * message tells why for each of them.
 */
struct vh_trace *vh_trace_open(struct vh_host *host, const struct vh_vm *vm,
	const struct vh_trace_options *options, struct vh_error **err);
enum vh_trace_backend vh_trace_backend(const struct vh_trace *t);
/* To be called some times a second in between: drains ring buffers, takes in new threads, stops
 * what comes too often. Returns when to call it next, CLOCK_MONOTONIC ns. */
int64_t vh_trace_refresh(struct vh_trace *t);
/*
 * What was counted since the last read (or the begin), as docs/trace-format.md has it, and begins
 * anew. Blocks for a few milliseconds; statistics that are asked of the monitor, for up to 1.5 s.
 */
struct json_object *vh_trace_read(struct vh_trace *t);
void vh_trace_close(struct vh_trace *t); /* accepts NULL */

/* Why a backend cannot be used on this host, as a clause; NULL where it can. The caller frees it.
 */
char *vh_trace_why_not(struct vh_host *host, enum vh_trace_backend backend);
