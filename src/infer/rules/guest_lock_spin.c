/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

static void weigh(const struct vh_facts *f, struct vh_judgement *j, const struct vh_fact *spin)
{
	const struct vh_fact *fixed = vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, spin->vcpu);
	const struct vh_fact *lag = vh_fact_of(f, VH_FACT_INSIDE_CLOCK_LAG, spin->vcpu);

	/* Locks that many want are waited for in health, too, but not for seconds without a tick:
	 * whoever waits with interrupts on would serve it. */
	vh_for(j, lag && fixed ? VH_PROOF : VH_STRONG, spin);
	vh_for(j, VH_STRONG, lag);
	vh_for(j, VH_STRONG, fixed);
	vh_for(j, VH_WEAK, vh_runs_all_it_can(f, spin->vcpu));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_USER_MODE, spin->vcpu));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_MOVES, spin->vcpu));
	if (!fixed)
		vh_at_most(j, VH_POSSIBLE,
			"it was not seen to stay there: many CPUs that want one lock look alike");
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *first = vh_fact(f, VH_FACT_INSIDE_LOCK_SPIN);

	if (!vh_guest_is_visible(f) || !first)
		return;
	for (size_t i = 0; i < f->n; i++)
		if (f->list[i]->id == VH_FACT_INSIDE_LOCK_SPIN)
			weigh(f, j, f->list[i]);
	/* Who holds it may be there. */
	vh_for_all(j, f, VH_STRONG, VH_FACT_INSIDE_SPIN);
	/* The holder is not let run, or stolen from: then it is released in time. */
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_STARVED));
	vh_doubt_spin_while_booting(j, f, false);
	vh_title(j, "%s", first->text);
	vh_next(j, "vmhang inside {name}",
		"see the backtraces of all vCPUs: one of them holds that lock, or a task that "
		"sleeps with it");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {
	"guest-spins-irqs-off", "guest-spins-irqs-on", "guest-spins", NULL};

const struct vh_rule vh_rule_guest_lock_spin = {
	.id = "guest-lock-spin",
	.title = "a vCPU spins for a lock of its kernel",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning = "A CPU of the guest waits in its kernel for a spin lock, and does not get it. "
		   "Spin locks are held for microseconds: whoever holds this one does not come "
		   "out, sleeps, is gone, or is the waiting CPU itself.",
	.shown_by =
		"The vCPU's backtrace, read from the guest's memory, is in the slow path of a "
		"lock (native_queued_spin_lock_slowpath) at all looks, and its registers stay "
		"there. Certain where it has had no tick of its timer for seconds as well. Once "
		"the guest's kernel reports a lockup, that cause goes first.",
	.what_to_do =
		"\"vmhang inside\" shows the backtraces: the function that calls the lock on this "
		"vCPU, and what the others do. The code that took it and does not give it back is "
		"the bug. Keep the case (--save), then reset.",
	.includes = includes,
	.judge = judge,
};
