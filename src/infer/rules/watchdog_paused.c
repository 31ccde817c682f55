/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *told = vh_fact(f, VH_FACT_RUNSTATE_WATCHDOG);

	vh_for(j, VH_PROOF, told);
	if (!told)
		return;
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LIBVIRT_REASON));
	vh_next(j, "vmhang diagnose {name} --save {name}.vmhang --verbose",
		"keep the evidence first: the registers are those of the moment when it had hung");
	vh_next_monitor(j, f, "resume", "cont",
		"then let it go on and look what it does: it may have been slow only, else it "
		"hangs "
		"again");
	vh_next_monitor(j, f, "reset", "system_reset",
		"or reset it, as the watchdog would have done with action reset");
}

const struct vh_rule vh_rule_watchdog_paused = {
	.id = "watchdog-paused",
	.title = "the guest no longer served its watchdog, which paused the VM",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.meaning =
		"A watchdog device (i6300esb, ib700, ...) counts down unless a program in the guest"
		" resets it all the time. It ran out: the guest hung, or was too slow to serve it. "
		"The VMM was told to pause the VM in that case (action pause), so that somebody can"
		" look at it.",
	.shown_by =
		"query-status says \"watchdog\". The vCPUs stand where the guest was when the time "
		"was over.",
	.what_to_do =
		"The pause is a symptom: what made the guest miss its watchdog comes before it. See"
		" where its vCPUs stand, its console, and whether the host gave it enough CPU time "
		"then. Where nobody is to look at it, action reset serves better.",
	.judge = judge,
};
