/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *moves = vh_fact(f, VH_FACT_DUMP_MOVES);

	if (!moves)
		return;
	vh_for(j, VH_PROOF, moves);
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	vh_title(j, "the VM is held while %s", moves->text);
	vh_next_monitor(j, f, "domjobinfo", "query-dump",
		"see how far it is: the VM goes on when all is written");
}

static const char *const includes[] = {"vm-paused", "vm-state-saving", NULL};

const struct vh_rule vh_rule_vm_being_dumped = {
	.id = "vm-being-dumped",
	.title = "the VM is held while its memory is written to a file",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_NO,
	.includes = includes,
	.meaning = "Somebody takes a dump of the VM's memory (dump-guest-memory, virsh dump "
		   "--memory-only). The VM stands still for that, and goes on by itself.",
	.shown_by = "query-dump says \"active\", and the bytes written grow.",
	.what_to_do = "Wait. The dump takes as long as the memory needs to be written.",
	.judge = judge,
};
