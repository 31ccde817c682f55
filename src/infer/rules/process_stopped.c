/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	vh_for(j, VH_PROOF, vh_fact(f, VH_FACT_PROCESS_STOPPED));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_PROCESS_NOT_STOPPED));
	vh_next(j, "kill -CONT {pid}",
		"let it go on, once it is clear that nobody needs it stopped");
	vh_next(j, "journalctl --since -1h | grep -w {pid}",
		"find out who sent the signal (a debugger, a snapshot script, job control)");
}

const struct vh_rule vh_rule_process_stopped = {
	.id = "process-stopped",
	.title = "the VMM's process is stopped by a signal (SIGSTOP)",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_STOPPED,
	.hung = VH_HUNG_YES,
	.meaning = "Somebody or something stopped the whole VMM process, as \"kill -STOP\" or "
		   "job control (Ctrl-Z) does. No vCPU and no device runs; the monitor "
		   "accepts connections, because the kernel does that, and never answers.",
	.shown_by =
		"Every thread of the process is in state T (stopped) in /proc/PID/task/TID/stat, "
		"and waits in do_signal_stop. Nothing can be said about the guest meanwhile.",
	.what_to_do =
		"Send SIGCONT. Find out who stopped it: backup and snapshot scripts, a debugger "
		"that "
		"was detached badly, or a VMM that was started in the background of a terminal. "
		"Expect the guest's clock to jump.",
	.judge = judge,
};
