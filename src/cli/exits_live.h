/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The intervals of `vmhang exits`, from a trace or a file, and what is done with each. */
#pragma once

#include <stdio.h>

#include "collect/collect.h"
#include "collect/trace.h"
#include "report/exits.h"

/* Where the intervals come from. */
struct vh_exits_source {
	struct vh_host *host;
	const struct vh_vm *vm;
	struct vh_trace *trace;
	FILE *replay; /* in place of the three: a file of vh_exits_source_save */
	FILE *save;   /* each interval is written to it as well; NULL: none */
	struct vh_devices *devices;
	struct vh_collect_options ask; /* for the names of devices, once, where exits go to one */
	bool asked;
	struct vh_case *answers; /* to that question; NULL: none, or saved by now */
	char *machine;           /* as uname has it */
	bool saw_exits; /* in an earlier interval: then one without any is no KVM that has none */
};

struct vh_exits_interval {
	struct vh_exits *exits;
	char *name;
	struct vh_exits_about about;
};
void vh_exits_interval_free(struct vh_exits_interval *i);
/* The interval that ends now, or the next of the file. NULL, and *err NULL, at the file's end. */
struct vh_exits_interval *vh_exits_source_read(struct vh_exits_source *s, struct vh_error **err);

struct vh_exits_run {
	int64_t interval_ns;
	uint64_t count; /* intervals; 0: no end */
	bool json;
};
/* Shows intervals until the count, the VM's or the file's end, 'q' or a reader that goes away.
 * Returns the exit status. */
int vh_exits_run(
	struct vh_exits_source *s, const struct vh_exits_run *run, struct vh_exits_options *show);

/* What keys do. */
struct vh_exits_screen {
	struct vh_exits_options show;
	bool paused, quit;
};
/* True where the screen must be drawn again. e: what is shown, NULL for nothing yet. */
bool vh_exits_press(struct vh_exits_screen *s, const struct vh_exits *e, int key);
