/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *killed = vh_fact(f, VH_FACT_VM_OOM_KILLED);
	const struct vh_fact *gone = vh_fact(f, VH_FACT_PROCESS_GONE);

	/* A line that names a process which lives is about something else. */
	if (!killed || !gone)
		return;
	vh_for(j, VH_PROOF, killed);
	vh_for(j, VH_STRONG, gone);
	vh_title(j, "the host ran out of memory and killed the VM's process");
	vh_next(j, "dmesg -T | grep -iE 'oom-kill|killed process'",
		"see by which limit (CONSTRAINT_MEMCG: its cgroup's; CONSTRAINT_NONE: the host's), "
		"and "
		"how much the process had (anon-rss, shmem-rss)");
	vh_next(j, "cat /proc/meminfo; ps -eo pid,rss,comm --sort=-rss | head -20",
		"see who uses the memory before the VM is started again");
	vh_next(j, NULL,
		"raise the limit (memory.max, virsh memtune {name}), or make room; oom_score_adj "
		"of "
		"the VM decides who is chosen next");
}

static const char *const includes[] = {"process-ended", NULL};

const struct vh_rule vh_rule_vm_oom_killed = {
	.id = "vm-oom-killed",
	.title = "the host ran out of memory and killed the VM's process",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning = "The host, or the cgroup of the VM, ran out of memory, and the kernel "
		   "chose the VMM's process to be killed. The VM is no more; what it had "
		   "not written is lost.",
	.shown_by = "The process ended, and the host's kernel log says \"Out of memory: "
		    "Killed process\" with its pid.",
	.what_to_do = "Make room before it is started again. VMs are the largest processes of "
		      "a host and therefore chosen first: a lower oom_score_adj only moves "
		      "the choice to others.",
	.includes = includes,
	.judge = judge,
};
