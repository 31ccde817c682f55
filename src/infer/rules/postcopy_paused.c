/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/moving.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	bool source = vh_fact(f, VH_FACT_RUNSTATE_FINISH_MIGRATE) ||
		      vh_fact(f, VH_FACT_RUNSTATE_POSTMIGRATE);

	vh_for(j, VH_PROOF, vh_fact(f, VH_FACT_POSTCOPY_PAUSED));
	if (!vh_fact(f, VH_FACT_POSTCOPY_PAUSED))
		return;
	vh_for_all(j, f, VH_WEAK, VH_FACT_VCPU_WAITS_FOR_PAGE);
	vh_next_monitor_with(j, f, NULL, "migrate-recover", "{\"uri\":\"tcp:0.0.0.0:49999\"}",
		source ? "let the destination listen for a new connection: this command there"
		       : "let this side listen for a new connection (any free address)");
	vh_next_monitor_with(j, f, NULL, "migrate",
		"{\"uri\":\"tcp:DESTINATION:49999\",\"resume\":true}",
		source ? "then connect from here: the migration goes on where it stopped"
		       : "then connect from the source: this command there");
	vh_next(j, NULL,
		"end and reset neither side: the VM exists in two halves, and is lost with either");
}

static const char *const includes[] = {"vcpu-waits-for-page", "postcopy-source-stalled",
	"migration-stalled", "migration-last-step", "migration-last-step-stuck", "vm-paused", NULL};

const struct vh_rule vh_rule_postcopy_paused = {
	.id = "postcopy-paused",
	.title = "the VM's post-copy migration lost its connection, and must be recovered by hand",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.includes = includes,
	.meaning =
		"The connection between the two halves of a VM in post-copy migration broke. The "
		"VM "
		"waits at its destination for pages that are at the source; both sides wait to be "
		"connected again.",
	.shown_by = "query-migrate says \"postcopy-paused\" at both looks.",
	.what_to_do =
		"Connect them again: migrate-recover at the destination, then migrate with resume "
		"at the source (virsh migrate --postcopy-resume). Nothing is lost so far; with "
		"either process the VM is.",
	.judge = judge,
};
