/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

/* A vCPU that executed code without an interrupt table. One that firmware parked has none either,
 * but it is halted and raises no exception. */
static const struct vh_fact *running_without_idt(const struct vh_facts *f)
{
	for (size_t i = 0; i < f->model->n_vcpus; i++) {
		int v = f->model->vcpus[i]->index;

		if (vh_fact_of(f, VH_FACT_VCPU_NOT_HLT, v) && vh_fact_of(f, VH_FACT_VCPU_NO_IDT, v))
			return vh_fact_of(f, VH_FACT_VCPU_NO_IDT, v);
	}
	return NULL;
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *shutdown = vh_fact(f, VH_FACT_RUNSTATE_SHUTDOWN);
	const struct vh_fact *no_idt = running_without_idt(f);

	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	if (!shutdown)
		return;
	vh_for(j, VH_STRONG, shutdown);
	vh_for(j, VH_PROOF, no_idt);
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_SHUTDOWNS));
	if (!no_idt)
		vh_at_most(j, VH_POSSIBLE, "the guest may as well have shut down in order");
	/* A guest that ends itself through ACPI or the keyboard controller waits in HLT for it. */
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_HLT, 0));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_OPTION_NO_REBOOT));
	vh_next(j, "vmhang diagnose {name} --verbose",
		"look at RIP and the code there: the fault happened at that instruction");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {"guest-shut-down", NULL};

const struct vh_rule vh_rule_guest_triple_fault = {
	.id = "guest-triple-fault",
	.title = "the guest died of a triple fault, and the VMM was told to keep it",
	/* The guest's fault, but it is the VMM that holds it now. */
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning = "An exception could not be delivered, nor the double fault that followed: "
		   "the CPU resets. With -no-reboot -no-shutdown the VMM keeps the VM in that "
		   "moment instead of rebooting it.",
	.shown_by =
		"query-status says \"shutdown\", and the vCPU has no usable interrupt table (IDT "
		"limit 0), so that any exception ends there.",
	.what_to_do =
		"Registers and code bytes show the instruction that faulted. Often a boot loader "
		"or kernel that this machine type or CPU model does not suit.",
	.includes = includes,
	.judge = judge,
};
