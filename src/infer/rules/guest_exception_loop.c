/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *loop = vh_fact(f, VH_FACT_VCPU_EXCEPTION_LOOP);

	if (!vh_guest_is_visible(f) || !loop)
		return;
	int v = loop->vcpu;
	const struct vh_fact *irqs = vh_fact_of(f, VH_FACT_VCPU_TAKES_IRQS, v);
	const struct vh_fact *tiny = vh_fact_of(f, VH_FACT_VCPU_TINY_LOOP, v);

	/* One instruction that faults, and one that returns to it: nothing else is ever run. */
	vh_for(j, tiny && !irqs ? VH_PROOF : VH_STRONG, loop);
	vh_for(j, VH_STRONG, tiny);
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_SMALL_LOOP, v));
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, v));
	vh_for(j, VH_WEAK, vh_runs_all_it_can(f, v));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, v));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_TAKES_NO_IRQS, v));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_STAGE, v));
	vh_against(j, VH_WEAK, irqs);
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_USER_MODE, v));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RUNS_WIDELY, v));
	vh_title(j, "the guest never gets past an exception: %s", loop->text);
	vh_next(j, "vmhang diagnose {name} --verbose",
		"see the instruction at RIP: it faults, and the handler returns to it");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {"guest-spins", "guest-spins-irqs-off", "guest-spins-irqs-on",
	"boot-cpu-spins-aps-never-started", NULL};

const struct vh_rule vh_rule_guest_exception_loop = {
	.id = "guest-exception-loop",
	.title = "the guest never gets past an exception",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning = "An instruction raises an exception, its handler does not mend what was wrong "
		   "and returns to it, for ever.",
	.shown_by = "KVM injects one and the same exception thousands of times a second, while the "
		    "vCPU is in one or two small pieces of code. Exceptions that the CPU delivers "
		    "without KVM are not seen.",
	.what_to_do =
		"Look at the instruction and at what it touches. Often an instruction that the "
		"virtual CPU model lacks (#UD), or an MSR that KVM refuses (#GP).",
	.includes = includes,
	.judge = judge,
};
