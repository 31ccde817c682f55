/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/mainloop.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *runs = vh_fact(f, VH_FACT_MAIN_RUNS);
	const struct vh_fact *silent = vh_fact(f, VH_FACT_MONITOR_SILENT);

	if (!runs || !silent || !vh_main_loop_may_hang(f))
		return;
	vh_for(j, VH_PROOF, silent);
	vh_for(j, VH_STRONG, runs);
	vh_title(j, "the VMM's main loop does not answer, and %s", runs->text);
	vh_next(j,
		"perf record -g -p {pid} -t {pid} sleep 5; perf report --stdio --no-children | "
		"head -40",
		"see which functions it runs");
	vh_next(j, "gdb -p {pid} -batch -ex 'bt' 2>/dev/null",
		"or its backtrace, twice: a long command (dump, memory search, sum) ends, a loop "
		"does "
		"not");
	vh_next(j, "strace -c -f -p {pid} & sleep 2; kill %1",
		"if it makes system calls: which, and how often");
}

static const char *const includes[] = {"vmm-main-loop-blocked", NULL};

const struct vh_rule vh_rule_vmm_main_loop_spins = {
	.id = "vmm-main-loop-spins",
	.title = "the VMM's main loop runs all the time and does not answer",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning =
		"The main thread of the VMM computes, or handles one and the same event again and"
		" again, and does not come back to its event loop: a monitor command that takes "
		"minutes (a search in memory, a dump, a huge device tree), a device that is fed "
		"faster than it can be served, or a bug.",
	.shown_by = "The main thread used (nearly) a whole CPU all through the window, while "
		    "query-status got no answer.",
	.what_to_do = "Somebody may just have sent a long command: it ends. If it does not, keep "
		      "backtraces and report it; a guest that floods a device can be stopped from "
		      "outside (throttling, unplugging its network).",
	.includes = includes,
	.judge = judge,
};
