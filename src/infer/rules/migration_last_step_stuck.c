/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *holds = vh_fact(f, VH_FACT_MIGRATION_HOLDS_VMM);
	const struct vh_fact *finish = vh_fact(f, VH_FACT_RUNSTATE_FINISH_MIGRATE);
	const struct vh_fact *still = vh_fact(f, VH_FACT_MIGRATION_STILL);

	/* A main loop that answers waits for no lock. */
	if (holds && !vh_fact(f, VH_FACT_MONITOR_ANSWERS)) {
		vh_for(j, VH_PROOF, holds);
	} else if (finish && still) {
		vh_for(j, VH_PROOF, finish);
		vh_for(j, VH_STRONG, still);
	} else {
		return;
	}
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_MIGRATION_SENDER_WAITS));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	vh_next(j, NULL,
		"look at the destination host: whether its VMM lives and runs (vmhang diagnose "
		"there), and whether the network between the two does");
	vh_next(j, "ss -xtnp | grep pid={pid},",
		"see the connection that it waits for: the VM goes on, there or here, as soon as "
		"the other side takes what is sent or the connection is closed");
	vh_next(j, NULL,
		"if the destination is lost: end its process, and the VM goes on here. Never start "
		"both");
}

static const char *const includes[] = {
	"migration-last-step", "vm-paused", "migration-stalled", "vmm-main-loop-blocked", NULL};

const struct vh_rule vh_rule_migration_last_step_stuck = {
	.id = "migration-last-step-stuck",
	.title = "the last step of its migration holds the VM, and does not go on",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.includes = includes,
	.meaning =
		"For the last step of a migration the VM is stopped, and what is left of its "
		"memory and its devices are sent. That takes a fraction of a second. Where the "
		"other side takes nothing, it lasts: the VM runs nowhere, and its monitor does not "
		"answer, for the last step is done under the lock of the whole VMM.",
	.shown_by =
		"query-status says \"finish-migrate\"; or the monitor is silent, the main thread "
		"and all vCPUs wait for a lock, and the migration's thread sleeps in a call that "
		"sends, all through the window.",
	.what_to_do =
		"Mend the other side or the network, or end the process at the destination: then "
		"the migration fails, and the VM goes on here. Do not kill the process here unless "
		"the VM surely runs at its destination.",
	.judge = judge,
};
