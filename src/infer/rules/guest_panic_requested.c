/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/panic.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_judge_panic(f, j, VH_FACT_PANIC_REQUESTED,
		    "the guest's kernel panicked: somebody told it to"))
		return;
	vh_next(j, "journalctl --since -1h | grep -i -e inject-nmi -e send-key -e {name}",
		"find out who did so: sysrq-trigger in the guest (its shell history, a "
		"cluster's fencing agent, a watchdog daemon), or an NMI from outside (virsh "
		"inject-nmi)");
	vh_next_after_panic(j, f);
}

const struct vh_rule vh_rule_guest_panic_requested = {
	.id = "guest-panic-requested",
	.title = "the guest's kernel panicked: somebody told it to",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.lasting = true,
	.meaning = "Somebody wanted this: \"echo c >/proc/sysrq-trigger\" or Alt-SysRq-c in the "
		   "guest, or an NMI from outside where the guest is set to panic at one "
		   "(kernel.unknown_nmi_panic). Cluster software does so to fence a node, and "
		   "operators to get a crash dump of a guest that hung before.",
	.shown_by = "\"sysrq triggered crash\", or \"NMI: Not continuing\". The panic is the last "
		    "thing "
		    "on the console; one vCPU polls, the others are halted with interrupts off.",
	.what_to_do = "If a dump was wanted and the guest writes none itself (kdump), take it now "
		      "from outside, then reset. Whatever made somebody do it came earlier: the "
		      "console above the panic may tell.",
	.includes = vh_panic_includes,
	.judge = judge,
};
