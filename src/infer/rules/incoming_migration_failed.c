/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *failed = vh_fact(f, VH_FACT_INCOMING_FAILED);
	const struct vh_fact *waits = vh_fact(f, VH_FACT_RUNSTATE_INMIGRATE);

	if (!failed || !waits)
		return;
	vh_for(j, VH_PROOF, failed);
	vh_for(j, VH_STRONG, waits);
	vh_title(j, "%s: what is left here never runs", failed->text);
	vh_next(j, NULL, "look for the VM at the source: it goes on there");
	vh_next_monitor(j, f, "destroy", "quit",
		"end this process, mend what made the migration fail, and begin it anew");
}

static const char *const includes[] = {
	"incoming-migration-waits", "incoming-migration-stalled", "vm-paused", NULL};

const struct vh_rule vh_rule_incoming_migration_failed = {
	.id = "incoming-migration-failed",
	.title = "the VM's migration to here failed: what is left here never runs",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.includes = includes,
	.meaning = "This process was to receive a VM, and the migration failed. Newer versions of "
		   "QEMU "
		   "may stay then (exit-on-error off), so that the error can be asked for.",
	.shown_by = "query-status says \"inmigrate\" and query-migrate \"failed\", with its "
		    "error-desc.",
	.what_to_do = "The VM goes on at the source. End this process; it cannot be used again.",
	.judge = judge,
};
