/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

/* A vCPU that the VMM keeps out of the guest although the VM runs; NULL where there is none. */
static const struct vh_fact *kept_out(const struct vh_facts *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->list[i]->id == VH_FACT_VCPU_HELD_BY_VMM &&
			vh_fact_of(f, VH_FACT_VCPU_NO_ENTRY, f->list[i]->vcpu))
			return f->list[i];
	return NULL;
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *running = vh_fact(f, VH_FACT_RUNSTATE_RUNNING);
	const struct vh_fact *stuck = vh_fact(f, VH_FACT_VCPU_STUCK_IN_KVM);
	const struct vh_fact *held = running ? kept_out(f) : NULL;

	if (!vh_guest_is_visible(f) || (!stuck && !held))
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_VCPU_STUCK_IN_KVM);
	vh_for(j, VH_WEAK, running);
	if (held) {
		const struct vh_fact *awake = vh_fact_of(f, VH_FACT_VCPU_NOT_HLT, held->vcpu);

		vh_for(j, VH_STRONG, held);
		vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_NO_ENTRY, held->vcpu));
		vh_for(j, VH_WEAK, awake);
		vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_HLT, held->vcpu));
		if (!stuck && !awake)
			vh_at_most(j, VH_POSSIBLE,
				"a halted vCPU waits there too, where the VMM has the interrupt "
				"controller itself (kernel_irqchip=off)");
	}
	vh_title(j, "%s", stuck ? stuck->text : held->text);
	vh_next(j, "cat /proc/{pid}/task/*/stack", "see where it is in the host's kernel");
	vh_next(j, "dmesg -T | grep -iE 'kvm|lockup|rcu'", "see what the host's kernel says");
	vh_next(j, "gdb -p {pid} -batch -ex 'thread apply all bt' 2>/dev/null",
		"if it waits for the VMM: user-level backtraces (this stops the VM for a moment)");
}

const struct vh_rule vh_rule_vcpu_never_enters = {
	.id = "vcpu-never-enters",
	.title = "a vCPU that should run never enters the guest",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning =
		"The VM runs, as the VMM says, but one of its vCPUs is not let into the guest: KVM "
		"works on it without end, or the VMM waits for a lock or an event before it runs "
		"it again.",
	.shown_by = "No kvm_entry in the whole window, while the vCPU's thread runs in the host's "
		    "kernel, or sleeps outside of KVM_RUN although its vCPU is not halted.",
	.what_to_do =
		"The kernel stack and the backtraces of the VMM tell in what it is stuck: that "
		"is a bug of the host's kernel or of the VMM.",
	.judge = judge,
};
