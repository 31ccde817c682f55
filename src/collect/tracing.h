/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The trace of a window (trace.h), on a thread of its own: neither its begin nor its end, which
 * wait for the kernel, hold anything up. */
#pragma once

#include "collect/collect.h"

struct vh_tracing;
/* NULL, and evidence why, where nothing is to be traced. */
struct vh_tracing *vh_tracing_begin(
	struct vh_host *host, struct vh_case *c, const struct vh_collect_options *options);
/*
 * Call at the end of a window, before tracing is stopped: where attaching took most of it (a host
 * that is short of CPU, or emulated), it is lengthened until half of it was counted, by twice its
 * length and a second at most.
 */
void vh_tracing_wait(struct vh_tracing *t, int64_t window_ns); /* accepts NULL */
/* The window is over: what was counted is read, meanwhile. */
void vh_tracing_stop(struct vh_tracing *t); /* accepts NULL */
/* Adds it to the case. */
void vh_tracing_take(struct vh_tracing *t, struct vh_case *c); /* accepts NULL */
/* Waits until nothing of it is left in the kernel. */
void vh_tracing_end(struct vh_tracing *t); /* accepts NULL */
