/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *faults = vh_fact(f, VH_FACT_NUMA_FAULTS);
	const struct vh_fact *moves = vh_fact(f, VH_FACT_NUMA_MIGRATES);
	const struct vh_fact *loop = vh_fact(f, VH_FACT_VCPU_FAULT_LOOP);
	const struct vh_fact *stuck = vh_fact(f, VH_FACT_VCPU_STUCK_IN_KVM);

	/* The host as a whole: only what is seen of a vCPU tells that this VM suffers. */
	if (!faults && !moves)
		return;
	vh_for(j, VH_STRONG, faults);
	vh_for(j, VH_STRONG, moves);
	vh_for(j, VH_STRONG, loop);
	vh_for(j, VH_STRONG, stuck);
	if (!loop && !stuck)
		vh_at_most(j, VH_POSSIBLE,
			"it is not seen that a vCPU of this VM is kept from running by it");
	else
		vh_at_most(j, VH_LIKELY, "the counts are of the whole host, not of this VM");
	vh_title(j, "NUMA balancing of the host keeps taking the guest's pages away: %s",
		faults ? faults->text : moves->text);
	vh_next(j, "grep numa_ /proc/vmstat; sleep 1; grep numa_ /proc/vmstat",
		"see how fast pages are taken away and moved");
	vh_next(j, "sysctl -w kernel.numa_balancing=0",
		"switch it off, and see whether the VM goes on at once");
	vh_next(j, "numastat -p {pid}",
		"see over which nodes the memory is spread; keep vCPUs and memory on one: "
		"<numatune>, numactl --membind");
}

static const char *const includes[] = {"guest-fault-loop", "vcpu-never-enters", NULL};

const struct vh_rule vh_rule_numa_balancing_thrash = {
	.id = "numa-balancing-thrash",
	.title = "NUMA balancing of the host keeps taking the guest's pages away",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "To see which node uses a page the host's kernel takes it out of the "
		   "guest's page tables and waits for the next access. Where it does so "
		   "too often, or at the very pages that the guest needs in order to go "
		   "on, vCPUs do little but fault; some kernels were caught in a livelock "
		   "that way.",
	.shown_by = "numa_hint_faults or numa_pages_migrated in /proc/vmstat grow by "
		    "thousands a second, and a vCPU faults at one place or does not enter "
		    "the guest.",
	.what_to_do = "Switch automatic NUMA balancing off on hosts of pinned VMs, bind the "
		      "memory of VMs to a node, and update the host's kernel: a livelock of "
		      "that kind was mended in 6.3 and later stable kernels.",
	.includes = includes,
	.judge = judge,
};
