/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *told = vh_fact(f, VH_FACT_RUNSTATE_COLO);

	vh_for(j, VH_PROOF, told);
	if (!told)
		return;
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LIBVIRT_REASON));
	vh_next_monitor(j, f, "qemu-monitor-command --hmp --cmd 'info migrate'",
		"query-colo-status", "see on which side it is, and whether replication goes on");
	vh_next(j, NULL,
		"if the other side is dead, tell this one to take over: x-colo-lost-heartbeat");
}

const struct vh_rule vh_rule_vm_in_colo = {
	.id = "vm-in-colo",
	.title = "the VM is held for a checkpoint of its COLO replication",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.meaning =
		"The VM is replicated to a second host (COLO), and both copies are stopped for a "
		"moment at each checkpoint. One that stays there waits for the other side.",
	.shown_by = "query-status says \"colo\". The vCPUs wait outside of KVM, and the monitor "
		    "answers.",
	.what_to_do =
		"See whether the other host and the connection to it are alive. If the other side "
		"is lost, tell the survivor so (x-colo-lost-heartbeat), and it goes on alone.",
	.judge = judge,
};
