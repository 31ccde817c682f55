/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *stopped = vh_fact(f, VH_FACT_PROCESS_STOPPED);
	int number = stopped ? (int)stopped->value : 0;

	vh_for(j, VH_PROOF, stopped);
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_PROCESS_NOT_STOPPED));
	if (number == SIGTTIN || number == SIGTTOU) {
		vh_title(j,
			"the VMM's process is stopped by %s: it runs in the background of a "
			"terminal, and %s it",
			vh_stop_signal_name(number),
			number == SIGTTIN ? "reads from" : "writes to or configures");
		vh_next(j, "ps -o pid,ppid,sid,tty,stat,args -p {pid}",
			"see whose terminal it is: \"fg\" there lets it go on; a SIGCONT would "
			"only "
			"have it stopped again");
		vh_next(j, NULL,
			"start it so that it wants no terminal: -daemonize, or -display none with "
			"-serial and -monitor elsewhere than stdio and </dev/null");
		return;
	}
	if (number == SIGTSTP)
		vh_title(j, "the VMM's process is stopped by SIGTSTP (Ctrl-Z at its terminal)");
	vh_next(j, "kill -CONT {pid}",
		"let it go on, once it is clear that nobody needs it stopped");
	vh_next(j, "journalctl --since -1h | grep -w {pid}",
		"find out who sent the signal (a debugger, a snapshot script, job control)");
}

const struct vh_rule vh_rule_process_stopped = {
	.id = "process-stopped",
	.title = "the VMM's process is stopped by a signal",
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
