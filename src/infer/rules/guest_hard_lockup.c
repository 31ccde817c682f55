/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

/* A vCPU that runs all the time with interrupts off, and does not come away from where it is. */
static int stuck_vcpu(const struct vh_facts *f)
{
	for (size_t i = 0; i < f->model->n_vcpus; i++) {
		int v = f->model->vcpus[i]->index;

		if (vh_runs_all_it_can(f, v) && vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, v) &&
			(vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, v) ||
				vh_fact_of(f, VH_FACT_VCPU_SMALL_LOOP, v)) &&
			!vh_stage_is_firmware(vh_stage_seen(f, v)))
			return v;
	}
	return -1;
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *hard = vh_fact(f, VH_FACT_TEXT_HARD_LOCKUP);
	/* In a VM without a performance counter nothing tells of a CPU with interrupts off, but the
	 * others that wait for it. */
	const struct vh_fact *soft = vh_fact(f, VH_FACT_TEXT_SOFT_LOCKUP);
	const struct vh_fact *rcu = vh_fact(f, VH_FACT_TEXT_RCU_STALL);
	const struct vh_fact *text = hard ? hard : soft ? soft : rcu;
	int v = stuck_vcpu(f);

	if (!vh_guest_is_visible(f) || !text || (v < 0 && !hard))
		return;
	vh_for(j, VH_STRONG, text);
	vh_for(j, VH_WEAK, soft);
	vh_for(j, VH_WEAK, rcu);
	if (v >= 0) {
		const struct vh_fact *closed = vh_fact_of(f, VH_FACT_VCPU_CLOSED_LOOP, v);

		/* Interrupts were off at all looks, in one place, and the kernel says the same. */
		vh_for(j, VH_PROOF, vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, v));
		vh_for(j, VH_STRONG, vh_runs_all_it_can(f, v));
		vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, v));
		vh_for(j, VH_STRONG, vh_backtrace_of_spin(f, v));
		vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_INSIDE_CLOCK_LAG, v));
		vh_for(j, VH_STRONG, closed);
		vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_PAUSE_LOOP, v));
		if (vh_looks_at_registers(f, v) < 3 && !closed)
			vh_at_most(j, VH_LIKELY, "its registers were looked at only twice");
		const struct vh_fact *spin = vh_backtrace_of_spin(f, v);

		vh_title(j,
			"vCPU %d of the guest is stuck in its kernel with interrupts off (hard "
			"lockup): %s",
			v, spin ? spin->text : text->text);
	} else {
		vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_IRQS_ON));
		vh_title(j, "a CPU of the guest is stuck with interrupts off (hard lockup): %s",
			text->text);
	}
	vh_next_of_lockup(j, f);
}

static const char *const includes[] = {"guest-lock-spin", "guest-spins-irqs-off", "guest-spins",
	"guest-soft-lockup", "guest-rcu-stall", "guest-spins-irqs-on", NULL};

const struct vh_rule vh_rule_guest_hard_lockup = {
	.id = "guest-hard-lockup",
	.title = "a CPU of the guest is stuck with interrupts off (hard lockup)",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,

	.meaning = "A CPU of the guest is in its kernel with interrupts off and does not come out: "
		   "mostly it waits for a spin lock that it holds itself, or that another stuck "
		   "CPU holds. Nothing runs there any more, and the others stop one by one as they "
		   "need it.",
	.shown_by =
		"\"Watchdog detected hard LOCKUP\" on the console; or, in a VM without a virtual "
		"performance counter, where nothing detects it, soft lockups and RCU stalls of "
		"the CPUs that wait for it, and from outside: a vCPU at a full CPU, IF=0 and "
		"the same few bytes of kernel code whenever it is looked at.",
	.what_to_do =
		"The function at RIP (the code and RIP are in the report with --verbose) tells "
		"which lock. An NMI makes that CPU print its stack, for an NMI gets through: "
		"virsh inject-nmi. Then reset. Give the VM a virtual PMU (on x86: -cpu "
		"...,pmu=on) so that its kernel can see the next one itself.",
	.includes = includes,
	.judge = judge,
};
