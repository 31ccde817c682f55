/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *blocked = vh_fact(f, VH_FACT_MAIN_BLOCKED);
	const struct vh_fact *silent = vh_fact(f, VH_FACT_MONITOR_SILENT);

	if (vh_fact(f, VH_FACT_PROCESS_STOPPED) || vh_fact(f, VH_FACT_MAIN_TRACED) ||
		vh_fact(f, VH_FACT_CGROUP_FROZEN))
		return;
	vh_for(j, blocked && silent ? VH_PROOF : VH_STRONG, blocked);
	vh_for(j, VH_STRONG, silent);
	if (blocked || silent)
		vh_for_all(j, f, VH_WEAK, VH_FACT_THREAD_ON_STORAGE);
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_MONITOR_ANSWERS));
	/* Then a vCPU holds the lock that the main loop needs, and the main loop is a victim. */
	if (!blocked)
		vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_WAITS_ON_SERIAL));
	if (!silent)
		vh_at_most(j, VH_LIKELY, "the monitor was not asked, so it may still answer");
	if (blocked)
		vh_title(j, "%s", blocked->text);
	vh_next(j, "cat /proc/{pid}/stack; cat /proc/{pid}/task/*/wchan",
		"see in what the main thread waits, and mend that (storage, a FUSE server, a "
		"network "
		"file system)");
	vh_next(j, "gdb -p {pid} -batch -ex 'thread apply all bt' 2>/dev/null",
		"if that is not clear: user-level backtraces (this stops the VM for a moment)");
}

const struct vh_rule vh_rule_vmm_main_loop_blocked = {
	.id = "vmm-main-loop-blocked",
	.title = "the VMM's main loop does not answer",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning =
		"The main thread of the VMM is stuck in a system call or waits for a lock. While "
		"it is, no device that "
		"it serves and no monitor command makes progress; vCPUs run on until they need it.",
	.shown_by =
		"query-status gets no answer within its deadline (the greeting proves nothing: "
		"another thread sends it), and the main thread waits in something else than its "
		"event loop: wchan and kernel stack say what.",
	.what_to_do =
		"Mend what it waits for. Send no further monitor commands: each only queues up "
		"behind. Query commands that touch a stalled file (query-block) can cause this "
		"themselves.",
	.judge = judge,
};
