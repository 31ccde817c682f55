/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *nobody = vh_fact(f, VH_FACT_INCOMING_UNCONNECTED);

	vh_for(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_INMIGRATE));
	vh_for(j, VH_WEAK, nobody);
	if (nobody)
		vh_title(j, "the VM waits for its state from a migration that nobody has begun");
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	vh_next(j, NULL,
		"look at the source host: whether the migration still runs, or the source VM is "
		"still alive");
	vh_next_monitor(j, f, "domjobinfo", "query-migrate", "see how far the migration has come");
}

const struct vh_rule vh_rule_incoming_migration_waits = {
	.id = "incoming-migration-waits",
	.title = "the VM waits for its state from a migration",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.meaning =
		"The VMM was started to receive a VM (-incoming) and has not received all of it.",
	.shown_by = "query-status says \"inmigrate\", and the vCPUs have never run here.",
	.what_to_do = "If a migration runs, wait for it. If it failed, the VM still runs on the "
		      "source: end this process, and never start both.",
	.judge = judge,
};
