/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/moving.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	vh_for_phase(j, vh_fact(f, VH_FACT_MIGRATION_WAITS_SWITCHOVER));
	vh_next(j, "journalctl -u libvirtd -u virtqemud --since -1h | tail -50",
		"see what became of the management software that began the migration: it is what "
		"must say how it goes on");
	vh_next_monitor_with(j, f, NULL, "migrate-continue", "{\"state\":\"pre-switchover\"}",
		"let it go on by hand: only where the destination is sure to be ready and its "
		"disks are there");
	vh_next_monitor(j, f, "domjobabort", "migrate_cancel",
		"or cancel it: the VM goes on here, and loses nothing");
}

static const char *const includes[] = {
	"migration-last-step", "migration-last-step-stuck", "migration-stalled", "vm-paused", NULL};

const struct vh_rule vh_rule_migration_waits_for_switchover = {
	.id = "migration-waits-for-switchover",
	.title = "the VM is held: nobody lets its migration go on",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.includes = includes,
	.meaning =
		"The migration was told to wait before its last step (capability "
		"pause-before-switchover), so that the management software can hand the disks over "
		"first. The VM is stopped meanwhile, and nobody has said that it may go on.",
	.shown_by = "query-migrate says \"pre-switchover\" at both looks.",
	.what_to_do =
		"Find out why the management software (libvirt, OpenStack, KubeVirt) does not go "
		"on: often it died, or waits for a disk mirror that never ends. Then let it go on, "
		"or cancel.",
	.judge = judge,
};
