/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_RUNSTATE_SHUTDOWN));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	if (vh_fact(f, VH_FACT_RUNSTATE_SHUTDOWN) && vh_fact(f, VH_FACT_VCPU_NOT_HLT))
		vh_against(j, VH_WEAK, vh_fact(f, VH_FACT_VCPU_NO_IDT));
	vh_next(j, NULL, "start it again, or end its process");
	vh_next_monitor(j, f, "reset", "system_reset", "to start it again: reset it");
}

const struct vh_rule vh_rule_guest_shut_down = {
	.id = "guest-shut-down",
	.title = "the guest shut itself down, and the VMM was told to stay",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning = "The guest powered itself off, or reset itself under -no-reboot, and the "
		   "VMM keeps the ended VM (-no-shutdown), as management software wants it "
		   "that then cleans up.",
	.shown_by = "query-status says \"shutdown\". Under libvirt that lasts but a moment: if "
		    "it stays, whoever manages the VM is stuck.",
	.what_to_do =
		"Start the VM again, or look why the management software does not end the process.",
	.judge = judge,
};
