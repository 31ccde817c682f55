/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *main_thread = vh_fact(f, VH_FACT_MAIN_TRACED);
	const struct vh_fact *vcpu = vh_fact(f, VH_FACT_VCPU_TRACED);
	const struct vh_fact *held = main_thread ? main_thread : vcpu;

	vh_for(j, VH_PROOF, main_thread);
	vh_for_all(j, f, VH_PROOF, VH_FACT_VCPU_TRACED);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_THREAD_TRACED));
	if (!held)
		vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_PROCESS_NOT_STOPPED));
	if (!held)
		return;
	const char *what = main_thread && vcpu ? "the main thread and vCPUs"
			   : main_thread       ? "the main thread"
					       : "a vCPU's thread";

	if (held->value > 0) {
		vh_auto_free char *command =
			vh_asprintf("ps -o pid,user,lstart,args -p %d", (int)held->value);

		if (f->model->process.tracer_name)
			vh_title(j, "%s (process %d) holds %s by ptrace",
				f->model->process.tracer_name, (int)held->value, what);
		else
			vh_title(j, "a debugger (process %d) holds %s", (int)held->value, what);
		vh_next(j, command, "see who the debugger is, and ask its owner to detach");
	} else {
		vh_title(j, "a debugger holds %s", what);
	}
	vh_next(j, "grep -H TracerPid /proc/{pid}/task/*/status", "see which threads it holds");
}

const struct vh_rule vh_rule_process_traced = {
	.id = "process-traced",
	.title = "a debugger holds the VMM's process",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_STOPPED,
	.hung = VH_HUNG_YES,
	.meaning = "A process attached to the VMM by ptrace (gdb, strace, a core dumper) and "
		   "holds its main thread or a vCPU. What is held does nothing; a held main "
		   "thread also silences the monitor.",
	.shown_by = "A thread is in state t (tracing stop), with TracerPid in "
		    "/proc/PID/task/TID/status naming the debugger.",
	.what_to_do =
		"Let the debugger detach, or end it: the kernel then lets the threads go on. Ask "
		"no "
		"registers of a VM with a traced vCPU: the monitor would wait for it for ever.",
	.judge = judge,
};
