/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *connected = vh_fact(f, VH_FACT_INCOMING_CONNECTED);
	const struct vh_fact *still = vh_fact(f, VH_FACT_INCOMING_STILL);

	if (!connected || !still)
		return;
	vh_for(j, VH_STRONG, connected);
	vh_for(j, VH_PROOF, still);
	vh_next(j, NULL,
		"look at the source host: whether its process lives and runs (vmhang diagnose "
		"there), and what query-migrate says there");
	vh_next(j, "ss -xtnp | grep pid={pid},",
		"see the connection: where there is none to the source any more, end this process; "
		"the VM is at the source");
}

static const char *const includes[] = {"incoming-migration-waits", NULL};

const struct vh_rule vh_rule_incoming_migration_stalled = {
	.id = "incoming-migration-stalled",
	.title = "the VM is being received, and nothing more of it arrives",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.includes = includes,
	.meaning = "This process receives a VM; the source is connected and sends nothing: it is "
		   "stopped or hangs, or the network between the two does.",
	.shown_by = "query-status says \"inmigrate\", query-migrate \"active\", and nothing woke "
		    "the threads that receive during the whole window.",
	.what_to_do =
		"The VM is at the source: look after it there. Cancelling the migration there ends "
		"this process and loses nothing.",
	.judge = judge,
};
