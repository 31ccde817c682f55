/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *option = vh_fact(f, VH_FACT_OPTION_PRECONFIG);
	const struct vh_fact *prelaunch = vh_fact(f, VH_FACT_RUNSTATE_PRELAUNCH);
	const struct vh_fact *none = vh_fact(f, VH_FACT_NO_VCPUS_YET);

	if (!option || !none || vh_fact(f, VH_FACT_RUNSTATE_RUNNING))
		return;
	vh_for(j, prelaunch ? VH_PROOF : VH_STRONG, none);
	vh_for(j, VH_STRONG, option);
	vh_for(j, VH_WEAK, prelaunch);
	vh_next_monitor(j, f, "qemu-monitor-command --pretty", "x-exit-preconfig",
		"let it build the machine and start it, if nothing is left to configure");
}

static const char *const includes[] = {"never-started", "vm-paused", NULL};

const struct vh_rule vh_rule_vm_preconfig = {
	.id = "vm-preconfig",
	.title = "the VMM waits to be configured (--preconfig)",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.meaning =
		"QEMU was started with --preconfig: it opened its monitor early, so that software "
		"can still describe the machine (NUMA, above all), and waits for x-exit-preconfig. "
		"Until then there is neither a machine nor a vCPU.",
	.shown_by =
		"--preconfig is on the command line, no thread is a vCPU's, and query-status says "
		"\"prelaunch\".",
	.what_to_do =
		"Find out why whoever started it did not go on: it may have died, or wait for an "
		"answer itself. Then x-exit-preconfig, or end the process and start it anew.",
	.includes = includes,
	.judge = judge,
};
