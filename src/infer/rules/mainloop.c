/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/mainloop.h"

bool vh_main_loop_may_hang(const struct vh_facts *facts)
{
	static const enum vh_fact_id outside[] = {VH_FACT_PROCESS_GONE, VH_FACT_CANNOT_END,
		VH_FACT_DUMPS_CORE, VH_FACT_PROCESS_STOPPED, VH_FACT_MAIN_TRACED,
		VH_FACT_CGROUP_FROZEN, VH_FACT_MONITOR_ANSWERS};

	for (size_t i = 0; i < VH_ARRAY_SIZE(outside); i++)
		if (vh_fact(facts, outside[i]))
			return false;
	return true;
}

void vh_for_main_loop(
	struct vh_judgement *j, const struct vh_facts *facts, const struct vh_fact *why)
{
	const struct vh_fact *silent = vh_fact(facts, VH_FACT_MONITOR_SILENT);

	if (!why)
		return;
	vh_for(j, silent ? VH_PROOF : VH_STRONG, why);
	vh_for(j, VH_STRONG, silent);
	if (!silent)
		vh_at_most(j, VH_LIKELY, "the monitor was not asked, so it may still answer");
}

void vh_next_backtraces(struct vh_judgement *j)
{
	vh_next(j, "gdb -p {pid} -batch -ex 'thread apply all bt' 2>/dev/null",
		"if that is not clear: user-level backtraces (this stops the VM for a moment)");
}
