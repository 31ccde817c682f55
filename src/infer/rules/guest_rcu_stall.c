/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *text = vh_fact(f, VH_FACT_TEXT_RCU_STALL);

	if (!vh_guest_is_visible(f) || !text)
		return;
	const struct vh_fact *spin = vh_backtrace_of_spin(f, text->vcpu);

	vh_for(j, VH_STRONG, text);
	vh_weigh_lockup(f, j, text);
	/* Its kernel says so, and its backtrace and its registers do. */
	vh_for(j, VH_PROOF, spin);
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_INSIDE_ON_RCU));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_STARVED));
	vh_title(j, "a CPU of the guest holds up its kernel (RCU stall): %s",
		spin ? spin->text : text->text);
	vh_next_of_lockup(j, f);
}

static const char *const includes[] = {"guest-spins-irqs-on", "guest-spins", NULL};

const struct vh_rule vh_rule_guest_rcu_stall = {
	.id = "guest-rcu-stall",
	.title = "a CPU of the guest holds up its kernel (RCU stall)",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,

	.meaning = "One of the guest's CPUs has not passed a point where it holds no reference to "
		   "shared data (RCU) for more than 20 seconds: it works or spins in its kernel, "
		   "or it was not let run. What others want to free or change waits for it, and "
		   "with it more and more of the guest.",
	.shown_by =
		"\"rcu: INFO: rcu_... detected stalls\" or \"self-detected stall\" on the console, "
		"not long ago, and a vCPU that runs all the time in its kernel. A soft or hard "
		"lockup that is reported as well says more, and goes first.",
	.what_to_do =
		"The line behind the message names the CPU, its stack the function. \"kthread "
		"starved\" means that it was the CPU of RCU's own thread that did not run: look "
		"whether the host let the vCPUs run (vmhang diagnose says so), for that is the "
		"most frequent reason in a VM.",
	.includes = includes,
	.judge = judge,
};
