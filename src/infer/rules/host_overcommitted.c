/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/starvation.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *others = vh_fact(f, VH_FACT_OTHERS_CROWD);
	const struct vh_fact *vms = vh_fact(f, VH_FACT_OTHER_VMS_CROWD);
	const struct vh_fact *own = vh_may_use_all_cpus(f) ? vh_fact(f, VH_FACT_VCPUS_CROWD) : NULL;

	if (!others && !own)
		return;
	const struct vh_fact *starved = vh_weigh_starvation(f, j);

	if (!starved)
		return;
	vh_for(j, VH_STRONG, others);
	vh_for(j, VH_STRONG, own);
	vh_for(j, VH_WEAK, vms);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_CPU_PRESSURE));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_REALTIME_TAKES));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_LOW_PRIORITY));
	/* Then other CPUs may have time. */
	vh_against(j, vms ? VH_STRONG : VH_WEAK, vh_fact(f, VH_FACT_ONE_CPU));
	if (!others)
		vh_title(j, "it has more vCPUs than this host has CPUs: %s", own->text);
	else
		vh_title(j, "the host is overcommitted: beside vCPU %d %s%s%s", starved->vcpu,
			others->text, vms ? "; " : "", vms ? vms->text : "");
	vh_next(j, "ps -eLo pid,tid,cls,rtprio,ni,psr,pcpu,comm --sort=-pcpu | head -30",
		"see which threads want the CPUs: end, move or slow down what can wait");
	if (vms)
		vh_next(j, "vmhang list", "see the VMs of this host, by name, and what each uses");
	vh_next(j, "cat /proc/pressure/cpu; uptime",
		"see how long it has been so: avg300 is the mean over five minutes, in per cent");
	vh_next(j, NULL,
		"migrate some of the VMs to another host, or give this one a larger weight "
		"(virsh schedinfo {name} cpu_shares=4096; cpu.weight of its cgroup)");
}

static const char *const includes[] = {"cpu-starved", NULL};

const struct vh_rule vh_rule_host_overcommitted = {
	.id = "host-overcommitted",
	.title = "the host is overcommitted: more threads want to run than it has CPUs",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_STARVED,
	.hung = VH_HUNG_YES,
	.meaning = "Too many threads want the CPUs of this host, none of them with a "
		   "priority that would explain it alone. Each gets its fair share, and "
		   "that is too little. A guest with several vCPUs suffers most: it needs "
		   "them at the same time, and a vCPU that holds a lock while it waits "
		   "keeps the others busy for nothing.",
	.shown_by = "The vCPUs are ready to run and wait for most of the window, two or "
		    "more threads of others a CPU ran on the same CPUs, and "
		    "/proc/pressure/cpu shows that tasks wait.",
	.what_to_do = "Take load off the host: migrate VMs, end or move what else runs, "
		      "spread starts and backups. Fewer vCPUs for the VMs help too: count the "
		      "vCPUs of all VMs against the CPUs.",
	.includes = includes,
	.judge = judge,
};
