/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *loop = vh_fact(f, VH_FACT_VCPU_FAULT_LOOP);

	if (!vh_guest_is_visible(f) || !loop)
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_VCPU_FAULT_LOOP);
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, loop->vcpu));
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_TAKES_NO_IRQS, loop->vcpu));
	vh_for(j, VH_WEAK, vh_runs_all_it_can(f, loop->vcpu));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_HOST_LOG));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_MOVES, loop->vcpu));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RUNS_WIDELY, loop->vcpu));
	vh_title(j, "%s", loop->text);
	vh_next(j,
		"cat /proc/{pid}/numa_maps | head -40; grep -H . "
		"/sys/kernel/mm/transparent_hugepage/{enabled,defrag}; cat "
		"/proc/sys/kernel/numa_balancing",
		"see whether somebody takes the page away each time: NUMA balancing, KSM, huge "
		"page "
		"collapse, a userfaultfd handler");
	vh_next(j, "dmesg -T | grep -iE 'kvm|mce|hardware error'",
		"see what the host's kernel says");
	vh_next(j, NULL,
		"migrating the VM away, or stopping and resuming it (stop, cont), may break the "
		"loop");
}

static const char *const includes[] = {"guest-spins", "guest-spins-irqs-off", "guest-spins-irqs-on",
	"boot-cpu-spins-aps-never-started", NULL};

const struct vh_rule vh_rule_guest_fault_loop = {
	.id = "guest-fault-loop",
	.title = "a vCPU faults at one instruction and address for ever",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning = "The guest touches a page that the host's page tables do not give it. KVM mends "
		   "that and lets it go on, and it faults again at the same place: KVM's view of "
		   "the page is stale, somebody takes the page away each time, or the page is "
		   "write-protected for a reason that stays.",
	.shown_by = "Nearly all page faults of the vCPU are of one address at one RIP, thousands a "
		    "second, and no device lies there. A page that is mended is faulted on once.",
	.what_to_do = "Known bugs of KVM look like that (a page fault that is always thought "
		      "stale, 2023): "
		      "update the host's kernel. Look for memory that is taken away: NUMA "
		      "balancing, KSM, "
		      "ballooning, post-copy.",
	.includes = includes,
	.judge = judge,
};
