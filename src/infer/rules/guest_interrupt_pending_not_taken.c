/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"
#include "infer/rules/interrupts.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *pending = vh_fact(f, VH_FACT_VCPU_IRQ_NOT_TAKEN);

	if (!vh_weigh_held_interrupt(f, j, pending))
		return;
	vh_title(j, "vCPU %d is halted and does not wake: %s", pending->vcpu, pending->text);
	vh_next_monitor(j, f, "virsh suspend {name} && virsh resume {name}", "stop, then cont",
		"makes KVM look at the vCPU again: a lost wake-up ends there, which proves it");
	vh_next(j, "vmhang record {name}",
		"keep the evidence before: it belongs into a report to the host's kernel or QEMU");
}

static const char *const includes[] = {"guest-idle", NULL};

const struct vh_rule vh_rule_guest_interrupt_pending_not_taken = {
	.id = "guest-interrupt-pending-not-taken",
	.title = "a halted vCPU does not take its pending interrupt",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning =
		"The guest sleeps in HLT with interrupts on, and one is pending that neither a "
		"mask "
		"nor a priority nor another interrupt in service holds back. A processor would "
		"take it at once. The wake-up of the vCPU's thread was lost: a bug of KVM, of the "
		"VMM's interrupt controller, or of posted interrupts (VT-d, AVIC).",
	.shown_by = "HLT=1 and IF=1, the thread was not woken once, and at both looks the same "
		    "interrupt in IRR, above PPR, or in the PIC, which is let in.",
	.what_to_do =
		"Pause and resume the VM: it goes on if the wake-up was lost. To see what it "
		"depends on, try without posted interrupts (kvm_intel enable_apicv=0, kvm_amd "
		"avic=0), without halt polling, with -machine kernel-irqchip=split. Report it "
		"with the case file.",
	.includes = includes,
	.judge = judge,
};
