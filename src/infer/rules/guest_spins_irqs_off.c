/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"
#include "infer/rules/kernel.h"

/* How surely is the vCPU in a loop that it will not leave? */
static void weigh_loop(const struct vh_facts *f, struct vh_judgement *j, int v)
{
	const struct vh_fact *closed = vh_fact_of(f, VH_FACT_VCPU_CLOSED_LOOP, v);
	const struct vh_fact *pause = vh_fact_of(f, VH_FACT_VCPU_PAUSE_LOOP, v);
	const struct vh_fact *fixed = vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, v);
	const struct vh_fact *small = vh_fact_of(f, VH_FACT_VCPU_SMALL_LOOP, v);
	const struct vh_fact *alone = vh_fact_of(f, VH_FACT_VCPU_NO_EXITS, v);

	/* A loop with I/O in it may execute PAUSE, and get what it waits for. */
	if (!pause && alone)
		pause = vh_fact_of(f, VH_FACT_VCPU_PAUSES, v);

	const struct vh_fact *inside = vh_backtrace_of_spin(f, v);
	const struct vh_fact *lag = vh_fact_of(f, VH_FACT_INSIDE_CLOCK_LAG, v);

	/* Its registers, its backtrace, and for seconds no tick: no code works so. */
	vh_for(j, lag && fixed ? VH_PROOF : VH_STRONG, inside);
	vh_for(j, VH_STRONG, lag);
	vh_for(j, VH_STRONG, vh_runs_all_it_can(f, v));
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, v));
	vh_for(j, VH_STRONG, fixed);
	vh_for(j, VH_PROOF, closed);
	vh_for(j, VH_STRONG, pause);
	vh_for(j, VH_STRONG, small);
	vh_for(j, VH_WEAK, alone);
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_TAKES_NO_IRQS, v));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_STAGE, v));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_MOVES, v));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RUNS_WIDELY, v));
	/* Whenever it was looked at they were off, but in between they come. */
	vh_against(j, VH_STRONG, closed ? NULL : vh_fact_of(f, VH_FACT_VCPU_TAKES_IRQS, v));
	/* Firmware polls slow devices with interrupts off, a memory test for hours. */
	if (!closed && !pause && vh_boot_cpu_in_firmware(f))
		vh_at_most(j, VH_POSSIBLE,
			"firmware and boot loaders work with interrupts off for a while, and its "
			"code shows "
			"no waiting loop");
	/* A kernel sets up a big machine's memory so, for seconds. */
	else if (!closed && !pause && !fixed && !small)
		vh_at_most(j, VH_POSSIBLE,
			"it was not seen to stay in one place: a kernel at its start works with "
			"interrupts off, too");
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	bool found = false;

	if (!vh_guest_is_visible(f))
		return;
	for (size_t i = 0; i < f->model->n_vcpus; i++) {
		int v = f->model->vcpus[i]->index;

		if (!vh_runs_all_it_can(f, v) || !vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, v))
			continue;
		const struct vh_fact *inside = vh_backtrace_of_spin(f, v);

		if (!found && inside)
			vh_title(j, "%s", inside->text);
		else if (!found)
			vh_title_of_spin(j, f, v, "off");
		found = true;
		weigh_loop(f, j, v);
	}
	if (!found) {
		vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_VCPU_IRQS_ON));
		return;
	}
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_LOCKUP));
	vh_doubt_spin_while_booting(j, f, vh_dead_loop(f) != NULL);
	vh_next(j, "vmhang diagnose {name} --verbose",
		"see the code that it is in, and which vCPU waits for which");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {"guest-spins", NULL};

const struct vh_rule vh_rule_guest_spins_irqs_off = {
	.id = "guest-spins-irqs-off",
	.title = "the guest spins with interrupts off",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning = "A vCPU runs all the time in a small loop with interrupts disabled: a "
		   "spinlock that nobody releases, a dead loop of the firmware, a driver that "
		   "waits for its device. No interrupt can take it out of there.",
	.shown_by =
		"The vCPU uses a full CPU, IF=0 each time it is looked at, and RIP stays within "
		"a few bytes. Certain where the code there is a loop without an exit; likely "
		"where it executes PAUSE, as waiting loops do.",
	.what_to_do =
		"RIP and the code tell who waits: the symbol in the guest's kernel, or the "
		"firmware's module. Look what the other vCPUs do: one of them may hold the lock. "
		"An NMI (virsh inject-nmi) makes a Linux guest print where it is.",
	.includes = includes,
	.judge = judge,
};
