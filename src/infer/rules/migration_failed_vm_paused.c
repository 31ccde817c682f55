/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *failed = vh_fact(f, VH_FACT_MIGRATION_FAILED);
	const struct vh_fact *paused = vh_fact(f, VH_FACT_RUNSTATE_PAUSED);
	const struct vh_fact *held = paused ? paused : vh_fact(f, VH_FACT_RUNSTATE_POSTMIGRATE);

	if (!held)
		held = vh_fact(f, VH_FACT_RUNSTATE_FINISH_MIGRATE);
	if (!failed || !held)
		return;
	vh_for(j, paused ? VH_STRONG : VH_PROOF, failed);
	vh_for(j, VH_STRONG, held);
	/* query-migrate tells of the last migration, be it of last week. */
	if (paused)
		vh_at_most(j, VH_LIKELY,
			"when the migration failed is not known: somebody may have paused the VM "
			"since, for another reason");
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LIBVIRT_REASON));
	vh_title(j, "the VM is paused, and %s", failed->text);
	vh_next(j, NULL,
		"make sure that it does not run at the destination: resumed here while it runs "
		"there, the two copies destroy its disks");
	vh_next_monitor(j, f, "resume", "cont", "then let it go on here: it lost nothing");
}

static const char *const includes[] = {
	"vm-paused", "vm-migrated-away", "migration-last-step", "migration-last-step-stuck", NULL};

const struct vh_rule vh_rule_migration_failed_vm_paused = {
	.id = "migration-failed-vm-paused",
	.title = "the VM is paused, and its migration failed",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.includes = includes,
	.meaning = "The VM was stopped for a migration (or somebody had paused it before), the "
		   "migration failed, and nobody let the VM go on. Its state is complete here.",
	.shown_by =
		"query-status says \"paused\" (or \"postmigrate\", as older versions leave a VM "
		"that "
		"was paused before), and query-migrate \"failed\" or \"cancelled\"; its error-desc "
		"says why.",
	.what_to_do =
		"Check the destination, then resume the VM here. Mend what made the migration fail "
		"before the next try.",
	.judge = judge,
};
