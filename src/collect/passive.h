/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between the passive collectors. Each of them is called for VH_FIRST, VH_ONCE, VH_LAST and
 * VH_AFTER, and reads what docs/evidence.md says belongs to that round.
 */
#pragma once

#include "collect/collect.h"
#include "collect/mounts.h"

extern const struct vh_collector vh_collect_threads;
extern const struct vh_collector vh_collect_process;
extern const struct vh_collector vh_collect_cgroup;
extern const struct vh_collector vh_collect_hostview;
extern const struct vh_collector vh_collect_rivals;
extern const struct vh_collector vh_collect_hostlog;
extern const struct vh_collector vh_collect_kvmstats;
extern const struct vh_collector vh_collect_servers;
extern const struct vh_collector vh_collect_channels;
extern const struct vh_collector vh_collect_logs;

#define VH_PROC_FILE_CAP (64 * 1024) /* more than any file of /proc/PID but cmdline holds */

/* True for the rounds in which a source marked P is read. */
static inline bool vh_round_is_look(enum vh_round round)
{
	return round == VH_FIRST || round == VH_LAST || round == VH_AFTER;
}

/* A sentence for the reader of the case. */
void vh_collect_note(struct vh_case *c, enum vh_round round, const char *fmt, ...) VH_PRINTF(3, 4);

/* Reads one file into a piece of evidence. */
struct vh_evidence *vh_collect_file(struct vh_host *host, struct vh_case *c, enum vh_round round,
	const char *source, const char *subject, const char *path);

/* Files that are read in one go (vh_host_read_many) and then become a piece of evidence each, in
 * the order in which they were added. */
struct vh_wanted {
	const char *source; /* a constant */
	char *subject;
	bool only_if_there; /* no evidence where the file is absent */
};
struct vh_batch {
	struct vh_file_read *files;
	size_t n_files;
	struct vh_wanted *wanted; /* as many */
	size_t n_wanted;
};
/* The path is printf-like. */
void vh_batch_add(struct vh_batch *b, const char *source, const char *subject, size_t cap,
	const char *fmt, ...) VH_PRINTF(5, 6);
void vh_batch_read(struct vh_host *host, struct vh_batch *b);
/* Moves what was read into the case. */
void vh_batch_to_case(struct vh_batch *b, struct vh_case *c, enum vh_round round);
void vh_batch_free(struct vh_batch *b);
#define vh_auto_batch __attribute__((cleanup(vh_batch_free)))
