/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *swapped = vh_fact(f, VH_FACT_VM_SWAPPED);
	const struct vh_fact *swaps = vh_fact(f, VH_FACT_HOST_SWAPS_IN);
	const struct vh_fact *faults = vh_fact(f, VH_FACT_VCPU_MAJOR_FAULTS);
	const struct vh_fact *reclaims = vh_fact(f, VH_FACT_VCPU_RECLAIMS);
	const struct vh_fact *pressure = vh_fact(f, VH_FACT_MEMORY_PRESSURE);

	/* What was swapped out long ago, and is not missed, does no harm. */
	if (!swapped || (!faults && !reclaims))
		return;
	/* Pressure may be that of others on the host. */
	vh_for(j, swaps && reclaims ? VH_PROOF : VH_STRONG, swapped);
	vh_for(j, VH_STRONG, swaps);
	vh_for_all(j, f, VH_STRONG, VH_FACT_VCPU_MAJOR_FAULTS);
	vh_for_all(j, f, VH_STRONG, VH_FACT_VCPU_RECLAIMS);
	vh_for(j, VH_WEAK, pressure);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_HOST_MEMORY_LOW));
	/* Pages may be read in quickly, beside work that goes on. */
	if (!reclaims && (!pressure || vh_fact(f, VH_FACT_VCPU_BUSY)))
		vh_at_most(j, VH_POSSIBLE, "it is not seen that much time is lost by it");
	vh_title(j, "the host swaps, and the vCPUs wait for their pages: %s", swapped->text);
	vh_next(j, "vmstat 1 5; grep -H VmSwap /proc/[0-9]*/status | sort -k2 -n -r | head",
		"see how much is swapped in (si) and out (so), and who is swapped out");
	vh_next(j, "cat /proc/swaps; sysctl vm.swappiness",
		"free memory: move or end other VMs; swap on a slow disk makes each page cost "
		"milliseconds. For VMs that must not be swapped: <memoryBacking><locked/>, or huge "
		"pages");
}

static const char *const includes[] = {"storage-in-d-state", NULL};

const struct vh_rule vh_rule_host_swapping = {
	.id = "host-swapping",
	.title = "the host swaps, and the vCPUs wait for their pages",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "The host has too little memory for its VMs and keeps a part of this "
		   "one's on disk. Whenever the guest touches such a page its vCPU stops "
		   "until the page is read in.",
	.shown_by = "VmSwap of the VMM in /proc/PID/status is a good part of the guest's "
		    "memory, the vCPUs' threads have major faults all the time, and pswpin "
		    "in /proc/vmstat grows.",
	.what_to_do = "Free memory on the host, and reduce overcommitment. The guest recovers "
		      "by itself as its pages come back; swapoff -a forces that where memory "
		      "suffices.",
	.includes = includes,
	.judge = judge,
};
