/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	vh_for(j, VH_PROOF, vh_fact(f, VH_FACT_POSTCOPY_RECOVERS));
	if (!vh_fact(f, VH_FACT_POSTCOPY_RECOVERS))
		return;
	vh_for_all(j, f, VH_WEAK, VH_FACT_VCPU_WAITS_FOR_PAGE);
	vh_next_monitor(j, f, "domjobinfo", "query-migrate",
		"look again: it becomes postcopy-active, or postcopy-paused where it fails");
	vh_next(j, NULL,
		"if it stays so: look at the other side, which must be up and take part; then "
		"pause "
		"it (migrate-pause) and try again over another connection");
}

static const char *const includes[] = {"vcpu-waits-for-page", "postcopy-source-stalled",
	"migration-stalled", "migration-last-step", "migration-last-step-stuck", "vm-paused", NULL};

const struct vh_rule vh_rule_postcopy_recovers = {
	.id = "postcopy-recovers",
	.title = "the VM waits until its post-copy migration has taken up its connection again",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.includes = includes,
	.meaning = "A post-copy migration whose connection broke is being recovered: the two sides "
		   "compare which pages have arrived. Until then the VM waits for its memory.",
	.shown_by = "query-migrate says \"postcopy-recover\" (or \"postcopy-recover-setup\") at "
		    "both looks.",
	.what_to_do = "Wait some seconds (of a large VM, minutes). End and reset neither side.",
	.judge = judge,
};
