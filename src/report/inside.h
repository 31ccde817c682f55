/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Showing what was found inside a guest: `vmhang inside`. Pure: from struct vh_inside to text and
 * JSON. */
#pragma once

#include "guest/inside.h"

#define VH_DMESG_ALL (-1)

struct vh_inside_show {
	const char *name;   /* of the VM or the file; not escaped */
	const char *screen; /* its text screen, not escaped; NULL: not read */
	bool stacks, tasks; /* backtraces; all tasks, not only those that wait */
	bool verbose;       /* modules, what it cost */
	bool colour;
	int dmesg;      /* lines of the log's end; VH_DMESG_ALL */
	unsigned width; /* columns to wrap at; 0: 100 */
};
void vh_inside_text(
	const struct vh_inside *in, const struct vh_inside_show *show, struct vh_buf *out);
/* What it is and its state, without a stop; escaped. */
char *vh_inside_headline(const struct vh_inside *in);
/* A record as dmesg shows it, each line with its stamp, and with `levels` its facility and level.
 */
void vh_inside_record_text(
	const struct vh_inside_record *r, bool colour, bool levels, struct vh_buf *out);
/* docs/inside.schema.json, with all strings escaped as for a terminal. */
struct json_object *vh_inside_json(const struct vh_inside *in);
/* A line a stack, "a;b;c 17": what flamegraph.pl reads. */
void vh_inside_folded_text(const struct vh_inside *in, struct vh_buf *out);
/* 0 something was found, 2 nothing could be read. */
int vh_inside_exit_status(const struct vh_inside *in);
