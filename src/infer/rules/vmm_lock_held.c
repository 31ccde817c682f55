/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/mainloop.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *held = vh_fact(f, VH_FACT_LOCK_HELD);

	if (!held || !vh_main_loop_may_hang(f))
		return;
	vh_for_main_loop(j, f, held);
	vh_title(j, "%s", held->text);
	vh_next(j, "cat /proc/{pid}/task/*/comm; grep -H . /proc/{pid}/task/*/wchan",
		"see what the thread that holds it waits for, and mend that (storage, a reader, "
		"another program)");
	vh_next_backtraces(j);
}

static const char *const includes[] = {"vmm-main-loop-blocked", NULL};

const struct vh_rule vh_rule_vmm_lock_held = {
	.id = "vmm-lock-held",
	.title = "another thread of the VMM holds the lock that its main loop needs",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning =
		"One lock keeps all of the VMM's devices together (QEMU: the big lock, BQL). A "
		"thread that took it waits for something itself: a vCPU in a device's write to a "
		"file, a pipe or flash memory, a worker, a migration. The main loop, the monitor "
		"and every other vCPU that touches a device queue up behind it.",
	.shown_by =
		"The main thread sleeps in a futex and was not woken once; the lock's own memory "
		"names the thread that holds it; query-status is not answered.",
	.what_to_do =
		"What that thread waits for is the cause: see to that. For good keep what can "
		"block off the vCPUs: log files on local storage, readers that live, iothreads "
		"for drives.",
	.includes = includes,
	.judge = judge,
};
