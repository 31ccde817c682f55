/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *text = vh_fact(f, VH_FACT_TEXT_OOM_LOOP);

	if (!vh_guest_is_visible(f) || !text)
		return;
	vh_for(j, VH_PROOF, vh_fact(f, VH_FACT_INSIDE_WANTS_MEMORY));
	vh_for(j, VH_STRONG, text);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_VCPU_BUSY));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_VCPU_ACTIVE));
	/* With nothing to do, it has memory again. */
	if (!vh_fact(f, VH_FACT_VCPU_BUSY) && !vh_fact(f, VH_FACT_VCPU_ACTIVE))
		vh_against(j, VH_WEAK, vh_fact(f, VH_FACT_VCPU_HLT));
	vh_title(j, "the guest is out of memory: %s", text->text);
	vh_next(j, "virsh dommemstat {name}",
		"see how much memory it has, and whether a balloon took some of it away");
	vh_next(j, "vmhang diagnose {name} --verbose",
		"the tables above each kill tell who has the memory: mostly the same one comes "
		"back, "
		"started anew");
	vh_next(j, NULL,
		"stop what needs it (from a console that is open), or restart the VM with more "
		"memory");
}

static const char *const includes[] = {"guest-rcu-stall", NULL};

const struct vh_rule vh_rule_guest_out_of_memory = {
	.id = "guest-out-of-memory",
	.title = "the guest is out of memory and kills process after process",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_YES,

	.meaning = "The guest's kernel has no memory left and kills processes to get some (OOM "
		   "killer), again and again within a minute: what it kills is started anew, or "
		   "others need as much at once. Hardly anything gets done in between; services "
		   "that were hit are gone.",
	.shown_by =
		"\"Out of memory: Killed process\" several times, the last less than a minute "
		"ago, and a guest that is busy. A single kill is not this, nor are kills within "
		"the limit of a memory cgroup (a container), which are that container's own "
		"trouble.",
	.what_to_do =
		"Give the VM more memory or swap, or deflate its balloon; set a limit for what "
		"eats it (MemoryMax= of the service).",
	.includes = includes,
	.judge = judge,
};
