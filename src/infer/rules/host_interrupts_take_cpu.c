/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/starvation.h"

/* Of the CPUs' time: from here on what is left is not enough for a VM to seem alive. */
#define TAKEN_MOST 0.75

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *taken = vh_fact(f, VH_FACT_CPU_INTERRUPTS);
	const struct vh_fact *starved = vh_fact(f, VH_FACT_VCPU_STARVED);
	const struct vh_fact *busy = vh_fact(f, VH_FACT_VCPU_BUSY);
	const struct vh_fact *wants = starved ? starved : busy;

	if (!taken || !wants)
		return;
	bool most = taken->value >= TAKEN_MOST;

	vh_for(j, most ? VH_PROOF : VH_STRONG, taken);
	vh_for(j, VH_STRONG, starved);
	vh_for(j, VH_WEAK, busy);
	if (!most)
		vh_at_most(j, VH_POSSIBLE, "the vCPUs still get the rest of the CPUs' time");
	vh_title(j, "interrupts of the host take %.0f %% of CPU %s, which vCPU %d may use",
		100 * taken->value, vh_vcpu_affinity(f, wants->vcpu), wants->vcpu);
	vh_next(j,
		"cat /proc/interrupts /proc/softirqs > /tmp/a; sleep 1; "
		"cat /proc/interrupts /proc/softirqs | diff /tmp/a - | grep '^>'",
		"see which interrupt, or which softirq (NET_RX: network), comes so often");
	vh_next(j, "grep -H . /proc/irq/*/smp_affinity_list",
		"move that interrupt to a CPU without vCPUs: write the CPU's number there (and see "
		"that irqbalance does not move it back)");
	vh_next_move_vcpus(j, f);
}

static const char *const includes[] = {"cpu-starved", NULL};

const struct vh_rule vh_rule_host_interrupts_take_cpu = {
	.id = "host-interrupts-take-cpu",
	.title = "interrupts of the host take the vCPUs' CPU time",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_STARVED,
	.hung = VH_HUNG_YES,
	.meaning = "The CPUs that the vCPUs may use serve interrupts and softirqs nearly "
		   "all the time: a network card under flood, a storage adapter, a device "
		   "whose interrupt line sticks. The kernel charges that time to whoever "
		   "runs, so that the vCPU seems to run and yet gets nowhere.",
	.shown_by = "The irq and softirq columns of those CPUs in /proc/stat grow by most "
		    "of the window.",
	.what_to_do = "Find the source in /proc/interrupts and /proc/softirqs, spread it over "
		      "more CPUs (RSS queues, RPS) or move it away from the VM's CPUs, and "
		      "stop the flood. A line that nobody handles shows in the kernel log as "
		      "\"irq N: nobody cared\".",
	.includes = includes,
	.judge = judge,
};
