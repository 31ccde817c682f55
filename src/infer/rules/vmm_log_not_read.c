/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/mainloop.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *log = vh_fact(f, VH_FACT_LOG_NOT_READ);

	if (!log || !vh_main_loop_may_hang(f))
		return;
	vh_for_main_loop(j, f, log);
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_LOCK_HELD));
	vh_title(j, "%s", log->text);
	vh_next(j,
		"ls -l /proc/{pid}/fd/1 /proc/{pid}/fd/2; lsof -n -E -p {pid} | grep -wE "
		"'1[uw]|2[uw]'",
		"find who should read the pipe (virtlogd, a wrapper, a container's runtime), and "
		"let it "
		"go on, or start it again");
	vh_next(j, "timeout 1 cat /proc/{pid}/fd/2 | tail -n 5",
		"to free the VM at once: read what is in the pipe (this also shows what it "
		"logged)");
}

static const char *const includes[] = {"vmm-main-loop-blocked", "vmm-lock-held", NULL};

const struct vh_rule vh_rule_vmm_log_not_read = {
	.id = "vmm-log-not-read",
	.title = "nobody reads what the VMM logs, and it waits for that",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning =
		"The VMM writes its messages to a pipe, and the program at the other end reads no"
		" more: virtlogd is stopped or hangs (on a full disk, say), a wrapper script does"
		" not read. When the pipe is full, the next message waits, and with it the thread"
		" that writes it and the lock that it holds.",
	.shown_by = "A thread sleeps in a write to standard output or error (descriptor 1 or 2), "
		    "which is a pipe or socket, at every look.",
	.what_to_do =
		"Get the reader going; the VM goes on the moment there is room. See also why so "
		"much is logged: a guest can make the VMM log (guest_errors, trace events, a "
		"failing device).",
	.includes = includes,
	.judge = judge,
};
