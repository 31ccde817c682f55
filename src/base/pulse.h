/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pulse of a VM: what its main thread and its vCPUs did in each of some twenty looks over a
 * window, and whether it turned in between: was stopped, went on, fell silent. Two readings a
 * window apart cannot tell a VM that hangs half-way from one that works half of the time.
 */
#pragma once

#include "base/clock.h"
#include "base/text.h"

#define VH_PULSE_THREADS 64   /* that are looked at: main first, then vCPUs */
#define VH_PULSE_LOOKS   1024 /* that are read of a case */

/* Writes a thread of one look: "AT_NS TID ROLE STATE RUN_NS WCHAN\n". AT_NS is the same in all
 * threads of a look and may be negative, ROLE is "main", "vcpu" or "other", RUN_NS is from
 * schedstat, WCHAN may be missing. */
struct vh_pulse_thread {
	int64_t at_ns;
	int64_t tid;
	bool is_main, is_vcpu;
	char state;
	uint64_t run_ns;
	struct vh_str wchan;
};
struct vh_buf;
void vh_pulse_write(struct vh_buf *b, const struct vh_pulse_thread *t);

enum vh_turn_kind {
	VH_TURN_NONE,
	VH_TURN_STOPPED,         /* all threads came to be in state T or t */
	VH_TURN_WENT_ON,         /* they were, and are no longer */
	VH_TURN_FELL_SILENT,     /* vCPUs ran, and then none did at all */
	VH_TURN_CAME_ALIVE,      /* the other way round */
	VH_TURN_WAITS_ELSEWHERE, /* none ran, before nor after, but they wait in something else */
	VH_TURN_LOAD_ROSE,       /* they hardly ran, and then one ran most of the time, or more */
	VH_TURN_LOAD_FELL,
};

/* What was so on one side of a turn. */
struct vh_pulse_side {
	double least, most; /* CPUs that the vCPUs used, in any stretch between two looks */
	double moving;      /* share of the stretches in which they ran at all */
	double ready;       /* share of the looks in which one ran, or was ready to */
	bool stopped;       /* all threads, in all looks */
	bool going;         /* in no look were all of them stopped */
	char wchan[32];     /* what all vCPUs waited in, in all looks; "" where that differs */
};

struct vh_turn {
	enum vh_turn_kind kind;
	int64_t begin_ns, end_ns; /* of the looks: first and last */
	int64_t at_ns;            /* when it turned: between two looks */
	struct vh_pulse_side before, after;
};
/* Reads a pulse and finds the turn in it: where all that lies before differs in kind from all that
 * lies behind, both of them at least two stretches and 8 % of the time. Anything may be in the
 * text: what cannot be read is left out. */
struct vh_turn vh_pulse_turn(struct vh_str text);
