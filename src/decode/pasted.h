/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a pasted text adds to the model (docs/evidence.md, "pasted.*"): each of these fills parts of
 * it that evidence of a live VM has left unknown, and leaves alone what that told. Internal to
 * decode.
 */
#pragma once

#include "decode/decoder.h"

/* A thread as ps or top shows it. */
struct vh_pasted_row {
	pid_t tid;
	char *name;        /* NULL: not told */
	char state;        /* 0: not told */
	int64_t cpu;       /* -1 */
	int64_t cpu_ns;    /* CPU time; -1 */
	double share;      /* of one CPU, since top's last screen; NAN */
	double life_share; /* of one CPU, since the thread began; NAN */
	char *wchan;       /* NULL */
	size_t order;      /* in which they were read: a later one knows better */
};
struct vh_pasted_rows {
	struct vh_pasted_row *list; /* by tid */
	size_t n;
};

/* pasted_threads.c: reads them all; NULL where the text has none. */
struct vh_pasted_rows *vh_pasted_rows_read(const struct vh_decoder *d);
void vh_pasted_rows_free(struct vh_pasted_rows *rows);
const struct vh_pasted_row *vh_pasted_row_find(const struct vh_pasted_rows *rows, int64_t tid);
/* TIME of ps ("02:03", "1-02:03:04") or, with `plus`, TIME+ of top ("0:05.12", "12:03", "6,44":
 * hours and minutes, "31h", "5d", "2w"), -1 where it is none. */
int64_t vh_pasted_time_ns(struct vh_str s, bool plus);

/* pasted_drives.c */
void vh_decode_pasted_drives(struct vh_decoder *d);

/* pasted_monitor.c */
void vh_decode_pasted_monitor(struct vh_decoder *d);
/* thread_id of each vCPU, by HMP info cpus and the old query-cpus; tids[VH_MAX_VCPUS]. */
void vh_pasted_thread_ids(struct vh_decoder *d, int64_t *tids);
/* 1 halted, 0 not, -1 not told: by the same. */
int vh_pasted_halted(const struct vh_decoder *d, int vcpu);
/* What "info sev" tells: that the guest is not encrypted, or how. False: not in the text. */
bool vh_pasted_sev(const struct vh_decoder *d, enum vh_conf_kind *kind);

/* pasted_exits.c: behind vCPUs and exits. */
void vh_decode_pasted_exits(struct vh_decoder *d);
/* pasted_trace.c: exits from lines of kvm events */
void vh_decode_pasted_trace(struct vh_decoder *d);
/* pasted_index.c */
void vh_decode_pasted_index(struct vh_decoder *d);
void vh_pasted_view_free(struct vh_pasted_view *v);
