/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/healthy.h"

/* A vCPU that runs all the time: does it idle in that loop? */
static bool idles(const struct vh_facts *f, int v)
{
	return vh_fact_of(f, VH_FACT_VCPU_WAITS_FOR_TASK, v) &&
	       vh_fact_of(f, VH_FACT_VCPU_IRQS_ON, v);
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	size_t n = 0, others = 0;

	if (!vh_guest_is_visible(f))
		return;
	for (size_t i = 0; i < f->model->n_vcpus; i++) {
		int v = f->model->vcpus[i]->index;
		const struct vh_fact *runs = vh_fact_of(f, VH_FACT_VCPU_BUSY, v);
		const struct vh_fact *fixed = vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, v);

		if (!runs || !idles(f, v)) {
			others += runs != NULL;
			/* Who waits for a lock whose holder runs looks whether a task wants its
			 * CPU, too (kernel/locking/mutex.c): the holder is not to be stuck. */
			if (runs && !vh_fact_of(f, VH_FACT_VCPU_USER_MODE, v))
				vh_against(j, VH_STRONG, fixed);
			continue;
		}
		n++;
		vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_WAITS_FOR_TASK, v));
		vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_IRQS_ON, v));
		vh_for(j, VH_WEAK, runs);
		vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_TAKES_IRQS, v));
		vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_RIP_MOVES, v));
	}
	if (!n)
		return;
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RESETS));
	vh_against(j, VH_PROOF, vh_dead_loop(f));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_PANIC));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_LOCKUP));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_BOOT_PROMPT));
	vh_against(j, VH_WEAK, vh_fact(f, VH_FACT_TEXT_TROUBLE));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_THREAD_ON_STORAGE));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_MONITOR_SILENT));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_STARVED));
	vh_doubt_health_without_storage(j, f);
	vh_at_most(j, VH_LIKELY,
		"a task that waits for another CPU's lock may be in such a loop for a while, too");
	/* Others compute beside it: they are what the guest does. */
	if (others)
		vh_title(j,
			"%zu vCPU%s of the guest idle%s in a loop that never halts, the others "
			"work",
			n, n == 1 ? "" : "s", n == 1 ? "s" : "");
	vh_next(j, NULL,
		"look for idle=poll on the guest's kernel command line (cat /proc/cmdline), or a "
		"tuned profile that forbids deep idle states: it is meant for the lowest latency");
	vh_next(j, NULL,
		"without it the guest halts when idle, and its CPUs are free for others; "
		"cpuidle-haltpoll is the gentler way to low latency");
}

static const char *const includes[] = {"guest-busy", "guest-spins-irqs-on", "guest-spins", NULL};

const struct vh_rule vh_rule_guest_polls_when_idle = {
	.id = "guest-polls-when-idle",
	.title = "the guest is idle, but polls instead of halting",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_NO,
	.includes = includes,
	.meaning = "Linux that is told so (idle=poll) does not halt a CPU that has nothing to do, "
		   "but asks in a loop whether a task wants to run. From outside the VM is at "
		   "100 % CPU on every vCPU, its registers hardly move, and yet all is well.",
	.shown_by = "The code at RIP is a loop with PAUSE that tests the kernel's \"reschedule\" "
		    "flag (bit 3 of the task's flags), in kernel mode, with interrupts on.",
	.what_to_do = "Nothing, where that is wanted. Otherwise take idle=poll from the guest's "
		      "kernel command line. If a service in it does not answer, look inside.",
	.judge = judge,
};
