/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

/* Is any other vCPU alive? Then this one may run a program that has its CPU for itself. */
static const struct vh_fact *another_lives(const struct vh_facts *f, int vcpu)
{
	static const enum vh_fact_id lives[] = {VH_FACT_VCPU_HALTS, VH_FACT_VCPU_TAKES_IRQS,
		VH_FACT_VCPU_WAKES, VH_FACT_VCPU_RUNS_WIDELY};

	for (size_t i = 0; i < f->n; i++)
		for (size_t n = 0; n < VH_ARRAY_SIZE(lives); n++)
			if (f->list[i]->id == lives[n] && f->list[i]->vcpu != vcpu)
				return f->list[i];
	/* A text seldom tells what the others do now: that an operating system runs on them, at
	 * the least. */
	for (size_t i = 0; f->model->pasted && i < f->n; i++)
		if (f->list[i]->id == VH_FACT_AP_STARTED && f->list[i]->vcpu != vcpu)
			return f->list[i];
	return NULL;
}

/* A kernel lives in the upper half of the address space; below it are programs, and firmware. */
static bool runs_in_kernel(const struct vh_fact *loop)
{
	return loop && loop->value >= 0x1p63;
}

static void weigh_vcpu(
	const struct vh_facts *f, struct vh_judgement *j, int v, const struct vh_fact *alone)
{
	const struct vh_fact *small = vh_fact_of(f, VH_FACT_VCPU_SMALL_LOOP, v);
	const struct vh_fact *tiny = vh_fact_of(f, VH_FACT_VCPU_TINY_LOOP, v);
	const struct vh_fact *pauses = vh_fact_of(f, VH_FACT_VCPU_PAUSES, v);
	const struct vh_fact *lives = another_lives(f, v);

	vh_for(j, VH_STRONG, alone);
	vh_for(j, VH_STRONG, small);
	vh_for(j, VH_STRONG, tiny);
	vh_for(j, VH_STRONG, pauses);
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_TAKES_NO_IRQS, v));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_IRQS_WAIT, v));
	vh_for(j, VH_WEAK, vh_runs_all_it_can(f, v));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_TAKES_IRQS, v));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_USER_MODE, v));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_MOVES, v));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RUNS_WIDELY, v));
	if (lives && !runs_in_kernel(small))
		vh_at_most(j, VH_POSSIBLE,
			"other vCPUs are alive: it may run a program that polls and has its CPU "
			"for "
			"itself (DPDK)");
	/* One small loop may be a memory test, the clearing of memory, a checksum. */
	if (!tiny && !pauses)
		vh_at_most(j, VH_POSSIBLE,
			"nothing shows that it waits: it may be at work in a tight loop");
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *first = NULL;

	if (!vh_guest_is_visible(f))
		return;
	for (size_t i = 0; i < f->n; i++) {
		const struct vh_fact *alone = f->list[i];

		if (alone->id != VH_FACT_VCPU_NO_EXITS || !vh_runs_all_it_can(f, alone->vcpu))
			continue;
		weigh_vcpu(f, j, alone->vcpu, alone);
		first = first ? first : alone;
	}
	if (!first)
		return;
	if (vh_fact(f, VH_FACT_EXITS_LOST))
		vh_at_most(j, VH_POSSIBLE, "events were lost: it may do more than was seen");
	vh_title(j, "vCPU %d spins: it runs in a loop and does nothing that would be seen outside",
		first->vcpu);
	vh_next(j, "vmhang diagnose {name} --window 5s --verbose",
		"look longer; registers and code, where they can be read, tell what it waits for");
	vh_next_keep_and_reset(j, f);
}

const struct vh_rule vh_rule_guest_spins = {
	.id = "guest-spins",
	.title = "the guest spins",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning =
		"A vCPU runs all the time and does nothing that KVM or the VMM would see: no I/O, "
		"no timer, no interrupt, no other CPU is called. That is seen without its "
		"registers; where they can be read, a more exact cause takes the place of this "
		"one.",
	.shown_by =
		"Only the host's own interrupts, and PAUSE, take it out of the guest; its RIPs "
		"then are in one place. On a KVM that emulates instructions: no I/O at all, and "
		"all instructions that were seen are the two of one loop.",
	.what_to_do =
		"Read its last words on the console. Look at its registers and code (a monitor "
		"that is free, debugging that the guest's policy permits). Then reset.",
	.judge = judge,
};
