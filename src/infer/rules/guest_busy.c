/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/healthy.h"

static void weigh_vcpu(const struct vh_facts *f, struct vh_judgement *j, int v)
{
	const struct vh_fact *busy = vh_fact_of(f, VH_FACT_VCPU_BUSY, v);
	const struct vh_fact *active = vh_fact_of(f, VH_FACT_VCPU_ACTIVE, v);
	const struct vh_fact *moves = vh_fact_of(f, VH_FACT_VCPU_RIP_MOVES, v);
	const struct vh_fact *on = vh_fact_of(f, VH_FACT_VCPU_IRQS_ON, v);
	const struct vh_fact *user = vh_fact_of(f, VH_FACT_VCPU_USER_MODE, v);
	const struct vh_fact *wakes = vh_fact_of(f, VH_FACT_VCPU_WAKES, v);
	const struct vh_fact *widely = vh_fact_of(f, VH_FACT_VCPU_RUNS_WIDELY, v);
	const struct vh_fact *copies = vh_fact_of(f, VH_FACT_INSIDE_COPIES, v);
	const struct vh_fact *takes = vh_fact_of(f, VH_FACT_VCPU_TAKES_IRQS, v);

	if (busy) {
		vh_for(j, VH_WEAK, moves || user ? busy : NULL);
		vh_for(j, user && on && moves ? VH_PROOF : VH_STRONG, user);
		vh_for(j, on ? VH_STRONG : VH_WEAK, moves);
		vh_for(j, VH_WEAK, on);
		/* In many places, and interrupts come and are served. */
		vh_for(j, on || takes ? VH_STRONG : VH_WEAK, widely);
		vh_for(j, widely || moves || user ? VH_STRONG : VH_WEAK, takes);
		/* An idle loop of a kernel that does not halt is no place to be stuck in, and one
		 * that was met halted rests where it is. */
		vh_for(j, on ? VH_STRONG : VH_WEAK, copies);
		if (!user && !copies && !vh_fact_of(f, VH_FACT_VCPU_HLT, v) &&
			vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, v) &&
			!(on && vh_fact_of(f, VH_FACT_VCPU_WAITS_FOR_TASK, v))) {
			vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, v));
			vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, v));
			vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_PAUSE_LOOP, v));
			if (vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, v) &&
				vh_fact_of(f, VH_FACT_VCPU_PAUSE_LOOP, v))
				vh_at_most(j, VH_POSSIBLE,
					"one of its vCPUs stands in a waiting loop with interrupts "
					"off");
		}
	} else if (active && wakes) {
		/* It works for a part of the time and sleeps in between: interrupts come and are
		 * served. */
		vh_for(j, VH_STRONG, active);
		vh_for(j, VH_STRONG, wakes);
		vh_for(j, VH_WEAK, takes);
	} else if (active && moves && on) {
		/* It rests now and then, as far as the host lets it run. */
		vh_for(j, VH_WEAK, active);
		vh_for(j, VH_STRONG, moves);
		vh_for(j, VH_WEAK, on);
	}
}

/* However hard the others work, until they need the one that does nothing else. */
static void weigh_storms(const struct vh_facts *f, struct vh_judgement *j)
{
	static const enum vh_fact_id stuck[] = {VH_FACT_VCPU_PORT_STORM, VH_FACT_VCPU_MMIO_STORM,
		VH_FACT_VCPU_MSR_STORM, VH_FACT_VCPU_CPUID_STORM, VH_FACT_VCPU_HYPERCALL_STORM,
		VH_FACT_VCPU_POLLS_DEVICE, VH_FACT_VCPU_FAULT_LOOP, VH_FACT_VCPU_EXCEPTION_LOOP,
		VH_FACT_VCPU_STUCK_IN_KVM};

	for (size_t i = 0; i < f->n; i++)
		for (size_t n = 0; n < VH_ARRAY_SIZE(stuck); n++) {
			if (f->list[i]->id != stuck[n])
				continue;
			vh_against(j, VH_STRONG, f->list[i]);
			if (!vh_fact_of(f, VH_FACT_VCPU_STORM_WRITES, f->list[i]->vcpu))
				vh_at_most(j, VH_POSSIBLE,
					"one of its vCPUs does one and the same thing all the "
					"time");
			return;
		}
}

