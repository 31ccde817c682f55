/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/moving.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *waits = vh_fact(f, VH_FACT_MIGRATION_SENDER_WAITS);

	vh_for_phase(j, vh_fact(f, VH_FACT_MIGRATION_CANCELLING));
	if (!vh_fact(f, VH_FACT_MIGRATION_CANCELLING))
		return;
	vh_for(j, VH_WEAK, waits);
	if (waits)
		vh_title(j, "the migration was cancelled and does not end: it waits for whoever "
			    "takes what it sends");
	vh_next(j, "ls -l /proc/{pid}/fd | grep -E 'pipe|socket'; ss -xtnp | grep pid={pid},",
		"see what it is connected to (of a migration to \"exec:\", the program behind the "
		"pipe)");
	vh_next(j, NULL,
		"end the other side, or the program that it writes to: the cancelling then ends at "
		"once, and another migration can begin");
}

static const char *const includes[] = {"migration-stalled", NULL};

const struct vh_rule vh_rule_migration_cancelling_stuck = {
	.id = "migration-cancelling-stuck",
	.title = "the migration was cancelled and does not end",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_UNKNOWN,
	.includes = includes,
	.meaning =
		"The migration was cancelled, but its thread still waits for the other side to "
		"take what it wrote. The VM itself runs on; it cannot be migrated or saved before "
		"this has ended.",
	.shown_by = "query-migrate says \"cancelling\" at both looks. That takes milliseconds "
		    "where all is well.",
	.what_to_do =
		"Closing a socket wakes the thread; a pipe (\"exec:\", \"fd:\") only ends with its "
		"reader. End that. A kernel that is stuck in storage or network shows in the stack "
		"of the migration's thread.",
	.judge = judge,
};
