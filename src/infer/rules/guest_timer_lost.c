/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

/* A vCPU that waits in a loop for what only an interrupt could change. */
static bool waits_in_loop(const struct vh_facts *f, int v)
{
	return vh_runs_all_it_can(f, v) && vh_fact_of(f, VH_FACT_VCPU_IRQS_ON, v) &&
	       vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, v) &&
	       (vh_fact_of(f, VH_FACT_VCPU_PAUSE_LOOP, v) || vh_fact_of(f, VH_FACT_VCPU_PAUSES, v));
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *off = vh_fact(f, VH_FACT_NO_TIMER_ARMED);
	int found = -1;

	if (!vh_guest_is_visible(f) || !off)
		return;
	for (size_t i = 0; i < f->model->n_vcpus && found < 0; i++)
		if (waits_in_loop(f, f->model->vcpus[i]->index))
			found = f->model->vcpus[i]->index;
	if (found < 0)
		return;
	vh_for(j, VH_STRONG, off);
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_PAUSE_LOOP, found));
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, found));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_IRQS_ON, found));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_PAUSES, found));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_TAKES_NO_IRQS, found));
	vh_against(j, VH_PROOF, vh_fact_of(f, VH_FACT_VCPU_TAKES_IRQS, found));
	vh_against(j, VH_PROOF, vh_fact_of(f, VH_FACT_VCPU_RUNS_WIDELY, found));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_USER_MODE, found));
	vh_doubt_spin_while_booting(j, f, true);
	vh_title(j, "vCPU %d waits in a loop with interrupts on, and no timer can interrupt it",
		found);
	vh_next(j, "vmhang diagnose {name} --verbose",
		"see the controllers (info lapic: LVTT, Timer; info pic: imr, masked pins) and the "
		"code of the loop");
	vh_next(j, NULL,
		"compare with another timer: -no-hpet, -cpu ...,-tsc-deadline, or in Linux noapic, "
		"clocksource=, lapic");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {"guest-spins", "guest-spins-irqs-on", NULL};

const struct vh_rule vh_rule_guest_timer_lost = {
	.id = "guest-timer-lost",
	.title = "the guest waits in a loop for a timer that cannot come",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning =
		"A vCPU waits in a loop with interrupts on, as kernels do that count ticks "
		"(\"Calibrating delay loop...\"), and no tick can come: the local APIC's timer is "
		"masked or has no count, and every line of the PIC and the I/O APIC is masked. The "
		"guest set its timer up wrongly, lost it, or its state was not carried over whole.",
	.shown_by =
		"IF=1, RIP in one place, a loop with PAUSE; LVT timer masked or its initial count "
		"0 (not in TSC-deadline mode), IMR of the PIC all ones, all pins masked.",
	.what_to_do =
		"Where it began with a migration or a snapshot, suspect the timers' state. At "
		"boot, "
		"try another timer or clock source. A guest that sleeps (HLT) with its timers off "
		"looks just like one that has nothing to do, and is told idle: there the kernel's "
		"log must tell (clocksource, RCU stall, \"timer not connected\").",
	.includes = includes,
	.judge = judge,
};
