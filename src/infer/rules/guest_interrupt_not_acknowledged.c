/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"
#include "infer/rules/interrupts.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *held = vh_fact(f, VH_FACT_VCPU_IRQ_UNACKED);

	if (!vh_weigh_held_interrupt(f, j, held))
		return;
	vh_title(j, "%s", held->text);
	vh_next(j, "vmhang diagnose {name} --verbose",
		"see the interrupt controllers (info lapic, info pic: ISR) and the code that vCPU "
		"%d halted in",
		held->vcpu);
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {"guest-idle", NULL};

const struct vh_rule vh_rule_guest_interrupt_not_acknowledged = {
	.id = "guest-interrupt-not-acknowledged",
	.title = "an interrupt that was never acknowledged holds all others back",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning =
		"The guest took an interrupt and never told the controller that it was done with "
		"it (EOI). Until then the controller delivers nothing of the same or a lower "
		"priority: the timer and the devices knock, and the guest sleeps in HLT. It is a "
		"bug of a driver, of a small kernel or of firmware; or the handler itself waits in "
		"HLT for an interrupt that it keeps out.",
	.shown_by =
		"HLT=1 and IF=1, not one wake-up; at both looks a bit in ISR (in service) of the "
		"local APIC or the PIC, and behind it one in IRR (pending) of no higher priority.",
	.what_to_do =
		"The interrupt's number tells whose handler it is: look it up in the guest's "
		"interrupt table and find the path that leaves the handler without an EOI. RIP "
		"tells where it halted. Only a reset helps the running guest; an NMI (virsh "
		"inject-nmi) still gets through, and makes Linux print where it is.",
	.includes = includes,
	.judge = judge,
};
