/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *told = vh_fact(f, VH_FACT_RUNSTATE_FINISH_MIGRATE);

	vh_for(j, VH_PROOF, told);
	if (!told)
		return;
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LIBVIRT_REASON));
	vh_next_monitor(j, f, "domjobinfo", "query-migrate",
		"see whether the migration goes on: until it has failed, the VM must not be "
		"resumed "
		"here");
	vh_next(j, "vmhang diagnose {name} --window 10s",
		"the pause takes well below a second where all is well: look again");
	vh_next(j, "ss -tnpi | grep -F pid={pid}",
		"see whether the connection to the other host still takes data (Send-Q, unacked)");
}

const struct vh_rule vh_rule_migration_last_step = {
	.id = "migration-last-step",
	.title = "the VM is held for the last step of its migration",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.meaning =
		"The migration has stopped the VM to send the last changed pages and the state of "
		"the devices. Both hosts wait for that to be over: for the network, for storage "
		"that must be flushed first, or for the other side to load what it got.",
	.shown_by = "query-status says \"finish-migrate\". That state lasts some hundred "
		    "milliseconds; a "
		    "VM that is found in it by somebody who asks why it hangs has been in it for "
		    "longer.",
	.what_to_do =
		"See how far the migration is, on both hosts, and whether the destination answers. "
		"If it has failed, the VMM resumes the VM by itself. Cancel the migration (virsh "
		"domjobabort) before anything is forced.",
	.judge = judge,
};
