/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"
#include "infer/rules/interrupts.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *held = vh_fact(f, VH_FACT_VCPU_IRQ_BELOW_TPR);

	if (!vh_weigh_held_interrupt(f, j, held))
		return;
	vh_title(j, "%s", held->text);
	vh_next(j, "vmhang diagnose {name} --verbose",
		"see TPR and IRR of the local APIC (info lapic), and the code that vCPU %d halted "
		"in",
		held->vcpu);
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {"guest-idle", NULL};

const struct vh_rule vh_rule_guest_interrupt_priority_raised = {
	.id = "guest-interrupt-priority-raised",
	.title = "a vCPU sleeps at a task priority that keeps interrupts out",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning =
		"The guest raised its task priority (TPR of the local APIC, CR8) and went to sleep "
		"in HLT without lowering it again. Interrupts are on, but all of that priority or "
		"below are held back: what would wake it is pending and is not delivered. It is a "
		"bug of the guest's kernel (Windows' IRQL is kept there) or of whatever restored "
		"the APIC's state.",
	.shown_by =
		"HLT=1 and IF=1, not one wake-up; at both looks an interrupt in IRR of the local "
		"APIC whose priority TPR does not exceed, and none in service.",
	.what_to_do =
		"Where it began with a migration or the load of a snapshot, suspect the state "
		"that was carried over: compare TPR and CR8 (info registers). Else look what "
		"raised the priority before HLT. Reset.",
	.includes = includes,
	.judge = judge,
};
