/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *connected = vh_fact(f, VH_FACT_INCOMING_CONNECTED);
	const struct vh_fact *moves = vh_fact(f, VH_FACT_INCOMING_MOVES);

	if (!connected || !moves)
		return;
	vh_for(j, VH_PROOF, connected);
	vh_for(j, VH_STRONG, moves);
	vh_next_monitor(j, f, "domjobinfo", "query-migrate",
		"ask the source how far it is: only that side knows");
	vh_next(j, NULL, "start it nowhere meanwhile: it still runs at the source");
}

static const char *const includes[] = {"incoming-migration-waits", NULL};

const struct vh_rule vh_rule_incoming_migration_runs = {
	.id = "incoming-migration-runs",
	.title = "the VM is being received: it still runs at the source of its migration",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_NO,
	.includes = includes,
	.meaning = "This process receives a VM from another host. The VM runs there until all of "
		   "it is here.",
	.shown_by = "query-status says \"inmigrate\", query-migrate \"active\", and the threads "
		    "that receive are woken many times a second.",
	.what_to_do = "Wait, and watch the source: it says how far the migration is.",
	.judge = judge,
};
