/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

/* CPUs that wait for the stuck one are reported as well: of several reports the one that is of a
 * CPU whose backtrace shows a spin, else the first. */
static const struct vh_fact *report_of_culprit(const struct vh_facts *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct vh_fact *text = f->list[i];

		if (text->id == VH_FACT_TEXT_SOFT_LOCKUP && text->vcpu >= 0 &&
			vh_backtrace_of_spin(f, text->vcpu))
			return text;
	}
	return vh_fact(f, VH_FACT_TEXT_SOFT_LOCKUP);
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *text = report_of_culprit(f);
	const struct vh_fact *lasts = text && text->vcpu >= 0
					      ? vh_fact_of(f, VH_FACT_LOCKUP_LASTS, text->vcpu)
					      : vh_fact(f, VH_FACT_LOCKUP_LASTS);

	if (!vh_guest_is_visible(f) || !text)
		return;
	bool stays = vh_weigh_lockup(f, j, text);
	const struct vh_fact *spin = vh_backtrace_of_spin(f, text->vcpu);

	vh_for(j, stays && lasts ? VH_PROOF : VH_STRONG, text);
	vh_for(j, VH_STRONG, lasts);
	/* Its kernel says so, and its backtrace and its registers do. */
	vh_for(j, VH_PROOF, spin);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_TEXT_RCU_STALL));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_STARVED));
	vh_title(j, "a CPU of the guest is stuck in its kernel (soft lockup): %s",
		spin ? spin->text : text->text);
	vh_next_of_lockup(j, f);
}

static const char *const includes[] = {
	"guest-lock-spin", "guest-spins-irqs-on", "guest-spins", "guest-rcu-stall", NULL};

const struct vh_rule vh_rule_guest_soft_lockup = {
	.id = "guest-soft-lockup",
	.title = "a CPU of the guest is stuck in its kernel (soft lockup)",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,

	.meaning = "A CPU of the guest has run one and the same task in its kernel for more than "
		   "20 seconds, without ever letting the scheduler in. It serves interrupts, but "
		   "nothing else runs there, and other CPUs wait for it sooner or later: for a "
		   "lock that it holds, or for an answer to an interrupt that they sent. A "
		   "driver's endless loop, a lock that is never released, or a huge amount of work "
		   "done in one go.",
	.shown_by =
		"\"watchdog: BUG: soft lockup - CPU#N stuck for Ns!\" on the console, not long "
		"ago, and vCPU N runs all the time and was never seen in a program. Certain "
		"where the reports go on, each for longer, and the vCPU is at the same few "
		"bytes all through the window. A report of which the vCPU is at rest by now, or "
		"runs programs, is over.",
	.what_to_do =
		"RIP in the report is the function, in [brackets] its module: look for it in "
		"the distribution's bug reports. If the VM, or the host, had been paused, moved "
		"or overloaded at that time, one such report means nothing. An NMI makes the "
		"kernel print where each CPU is, then reset.",
	.includes = includes,
	.judge = judge,
};
