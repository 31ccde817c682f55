/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/mainloop.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *cycle = vh_fact(f, VH_FACT_LOCK_CYCLE);

	if (!cycle || !vh_main_loop_may_hang(f))
		return;
	vh_for_main_loop(j, f, cycle);
	vh_next(j, "gdb -p {pid} -batch -ex 'thread apply all bt' >{name}.bt 2>/dev/null",
		"keep all backtraces: with them, and the VMM's version, this can be reported and "
		"mended");
	vh_next(j, "gcore -o {name} {pid}", "or the whole process, memory of the guest included");
	vh_next(j, "kill -9 {pid}",
		"then end it and start the VM anew: a deadlock does not end by itself, and nothing "
		"saves what the guest had not written");
}

static const char *const includes[] = {"vmm-main-loop-blocked", "vmm-lock-held", NULL};

const struct vh_rule vh_rule_vmm_deadlock = {
	.id = "vmm-deadlock",
	.title = "threads of the VMM wait for each other's locks for ever",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "A bug in the VMM: one thread holds a lock and waits for a second, whose holder "
		   "waits for the first. Neither ever goes on, nor does whoever needs one of them.",
	.shown_by =
		"Each of the threads sleeps in a futex and was not woken once, and the locks' own"
		" memory names the next one of them as the holder, in a circle.",
	.what_to_do =
		"Nothing mends it from outside. Keep the backtraces, end the process, start the "
		"VM anew, and look for the bug (iothreads, block jobs, unplugging and migration "
		"are where they mostly are) in newer versions of the VMM.",
	.includes = includes,
	.judge = judge,
};
