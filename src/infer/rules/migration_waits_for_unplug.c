/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/moving.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	vh_for_phase(j, vh_fact(f, VH_FACT_MIGRATION_WAITS_UNPLUG));
	vh_next(j, NULL,
		"look into the guest: its driver must let go of the device (failover network "
		"card), "
		"and hotplug must work there");
	vh_next_monitor(j, f, "domjobabort", "migrate_cancel",
		"or cancel the migration: the VM goes on here, and keeps its device");
}

const struct vh_rule vh_rule_migration_waits_for_unplug = {
	.id = "migration-waits-for-unplug",
	.title = "the migration waits for the guest to give up a device",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_UNKNOWN,
	.meaning =
		"A device of the host (a network card with a failover partner) cannot be migrated, "
		"so that the guest is asked to let go of it first, and has not done so. The VM "
		"itself runs on.",
	.shown_by = "query-migrate says \"wait-unplug\" at both looks.",
	.what_to_do =
		"The guest must answer the unplug request: a guest that hangs, or has no hotplug "
		"driver, never does. If other causes are named beside this one, mend them first.",
	.judge = judge,
};
