/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *text = vh_fact(f, VH_FACT_HUNG_ON_LOCK);
	const struct vh_fact *circle = vh_fact(f, VH_FACT_INSIDE_DEADLOCK);

	if (vh_guest_is_visible(f) && circle) {
		/* Who holds what is known: they cannot go on, whatever else the guest does. */
		vh_for(j, VH_PROOF, circle);
		vh_for_all(j, f, VH_STRONG, VH_FACT_HUNG_ON_LOCK);
		vh_title(j, "a deadlock in the guest's kernel: %s", circle->text);
		vh_next_of_hung_task(j, f);
		vh_next_keep_and_reset(j, f);
		return;
	}
	/* One alone waits for somebody who may well be at work. */
	if (!vh_guest_is_visible(f) || !text || vh_fact_count(f, VH_FACT_HUNG_ON_LOCK) < 2)
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_HUNG_ON_LOCK);
	vh_weigh_waiting(f, j);
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_BUSY));
	/* Then the holder of the lock waits for something else. */
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_HUNG_ON_STORAGE));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_HUNG_ON_FILE_SERVER));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_HUNG_ON_FREEZE));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_STORAGE_SILENT));
	vh_title(j,
		"a deadlock in the guest's kernel: %zu tasks wait for locks, and nobody works; "
		"%s",
		vh_fact_count(f, VH_FACT_HUNG_ON_LOCK), text->text);
	vh_next_of_hung_task(j, f);
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {"guest-hung-task", NULL};

const struct vh_rule vh_rule_guest_deadlock = {
	.id = "guest-deadlock",
	.title = "tasks in the guest's kernel wait for each other's locks",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,

	.meaning = "Two or more tasks of the guest wait in its kernel for locks (mutex, "
		   "semaphore), none of those that are reported waits for anything else, and no "
		   "CPU works: each holds what another wants, or the holder is gone. They will "
		   "wait for ever, and whoever needs one of these locks joins them.",
	.shown_by = "Two or more reports \"INFO: task ... blocked\" with mutex_lock, down_write, "
		    "down_read or rwsem_down_ in their stacks, and none that waits for storage, a "
		    "server or a frozen file system; vCPUs at rest.",
	.what_to_do =
		"The functions below mutex_lock or down_ in the stacks name the code that took "
		"the locks: that is the bug to report, or to look for. Alt-SysRq-d prints the "
		"locks that are held where the kernel keeps track (lockdep). There is no way "
		"out but a reset.",
	.includes = includes,
	.judge = judge,
};
