/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	vh_for(j, VH_PROOF, vh_fact(f, VH_FACT_POSTCOPY_SOURCE));
	if (!vh_fact(f, VH_FACT_POSTCOPY_SOURCE))
		return;
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_MIGRATION_MOVES));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_RUNSTATE_FINISH_MIGRATE));
	vh_next_monitor(j, f, "domjobinfo", "query-migrate", "see how much is left to send");
	vh_next(j, NULL,
		"do not end this process, and do not resume the VM here: it runs on its "
		"destination, and its memory is still here");
}

static const char *const includes[] = {
	"vm-paused", "migration-last-step", "migration-last-step-stuck", NULL};

const struct vh_rule vh_rule_postcopy_source_serves = {
	.id = "postcopy-source-serves",
	.title = "the VM runs elsewhere already, and its memory follows from here",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_NO,
	.includes = includes,
	.meaning =
		"The VM was switched over to its destination, and its memory follows. What is left "
		"here does not run, but the VM needs it until the last page is sent.",
	.shown_by = "query-migrate says \"postcopy-active\" at both looks, and bytes are sent.",
	.what_to_do = "Wait. Who ends this process now kills the VM.",
	.judge = judge,
};