/* A vCPU that is always ready to run, but is let run less than this, is slow for the host's sake.
 */
#define SLOWED 0.7

const struct vh_fact *vh_slowed_vcpu(const struct vh_facts *f)
{
	const struct vh_fact *least = NULL;

	for (size_t i = 0; i < f->n; i++)
		if (f->list[i]->id == VH_FACT_VCPU_BUSY && f->list[i]->value < SLOWED &&
			(!least || f->list[i]->value < least->value))
			least = f->list[i];
	return least;
}

static void tell_what_to_do(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *slowed = vh_slowed_vcpu(f);

	if (slowed)
		vh_next(j, "ps -eLo pid,tid,cls,rtprio,ni,psr,pcpu,comm --sort=-pcpu | head -20",
			"if it is too slow: see which threads of the host take the rest of its "
			"time");
	vh_next(j, NULL, "if it is too slow%s: what keeps it busy is inside (top in the guest)",
		slowed ? " even so" : "");
}

bool vh_weigh_work(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_fact(f, VH_FACT_VCPU_BUSY) && !vh_fact(f, VH_FACT_VCPU_ACTIVE)) {
		vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_VCPU_ASLEEP));
		return false;
	}
	for (size_t i = 0; i < f->model->n_vcpus; i++)
		weigh_vcpu(f, j, f->model->vcpus[i]->index);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_CONSOLE_GREW));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_DRIVES_MOVE));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RESETS));
	vh_against(j, VH_PROOF, vh_many_shutdowns(f));
	weigh_storms(f, j);
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_NO_BOOT));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_PANIC));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_BOOT_WAITS_FOR_PERSON));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_BOOTS_REPEAT));
	/* However hard the others work, until they need the one that is lost. */
	vh_against(j, VH_PROOF, vh_dead_loop(f));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_LOCKUP));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_INSIDE_CLOCK_LAG));
	vh_doubt_health_of_kernel(j, f);
	vh_against(j, VH_WEAK, vh_fact(f, VH_FACT_TEXT_TROUBLE));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_STARVED));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_VCPU_WAITS_ON_SERIAL));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_MONITOR_SILENT));
	vh_doubt_health_without_storage(j, f);
	return true;
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_guest_is_visible(f) || !vh_weigh_work(f, j))
		return;
	const struct vh_fact *busy = vh_fact(f, VH_FACT_VCPU_BUSY);
	const struct vh_fact *slowed = vh_slowed_vcpu(f);

	if (slowed)
		vh_title(j,
			"the guest works, but vCPU %d gets only %.0f %% of a CPU: other threads of "
			"the host take the rest",
			slowed->vcpu, 100 * slowed->value);
	else if (!busy)
		vh_title(j, "the guest works: %s", vh_fact(f, VH_FACT_VCPU_ACTIVE)->text);
	else if (vh_fact_count(f, VH_FACT_VCPU_BUSY) == f->model->n_vcpus)
		vh_title(j, "the guest works at full load");
	else
		vh_title(j, "the guest works: %zu of its %zu vCPUs at full load",
			vh_fact_count(f, VH_FACT_VCPU_BUSY), f->model->n_vcpus);
	tell_what_to_do(f, j);
}

const struct vh_rule vh_rule_guest_busy = {
	.id = "guest-busy",
	.title = "the guest works",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_NO,
	.meaning = "vCPUs run code, in different places, with interrupts on: the guest is at "
		   "work.",
	.shown_by = "CPU use, RIP that is somewhere else at each look, user mode (CPL=3), IF=1.",
	.what_to_do = "Nothing. If the guest is slow, look inside for what uses its CPUs.",
	.judge = judge,
};
