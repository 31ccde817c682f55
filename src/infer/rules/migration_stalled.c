/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *still = vh_fact(f, VH_FACT_MIGRATION_STILL);
	const struct vh_fact *waits = vh_fact(f, VH_FACT_MIGRATION_SENDER_WAITS);

	if (!still && !waits)
		return;
	vh_for(j, still && waits ? VH_PROOF : VH_STRONG, waits);
	vh_for(j, VH_STRONG, still);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_MIGRATION_RUNS));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_MIGRATION_MOVES));
	vh_title(j, "the migration stands still: %s",
		waits ? "the other side takes nothing of what is sent" : still->text);
	vh_next(j, NULL,
		"look at the destination host: whether its VMM lives and runs (vmhang diagnose "
		"there), and whether the network between the two does");
	vh_next(j, "ss -tnoip | grep pid={pid},",
		"see the connection: unsent bytes (Send-Q) and retransmissions speak for the "
		"network, a window of 0 for the other side");
	vh_next_monitor(j, f, "domjobabort", "migrate_cancel",
		"if it does not come back, cancel: the VM goes on here, and loses nothing");
}

const struct vh_rule vh_rule_migration_stalled = {
	.id = "migration-stalled",
	.title = "the VM's migration stands still",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_UNKNOWN,
	.meaning =
		"The VM is being migrated while it runs, and nothing of it is sent: the other side "
		"does not take it, or the network between them is gone. The VM itself runs on.",
	.shown_by =
		"query-migrate says \"active\" and the same number of bytes at both looks, while "
		"the migration's thread sleeps in a call that sends.",
	.what_to_do =
		"Mend the destination or the network: the migration then goes on by itself. Where "
		"that takes long, cancel it. Nothing needs to be reset.",
	.judge = judge,
};
