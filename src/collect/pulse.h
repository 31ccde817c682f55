/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pulse of a window (base/pulse.h): looks at a few threads while the window passes. A host
 * that is short of CPU gets fewer looks, not a longer window. */
#pragma once

#include "base/buf.h"
#include "base/pulse.h"
#include "collect/collect.h"

/* What is looked at, and what was seen. */
struct vh_pulse {
	struct vh_pulse_watched {
		int64_t tid;
		bool is_main, is_vcpu;
	} watched[VH_PULSE_THREADS];
	size_t n; /* 0: a captured host has no pulse */
	int64_t looked_ns;
	struct vh_buf text; /* the caller frees it */
};
/* Chooses the threads, by the case's first look. */
void vh_pulse_begin(struct vh_pulse *p, struct vh_host *host, const struct vh_case *c);
void vh_pulse_look(struct vh_pulse *p, struct vh_host *host, const struct vh_case *c);
/* Looks again and again until a time. */
void vh_pulse_wait(
	struct vh_pulse *p, struct vh_host *host, const struct vh_case *c, int64_t until_ns);
/* Adds it to the case (task.pulse): as VH_LAST, or as VH_ONCE that of the window before, which
 * began then. */
void vh_pulse_to_case(
	struct vh_case *c, enum vh_round round, const struct vh_pulse *p, int64_t began_ns);
