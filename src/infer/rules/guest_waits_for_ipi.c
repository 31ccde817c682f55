/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

/* The first sender that does nothing but wait, or NULL. */
static const struct vh_fact *lost_ipi(const struct vh_facts *f)
{
	for (size_t i = 0; i < f->n; i++)
		if ((f->list[i]->id == VH_FACT_VCPU_IPI_LOST ||
			    f->list[i]->id == VH_FACT_VCPU_IPI_UNHEARD) &&
			vh_runs_all_it_can(f, f->list[i]->vcpu))
			return f->list[i];
	return NULL;
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *lost = lost_ipi(f);

	if (!vh_guest_is_visible(f) || !lost)
		return;
	int v = lost->vcpu;
	const struct vh_fact *waits = vh_fact_of(f, VH_FACT_VCPU_PAUSES, v);

	if (!waits)
		waits = vh_fact_of(f, VH_FACT_VCPU_PAUSE_LOOP, v);
	if (!waits)
		waits = vh_fact_of(f, VH_FACT_VCPU_SMALL_LOOP, v);
	vh_for(j, VH_STRONG, lost);
	vh_for(j, VH_STRONG, waits);
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, v));
	vh_for(j, VH_WEAK, vh_runs_all_it_can(f, v));
	vh_for_all(j, f, VH_STRONG, VH_FACT_AP_IGNORES_SIPI);
	vh_for_all(j, f, VH_WEAK, VH_FACT_VCPU_NO_ENTRY);
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_USER_MODE, v));
	vh_against(j, VH_PROOF, vh_fact_of(f, VH_FACT_VCPU_RUNS_WIDELY, v));
	if (!waits)
		vh_at_most(j, VH_POSSIBLE, "it was not seen to wait for an answer");
	vh_title(j, "vCPU %d waits for another CPU that never hears it: %s", v, lost->text);
	vh_next(j, "vmhang diagnose {name} --verbose",
		"see which vCPU has that APIC id, and what it does");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {"guest-spins", "guest-spins-irqs-off", "guest-spins-irqs-on",
	"guest-timer-lost", "boot-cpu-spins-aps-never-started", NULL};

const struct vh_rule vh_rule_guest_waits_for_ipi = {
	.id = "guest-waits-for-ipi",
	.title = "a vCPU waits for another CPU that never gets its interrupt",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning =
		"A vCPU sends interrupts to another (to flush its TLB, to call a function there) "
		"and waits until that has answered. No vCPU accepts them: the number is of a CPU "
		"that is not there, or was lost; or it is pending for a CPU that has its "
		"interrupts off for ever: then that CPU is the one to look at.",
	.shown_by = "kvm_apic_ipi without a kvm_apic_accept_irq of that vector by any vCPU, while "
		    "the sender runs all the time in a loop that waits. Or: the vector that the "
		    "sender's ICR tells is in IRR of another local APIC, whose vCPU has IF=0.",
	.what_to_do = "Compare the APIC ids that the guest uses with the topology of the VM (-smp "
		      "sockets, dies, cores, threads; x2apic). Try another host kernel.",
	.includes = includes,
	.judge = judge,
};
