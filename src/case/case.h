/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The case: all that was seen of one VM over one observation window, as raw evidence. Nothing in it
 * is interpreted: what decode and infer conclude is made anew from the evidence each time, so that
 * a saved case gives the same verdict as the live VM, and a better one with a better vmhang.
 *
 * A case knows no collector: where a piece of evidence comes from is a name ("task.stat") and what
 * it is about is a subject ("tid:4711"). docs/evidence.md lists both.
 */
#pragma once

#include "base/host.h"
#include "case/vm.h"

/* When in the observation a piece of evidence was read. */
enum vh_round {
	VH_ONCE,        /* does not change over a window: command line, libvirt's XML, ... */
	VH_FIRST,       /* passive, at the start of the window */
	VH_LAST,        /* passive, at its end */
	VH_ASKED,       /* the monitor, first time */
	VH_ASKED_AGAIN, /* the monitor, second time */
	VH_AFTER,       /* passive again, after the monitor: did the touch change anything? */
	VH_N_ROUND
};
VH_NAMES_DECLARE(vh_round, enum vh_round);

struct vh_evidence {
	char *source;  /* stable name: "task.stat", "qmp.query-status", "cgroup.cpu.stat" */
	char *subject; /* "tid:4711", "vcpu:0", "drive:virtio0", a cgroup, a path; or "" */
	char *where;   /* what was asked or read, for people: a path, a monitor command */
	enum vh_round round;
	enum vh_status status;
	int err;       /* errno value behind the status, 0 without one */
	char *detail;  /* why it failed or was not asked; NULL for none */
	int64_t at_ns; /* since vh_case.began_ns */
	int64_t took_ns;
	char *data; /* raw bytes, NUL-terminated; NULL without */
	size_t size;
	struct json_object *meta; /* numbers that belong to the reading (file size, age), or NULL */
	char *attachment; /* file name wanted for it in the case file ("screen.ppm"), or NULL */

	/* The case's own, for finding it: source and subject stay as they were when it was added.
	 */
	size_t index;
	struct vh_evidence *older_alike, *older_of_source;
};

struct vh_case {
	struct vh_vm *vm;
	char *tool;            /* "vmhang 0.1.0" */
	int64_t began_wall_ns; /* CLOCK_REALTIME */
	int64_t began_ns;      /* CLOCK_MONOTONIC: zero of at_ns; 0 in a loaded case */
	int64_t window_ns;     /* from the first to the last passive reading; 0: a single look */
	bool passive;          /* the monitor was not asked because --passive said so */
	struct vh_evidence **evidence; /* in the order of collection; an index names a piece */
	size_t n_evidence;
	struct lh_table *newest_alike, *newest_of_source; /* for vh_case_find; see case.c */
};

/* Takes vm. */
struct vh_case *vh_case_new(struct vh_vm *vm);
void vh_case_free(struct vh_case *c);

/* Adds a finished piece of evidence, which is the case's from then on. */
void vh_case_take(struct vh_case *c, struct vh_evidence *e);
/* Frees a piece that no case took. */
void vh_evidence_free(struct vh_evidence *e);
/*
 * Adds a piece of evidence and returns it; it is the case's. The name of the subject may hold
 * anything. Times are "now" unless set afterwards.
 */
struct vh_evidence *vh_case_add(struct vh_case *c, enum vh_round round, const char *source,
	const char *subject, const char *where);
/* The same from a reading, whose data it takes. */
struct vh_evidence *vh_case_add_reading(struct vh_case *c, enum vh_round round, const char *source,
	const char *subject, const char *where, struct vh_reading *r);
/* "Not asked, because ...". */
void vh_case_add_skipped(struct vh_case *c, enum vh_round round, const char *source,
	const char *subject, const char *where, const char *reason);
void vh_evidence_set_data(struct vh_evidence *e, const char *data, size_t size);
/* Sets status, err and detail; printf-like. */
void vh_evidence_fail(struct vh_evidence *e, enum vh_status status, int err, const char *fmt, ...)
	VH_PRINTF(4, 5);
/* Adds a number to meta. */
void vh_evidence_set_number(struct vh_evidence *e, const char *key, int64_t value);
/* A number from meta, or the fallback. */
int64_t vh_evidence_number(const struct vh_evidence *e, const char *key, int64_t fallback);
static inline struct vh_str vh_evidence_text(const struct vh_evidence *e)
{
	return (struct vh_str){e && e->data ? e->data : "", e && e->data ? e->size : 0};
}

/* The newest evidence of a source, subject and round (NULL subject: any; VH_N_ROUND: any round), or
 * NULL. */
struct vh_evidence *vh_case_find(
	const struct vh_case *c, const char *source, const char *subject, enum vh_round round);
/* The same where it has data. */
struct vh_evidence *vh_case_find_data(
	const struct vh_case *c, const char *source, const char *subject, enum vh_round round);
/* The next older one of its source and, unless NULL, subject, or NULL. */
struct vh_evidence *vh_case_older(const struct vh_evidence *e, const char *subject);
size_t vh_case_index(const struct vh_case *c, const struct vh_evidence *e);

#define vh_case_foreach(c, e)                                                                      \
	for (size_t e##_i = 0; e##_i < (c)->n_evidence; e##_i++)                                   \
		for (struct vh_evidence *e = (c)->evidence[e##_i]; e; e = NULL)
