/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storm.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_weigh_storm(f, j, VH_FACT_VCPU_MSR_STORM))
		return;
	vh_next(j, "dmesg -T | grep -iE 'kvm.*(rdmsr|wrmsr|unhandled)'",
		"see whether KVM knows this MSR");
	vh_next_keep_and_reset(j, f);
}

const struct vh_rule vh_rule_guest_msr_storm = {
	.id = "guest-msr-storm",
	.title = "the guest accesses one MSR for ever",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning = "A vCPU reads or writes one model-specific register in a loop and does nothing "
		   "else: it waits for a bit that this virtual CPU never shows, or a hypervisor "
		   "interface does not do what the guest expects.",
	.shown_by =
		"Of all exits that the guest causes, nearly every one is an access to that MSR, "
		"from one or two instructions, thousands of times a second, while the vCPU "
		"never sleeps. Clocks and the timer of the local APIC are not taken for it.",
	.what_to_do =
		"Look the MSR up. Another CPU model, or other Hyper-V flags (hv_*), may give the "
		"guest what it waits for; so may a newer kernel on the host.",
	.includes = vh_storm_includes,
	.judge = judge,
};
