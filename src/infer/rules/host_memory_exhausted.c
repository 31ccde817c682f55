/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *low = vh_fact(f, VH_FACT_HOST_MEMORY_LOW);
	const struct vh_fact *stalls = vh_fact(f, VH_FACT_HOST_RECLAIMS);
	const struct vh_fact *faults = vh_fact(f, VH_FACT_VCPU_MAJOR_FAULTS);
	const struct vh_fact *reclaims = vh_fact(f, VH_FACT_VCPU_RECLAIMS);
	const struct vh_fact *pressure = vh_fact(f, VH_FACT_MEMORY_PRESSURE);

	if (!low || (!faults && !reclaims))
		return;
	vh_for(j, stalls && reclaims && pressure ? VH_PROOF : VH_STRONG, low);
	vh_for(j, VH_STRONG, stalls);
	vh_for_all(j, f, VH_STRONG, VH_FACT_VCPU_RECLAIMS);
	vh_for_all(j, f, VH_WEAK, VH_FACT_VCPU_MAJOR_FAULTS);
	vh_for(j, VH_WEAK, pressure);
	/* Pages may be read in quickly, beside work that goes on. */
	if (!reclaims && (!pressure || vh_fact(f, VH_FACT_VCPU_BUSY)))
		vh_at_most(j, VH_POSSIBLE, "it is not seen that much time is lost by it");
	vh_title(j, "the host has run out of memory, and the vCPUs wait for it: %s", low->text);
	vh_next(j, "free -m; ps -eo pid,rss,comm --sort=-rss | head -20",
		"see who uses the memory, and end or move what can be spared before the OOM killer "
		"chooses");
	vh_next(j,
		"cat /proc/pressure/memory; grep -E 'allocstall|pgscan_direct|oom_kill' "
		"/proc/vmstat",
		"see for how long, and whether something was killed already");
}

static const char *const includes[] = {"storage-in-d-state", NULL};

const struct vh_rule vh_rule_host_memory_exhausted = {
	.id = "host-memory-exhausted",
	.title = "the host has run out of memory, and the vCPUs wait for it",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "Next to nothing of the host's memory is free or can be freed easily. "
		   "Each task that needs a page, vCPUs among them, must look for one "
		   "itself, which takes long and finds little.",
	.shown_by = "MemAvailable in /proc/meminfo is a few per cent of MemTotal, "
		    "allocstall in /proc/vmstat grows, memory pressure is high, and the "
		    "vCPUs are met in reclaim.",
	.what_to_do = "Free memory: end or move something. Then see that the VMs of this host "
		      "fit into it, with a reserve.",
	.includes = includes,
	.judge = judge,
};
