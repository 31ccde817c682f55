/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/starvation.h"

/* Of the CPUs' time: from here on what is left is not enough for a VM to seem alive. */
#define STOLEN_MOST 0.75

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *stolen = vh_fact(f, VH_FACT_CPU_STOLEN);
	const struct vh_fact *starved = vh_fact(f, VH_FACT_VCPU_STARVED);
	const struct vh_fact *busy = vh_fact(f, VH_FACT_VCPU_BUSY);
	const struct vh_fact *wants = starved ? starved : busy;

	/* A VM that asks for nothing lacks nothing. */
	if (!stolen || (!wants && !vh_fact(f, VH_FACT_VCPU_ACTIVE)))
		return;
	bool most = stolen->value >= STOLEN_MOST && wants;

	vh_for(j, most ? VH_PROOF : VH_STRONG, stolen);
	vh_for(j, VH_STRONG, starved);
	vh_for(j, VH_WEAK, busy);
	if (!most)
		vh_at_most(j, VH_POSSIBLE,
			"what its own host leaves to this one is little, but not nothing");
	vh_title(j,
		"this host is itself a VM, and its own host takes %.0f %% of its CPUs' time "
		"(steal)",
		100 * stolen->value);
	vh_next(j, "vmstat 1 5", "see the steal time (column st) for some seconds");
	vh_next(j, NULL,
		"ask who runs the host above: this machine's vCPUs starve there (overcommitted, a "
		"CPU "
		"quota, burst credits used up); nothing in here can mend that");
	vh_next(j, NULL,
		"meanwhile run fewer VMs in here, or move this one to a host that is no VM");
}

static const char *const includes[] = {"cpu-starved", NULL};

const struct vh_rule vh_rule_nested_host_starved = {
	.id = "nested-host-starved",
	.title = "the host is a VM itself, and gets too little CPU time from its own host",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_STARVED,
	.hung = VH_HUNG_YES,
	.meaning = "The VM runs in a VM (nested virtualization), and the machine between "
		   "is starved by the host above it. The guest sees only that everything "
		   "is slow; each of its exits costs several of the machine between, so "
		   "that little steal time hurts more than elsewhere.",
	.shown_by = "The steal column of /proc/stat grows by most of the time of the CPUs "
		    "that the vCPUs may use.",
	.what_to_do = "Mend it on the host above: less overcommitment, a larger quota, an "
		      "instance type without burst credits. Nested guests need reserved CPUs.",
	.includes = includes,
	.judge = judge,
};
