/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A look into a guest, in a sandbox of its own: what it says is checked, and its end is evidence.
 */
#pragma once

#include "guest/explore.h"
#include "guest/sandbox.h"

/* What is looked at, opened within the sandbox. */
struct vh_explore_view {
	struct vh_memory *memory;
	struct vh_cpu *cpus; /* the view's own; NULL without */
	size_t n_cpus;
	char *why;  /* memory NULL: why it cannot be read */
	char *note; /* of what is found so; NULL without */
};

struct vh_explorer {
	/* Within the sandbox: the nth way to look at it, the likeliest first; the next one is
	 * tried where no Linux is found. False: there is no further one. */
	bool (*open)(void *self, unsigned n, struct vh_explore_view *out);
	int fds[VH_SANDBOX_FDS]; /* that open() and the memory need */
	size_t n_fds;
	/* Outside: the registers of all vCPUs again (HMP "info registers -a"), which the caller
	 * frees; NULL: no more. NULL: they cannot be read again. */
	char *(*registers)(void *self);
	void *self;
	struct vh_explore_options options;
	uint64_t budget_bytes; /* of guest memory */
	int64_t deadline_ns;   /* of all; when following, of the first look */
	size_t keep_pages;     /* 0: none */
};

/* Never NULL. pages, unless NULL, is what was kept: the caller's. */
struct vh_inside *vh_explorer_run(const struct vh_explorer *e, struct vh_pages *pages);

/* Follows the log, as vh_explore_follow(): records() is called outside, with what was checked,
 * until it returns false. Never NULL: how it ended (VH_INSIDE_LINUX: records() had enough). */
struct vh_explorer_records {
	int64_t interval_ns, stands_ns;
	bool (*records)(void *self, const struct vh_inside *in);
	void *self;
};
struct vh_inside *vh_explorer_follow(
	const struct vh_explorer *e, const struct vh_explorer_records *to);
