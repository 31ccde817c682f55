/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/panic.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_judge_panic(f, j, VH_FACT_PANIC_LOCKUP,
		    "the guest's kernel panicked: its watchdog found a CPU stuck"))
		return;
	vh_next(j, "vmhang diagnose {name} --verbose",
		"the lines above the panic tell which CPU, and the function it was in");
	vh_next(j, "ps -eLo pid,tid,cls,rtprio,ni,psr,pcpu,comm --sort=-pcpu | head -20",
		"see whether the host let its vCPUs run: a vCPU that waits for a CPU for 20 s "
		"looks to the guest as if it were stuck");
	vh_next_after_panic(j, f);
}

const struct vh_rule vh_rule_guest_panic_lockup = {
	.id = "guest-panic-lockup",
	.title = "the guest's kernel panicked: its watchdog found a CPU stuck",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.lasting = true,
	.meaning = "A watchdog of the guest found that one of its CPUs did nothing but one task "
		   "for long (soft lockup), had interrupts off (hard lockup) or held up RCU, and "
		   "kernel.softlockup_panic, hardlockup_panic or panic_on_rcu_stall is set. In a "
		   "VM the reason is as often the host, which did not let the vCPU run, as the "
		   "guest's kernel.",
	.shown_by = "\"softlockup: hung tasks\", \"Hard LOCKUP\" or \"RCU Stall\". The panic is "
		    "the last "
		    "thing on the console; one vCPU polls, the others are halted with interrupts "
		    "off.",
	.what_to_do = "Where the host was overloaded, paused or migrated the VM at that time, that "
		      "was it: the guest's settings are too strict for such a host. Otherwise the "
		      "function in the report above the panic is the place to look at.",
	.includes = vh_panic_includes,
	.judge = judge,
};
