/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

/* A task that waits for RCU waits for a CPU: where one is known to be stuck, it is its victim. */
static bool is_victim(const struct vh_facts *f, const struct vh_fact *waits)
{
	bool for_rcu = waits && waits->id == VH_FACT_INSIDE_ON_RCU;

	if (vh_fact(f, VH_FACT_TEXT_RCU_STALL))
		return for_rcu || !waits;
	return for_rcu && vh_backtrace_of_spin(f, -1);
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *told = vh_fact(f, VH_FACT_TEXT_HUNG_TASK);
	const struct vh_fact *inside = vh_longest_wait(f);
	const struct vh_fact *text = inside ? inside : told;

	if (!vh_guest_is_visible(f) || !text)
		return;
	/* Its task list has it waiting, and nothing has woken it since. */
	vh_for(j, VH_PROOF, inside);
	vh_for(j, VH_STRONG, told);
	vh_weigh_waiting(f, j);
	if (is_victim(f, inside))
		vh_at_most(j, VH_POSSIBLE,
			"a CPU of the guest holds up its kernel: tasks wait for that one");
	vh_title(j, "a task in the guest hangs: %s", text->text);
	vh_next_of_hung_task(j, f);
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {"guest-oops", NULL};

const struct vh_rule vh_rule_guest_hung_task = {
	.id = "guest-hung-task",
	.title = "a task in the guest hangs in its kernel",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,

	.meaning = "A task of the guest waits in its kernel, not to be interrupted or killed, for "
		   "longer than it should (120 s). Whatever needs it waits as well; the rest of "
		   "the guest goes on, and from outside it looks idle.",
	.shown_by = "\"INFO: task ... blocked for more than ... seconds\" on the console, reported "
		    "again every so often while it lasts; the vCPUs mostly at rest. This cause "
		    "stands where the task's stack was not printed, or tells neither of storage, a "
		    "file server, a frozen file system nor a lock.",
	.what_to_do = "Let the guest print the stacks of all tasks that wait (Alt-SysRq-w); the "
		      "functions tell what for. Mostly it is storage.",
	.includes = includes,
	.judge = judge,
};
