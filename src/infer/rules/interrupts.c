/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/interrupts.h"

#include "infer/rules/common.h"

bool vh_weigh_held_interrupt(
	const struct vh_facts *f, struct vh_judgement *j, const struct vh_fact *held)
{
	if (!vh_guest_is_visible(f) || !held)
		return false;
	int v = held->vcpu;

	vh_for(j, VH_STRONG, held);
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_NEVER_WAKES, v));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_HLT, v));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_IRQS_ON, v));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, v));
	vh_against(j, VH_PROOF, vh_fact_of(f, VH_FACT_VCPU_WAKES, v));
	vh_against(j, VH_PROOF, vh_fact_of(f, VH_FACT_VCPU_TAKES_IRQS, v));
	vh_against(j, VH_PROOF, vh_fact_of(f, VH_FACT_VCPU_STARVED, v));
	/* One CPU of several: the others go on, until they need it. */
	if (vh_fact(f, VH_FACT_VCPU_WAKES) || vh_fact(f, VH_FACT_VCPU_ACTIVE))
		vh_at_most(j, VH_LIKELY, "other vCPUs of the guest still run");
	return true;
}
