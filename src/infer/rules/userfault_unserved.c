/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

/* A vCPU that is woken more often a second gets its pages, one after the other. */
#define PAGES_COME_PER_S 5

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *waits = vh_fact(f, VH_FACT_USERFAULT_UNSERVED);

	/* Those have answers of their own. */
	if (!waits || vh_fact(f, VH_FACT_POSTCOPY_SOURCE) ||
		vh_fact(f, VH_FACT_POSTCOPY_DESTINATION) || vh_fact(f, VH_FACT_POSTCOPY_THREADS) ||
		vh_fact(f, VH_FACT_POSTCOPY_PAUSED) || vh_fact(f, VH_FACT_POSTCOPY_RECOVERS))
		return;
	const struct vh_fact *wakes = vh_fact_of(f, VH_FACT_VCPU_WAKES, waits->vcpu);
	bool come = wakes && wakes->value > PAGES_COME_PER_S;

	vh_for_all(j, f, come ? VH_STRONG : VH_PROOF, VH_FACT_USERFAULT_UNSERVED);
	if (come)
		vh_at_most(j, VH_POSSIBLE, "it is woken again and again: pages do come, if slowly");
	vh_next(j,
		"ls -l /proc/[0-9]*/fd 2>/dev/null | grep -B200 userfaultfd | grep -E "
		"'^/proc|userfaultfd'",
		"find the process that holds the userfaultfd (a snapshot restorer, CRIU's lazy "
		"pages, a memory manager), and see whether it lives, and what it waits for");
	vh_next(j, NULL,
		"bring it back, or end it: when the last descriptor is closed the waiting threads "
		"go "
		"on, with zeroes in the pages that were missing, so that only a restart of the VM "
		"is "
		"safe then");
	vh_next(j, NULL,
		"ask the monitor for no registers meanwhile: it would wait for the vCPU for ever");
}

static const char *const includes[] = {"vcpu-waits-for-page", NULL};

const struct vh_rule vh_rule_userfault_unserved = {
	.id = "userfault-unserved",
	.title = "a vCPU waits for a page that a userfaultfd handler does not deliver",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "Somebody registered the guest's memory with userfaultfd: a restore "
		   "from a snapshot that loads pages as they are touched, CRIU's lazy "
		   "pages, a memory manager. The vCPU touched a page that is not there, "
		   "and the program that should deliver it does not.",
	.shown_by = "The vCPU's thread sleeps in handle_userfault and is not woken, while "
		    "the VMM has no thread of a post-copy migration, which would serve such "
		    "faults.",
	.what_to_do = "Find who serves the userfaultfd, and why it does not: ended, stopped, "
		      "or waiting for its storage. Without it the VM cannot go on, for what "
		      "is missing is in no other place.",
	.includes = includes,
	.judge = judge,
};
