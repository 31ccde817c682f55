/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/moving.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *diverges = vh_fact(f, VH_FACT_MIGRATION_DIVERGES);
	const struct vh_fact *throttles = vh_fact(f, VH_FACT_MIGRATION_THROTTLES);

	vh_for(j, VH_STRONG, diverges);
	if (!diverges)
		return;
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_MIGRATION_MOVES));
	vh_for(j, VH_WEAK, throttles);
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_MIGRATION_STILL));
	vh_title(j, "the migration does not converge: %s", diverges->text);
	vh_next_monitor(j, f, "domjobinfo", "query-migrate",
		"look again: the guest may write less by then");
	vh_next_monitor_with(j, f, "migrate-setspeed --bandwidth 10240", "migrate-set-parameters",
		"{\"max-bandwidth\":10737418240}",
		"give it more bandwidth, where the network has more (here 10 GiB a second)");
	vh_next_monitor_with(j, f, "migrate-setmaxdowntime --downtime 2000",
		"migrate-set-parameters", "{\"downtime-limit\":2000}",
		"or let it stop the VM for longer at its end (here 2 s)");
	vh_next_monitor(j, f, "domjobabort", "migrate_cancel",
		"or cancel it: the VM goes on here, and loses nothing");
}

const struct vh_rule vh_rule_migration_does_not_converge = {
	.id = "migration-does-not-converge",
	.title = "the VM's migration does not converge",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_UNKNOWN,
	.meaning = "The VM is migrated while it runs, and writes to its memory as fast as that "
		   "memory is sent: after each round as much is left to send as before, so that "
		   "the migration never comes to its end. The VM itself runs on.",
	.shown_by =
		"query-migrate says \"active\", and from the third round on dirty-pages-rate is "
		"about what is sent (mbps), while expected-downtime stays above the limit.",
	.what_to_do =
		"More bandwidth or a longer downtime end it. Auto-converge slows the guest down "
		"until it does (migrate-set-capabilities); post-copy moves the guest first and its "
		"memory after it. Cancelling is harmless: the VM stays where it is.",
	.judge = judge,
};
