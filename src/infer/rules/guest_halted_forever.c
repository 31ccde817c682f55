/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	size_t n = f->model->n_vcpus;
	size_t dead = 0;

	if (!vh_guest_is_visible(f) || !n)
		return;
	for (size_t i = 0; i < n; i++) {
		int v = f->model->vcpus[i]->index;
		const struct vh_fact *hlt = vh_fact_of(f, VH_FACT_VCPU_HLT, v);
		const struct vh_fact *off = vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, v);
		const struct vh_fact *never = vh_fact_of(f, VH_FACT_AP_NEVER_STARTED, v);

		dead += (hlt && off) || never;
	}
	const struct vh_fact *hlt = vh_fact(f, VH_FACT_VCPU_HLT);

	if (hlt && vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, hlt->vcpu)) {
		enum vh_weight weight = dead == n ? VH_PROOF : VH_WEAK;

		vh_for_all(j, f, weight, VH_FACT_VCPU_HLT);
		vh_for_all(j, f, weight, VH_FACT_VCPU_IRQS_OFF);
		vh_for_all(j, f, VH_WEAK, VH_FACT_VCPU_NEVER_WAKES);
		vh_for_all(j, f, VH_WEAK, VH_FACT_AP_NEVER_STARTED);
		vh_for_all(j, f, VH_WEAK, VH_FACT_VCPU_NO_ENTRY);
	}
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_VCPU_NOT_HLT));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_VCPU_IRQS_ON));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_VCPU_BUSY));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_VCPU_TAKES_IRQS));
	if (n == 1)
		vh_title(j, "its vCPU is halted with interrupts off: nothing can wake the guest");
	vh_next_keep_and_reset(j, f);
}

const struct vh_rule vh_rule_guest_halted_forever = {
	.id = "guest-halted-forever",
	.title = "all vCPUs are halted with interrupts off: nothing can wake the guest",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning = "Every vCPU executed HLT with interrupts disabled. No device and no timer "
		   "can wake it; only an NMI or a reset could. Kernels and firmware do that "
		   "on purpose when they give up.",
	.shown_by = "HLT=1 and IF=0 on every vCPU, looked at twice; the threads sleep in "
		    "kvm_vcpu_block and are never woken.",
	.what_to_do = "Read the last words on the serial console and screen: whatever halted the "
		      "machine has mostly said why. Then reset.",
	.judge = judge,
};
