/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/panic.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_judge_panic(f, j, VH_FACT_PANIC_HUNG_TASK,
		    "the guest's kernel panicked: a task had waited for too long"))
		return;
	vh_next(j, "vmhang diagnose {name} --verbose",
		"the lines above the panic tell which task, and what it waited for; mostly its "
		"disk");
	vh_next(j,
		"journalctl -k --since -2h | grep -iE 'I/O error|blocked for|nfs|timed out|reset'",
		"look for errors and delays of the VM's storage at that time");
	vh_next_after_panic(j, f);
}

const struct vh_rule vh_rule_guest_panic_hung_task = {
	.id = "guest-panic-hung-task",
	.title = "the guest's kernel panicked: a task had waited for too long",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.lasting = true,
	.meaning = "A task had been waiting without being interruptible for longer than "
		   "kernel.hung_task_timeout_secs, and kernel.hung_task_panic is set. Nearly "
		   "always it waited for storage that did not answer in time, be it the host's.",
	.shown_by =
		"\"hung_task: blocked tasks\" behind \"INFO: task ... blocked for more than ... "
		"seconds\". The panic is the last thing on the console; one vCPU polls, the "
		"others are halted with interrupts off.",
	.what_to_do = "Find out what the storage did at that time. Cluster nodes are set so on "
		      "purpose; elsewhere kernel.hung_task_panic=0 lets a guest outlive a pause of "
		      "its storage.",
	.includes = vh_panic_includes,
	.judge = judge,
};
