/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void weigh_loop(const struct vh_facts *f, struct vh_judgement *j, int v)
{
	const struct vh_fact *closed = vh_fact_of(f, VH_FACT_VCPU_CLOSED_LOOP, v);
	const struct vh_fact *pause = vh_fact_of(f, VH_FACT_VCPU_PAUSE_LOOP, v);
	const struct vh_fact *lockup = vh_fact(f, VH_FACT_TEXT_LOCKUP);

	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, v));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_BUSY, v));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_IRQS_ON, v));
	vh_for(j, VH_STRONG, closed);
	vh_for(j, VH_STRONG, pause);
	vh_for(j, VH_STRONG, lockup);
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_SMALL_LOOP, v));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_NO_EXITS, v));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_STAGE, v));
	/* A tight loop may be work: a copy, a checksum, a memory test. */
	if (!closed && !pause && !lockup)
		vh_at_most(j, VH_POSSIBLE,
			"its code shows no waiting loop: it may be at work in a tight one");
	/* Linux with idle=poll waits for work in just such a loop (kernel/sched/idle.c). */
	else if (!closed && !lockup)
		vh_at_most(j, VH_POSSIBLE,
			"a healthy kernel that polls while it is idle (idle=poll) runs the same "
			"loop");
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	bool found = false;

	if (!vh_guest_is_visible(f))
		return;
	for (size_t i = 0; i < f->model->n_vcpus; i++) {
		int v = f->model->vcpus[i]->index;

		if (!vh_fact_of(f, VH_FACT_VCPU_BUSY, v) || !vh_fact_of(f, VH_FACT_VCPU_IRQS_ON, v))
			continue;
		if (!vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, v)) {
			vh_against(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_RIP_MOVES, v));
			continue;
		}
		/* The trace has seen more of it than a few looks at the registers. */
		if (vh_fact_of(f, VH_FACT_VCPU_RUNS_WIDELY, v)) {
			vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RUNS_WIDELY, v));
			continue;
		}
		/* One instruction fills megabytes. */
		if (vh_fact_of(f, VH_FACT_INSIDE_COPIES, v)) {
			vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_INSIDE_COPIES, v));
			continue;
		}
		/* A user program may compute in a tight loop for as long as it likes. */
		if (vh_fact_of(f, VH_FACT_VCPU_USER_MODE, v)) {
			vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_USER_MODE, v));
			continue;
		}
		if (!found)
			vh_title_of_spin(j, f, v, "on");
		found = true;
		weigh_loop(f, j, v);
	}
	if (!found) {
		vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_VCPU_IRQS_OFF));
		return;
	}
	vh_doubt_spin_while_booting(j, f, vh_fact(f, VH_FACT_VCPU_CLOSED_LOOP) != NULL);
	vh_next(j, "vmhang diagnose {name} --window 5s --verbose",
		"look again: it must still be there, or it was work");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {"guest-spins", NULL};

const struct vh_rule vh_rule_guest_spins_irqs_on = {
	.id = "guest-spins-irqs-on",
	.title = "the guest spins with interrupts on",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning = "A vCPU runs all the time in a small loop of kernel or firmware code, with "
		   "interrupts enabled: it serves interrupts, but what it waits for never "
		   "comes. A soft lockup looks like that, and so does the last loop of a "
		   "panic.",
	.shown_by =
		"The vCPU uses a full CPU in kernel mode, IF=1, and RIP stays within a few bytes "
		"of a loop that has no exit, or a message of the guest's kernel says so. A tight "
		"loop of work, and an idle kernel that polls (idle=poll), look nearly the same: "
		"there vmhang says only \"possible\".",
	.what_to_do =
		"Look at the guest's console for a lockup or panic message; look what its other "
		"vCPUs do. An NMI makes a Linux guest print where it is.",
	.includes = includes,
	.judge = judge,
};
