/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/moving.h"

/* A guest that is left with less than this of its time looks hung to whoever uses it. */
#define MOST 0.8

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *throttles = vh_fact(f, VH_FACT_MIGRATION_THROTTLES);

	if (!throttles || throttles->value < MOST)
		return;
	vh_for(j, VH_PROOF, throttles);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_MIGRATION_RUNS));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_MIGRATION_DIVERGES));
	vh_title(j, "the guest hardly runs: its migration takes %.0f %% of the vCPUs' time",
		throttles->value * 100);
	vh_next_monitor(j, f, "domjobinfo", "query-migrate",
		"see how far it is: the guest runs at full speed again when it ends");
	vh_next_monitor_with(j, f, "migrate-setspeed --bandwidth 10240", "migrate-set-parameters",
		"{\"max-bandwidth\":10737418240}",
		"give the migration more bandwidth, where the network has more (here 10 GiB a "
		"second)");
	vh_next_monitor(j, f, "domjobabort", "migrate_cancel",
		"or cancel it: the VM goes on here at full speed");
}

static const char *const includes[] = {"migration-does-not-converge", "guest-busy", "guest-idle",
	"cpu-starved", "vm-paused", NULL};

const struct vh_rule vh_rule_guest_throttled_by_migration = {
	.id = "guest-throttled-by-migration",
	.title = "the guest hardly runs: its migration slows it down",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_STARVED,
	.hung = VH_HUNG_YES,
	.includes = includes,
	.meaning =
		"The VM is migrated with auto-converge: since it changes memory as fast as that is "
		"sent, the VMM lets its vCPUs sleep for a part of the time, and for more of it the "
		"longer that lasts, up to 99 %. What the guest does takes many times as long.",
	.shown_by = "query-migrate has a cpu-throttle-percentage of 80 or more.",
	.what_to_do =
		"Let the migration end (more bandwidth, a longer downtime, less work in the "
		"guest), "
		"or cancel it. max-cpu-throttle limits how far the guest is slowed down the next "
		"time.",
	.judge = judge,
};
