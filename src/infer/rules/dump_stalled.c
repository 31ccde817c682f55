/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *still = vh_fact(f, VH_FACT_DUMP_STILL);

	if (!still)
		return;
	vh_for(j, VH_PROOF, still);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_STORAGE_SILENT));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	vh_title(j, "the VM is held for %s", still->text);
	vh_next(j, "grep -H . /proc/{pid}/task/*/wchan; ls -l /proc/{pid}/fd",
		"see what the dump is written to, and mend that: whoever reads the pipe, the file "
		"system, the room on it");
	vh_next_monitor(j, f, "domjobinfo", "query-dump", "then see that it goes on");
}

static const char *const includes[] = {"vm-paused", "vm-being-dumped", "vm-state-saving", NULL};

const struct vh_rule vh_rule_dump_stalled = {
	.id = "dump-stalled",
	.title = "the VM is held for a dump of its memory that does not go on",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.includes = includes,
	.meaning = "Somebody takes a dump of the VM's memory. The VM stands still until it is "
		   "written, and what it is written to takes nothing.",
	.shown_by = "query-dump says \"active\", and the bytes written were the same for most of a "
		    "second.",
	.what_to_do =
		"Mend what it is written to. A dump cannot be cancelled; where its file is a pipe, "
		"ending its reader lets it fail, and the VM goes on.",
	.judge = judge,
};
