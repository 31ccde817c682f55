/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The quick look at many VMs at once, for `vmhang list`: two passive looks at their threads, a
 * moment apart. It never touches a VM and claims little: a vCPU at 100 % is "running", whether it
 * spins or works, and a halted one is "idle". `vmhang diagnose` tells more.
 */
#pragma once

#include "discover/discover.h"
#include "infer/verdict.h"

#define VH_QUICK_INTERVAL_NS (100 * VH_NS_PER_MS)

/* Whether a VM wants a closer look. */
enum vh_attention {
	VH_ATTENTION_NONE,
	VH_ATTENTION_LOOK, /* a vCPU did not rest for a moment: it works, or spins */
	VH_ATTENTION_HUNG, /* whatever the guest would do, it cannot: stopped, paused, blocked, ...
			    */
	VH_N_ATTENTION
};
VH_NAMES_DECLARE(vh_attention, enum vh_attention);

struct vh_quick {
	/* running, idle, blocked, starved, paused, stopped, dead or unknown */
	enum vh_state state;
	enum vh_attention attention;
	/* Why, in a word or two: "traced", "frozen", "by signal", a kernel function; "" for nothing
	 * to add. */
	char detail[48];
	double cpu_percent;  /* all threads; a whole CPU is 100; negative unknown */
	int64_t uptime_ns;   /* 0 unknown */
	unsigned vcpus_busy; /* vCPU threads that ran, of those that were recognised */
	unsigned vcpus_seen;
};

/* interval_ns 0: VH_QUICK_INTERVAL_NS. Fills out[0 .. list->n). On a re-rooted host the two looks
 * are one, and CPU use is unknown. */
void vh_quick_look(struct vh_host *host, const struct vh_vm_list *list, int64_t interval_ns,
	struct vh_quick *out);
