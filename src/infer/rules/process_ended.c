/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_fact(f, VH_FACT_PROCESS_GONE))
		return;
	vh_for(j, VH_PROOF, vh_fact(f, VH_FACT_PROCESS_GONE));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LOG_VMM_ERROR));
	if (f->model->pasted && f->model->vm->libvirt.reason)
		vh_title(j, "the VMM's process ended: libvirt says shut off (%s)",
			f->model->vm->libvirt.reason);
	vh_next(j, "journalctl --since -10min | grep -iE 'qemu|oom|segfault|{pid}'",
		"see whether it crashed or was killed");
	vh_next(j, "coredumpctl list {pid}", "see whether it left a core dump");
}

const struct vh_rule vh_rule_process_ended = {
	.id = "process-ended",
	.title = "the VMM's process ended while it was observed",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning = "The process was there at the first look and gone, or another one, at a "
		   "later one. The VM is no more.",
	.shown_by = "/proc/PID disappeared, or belongs to a process that started later.",
	.what_to_do =
		"Look for the reason in the VMM's log and in the host's kernel log (crash, OOM "
		"kill, an orderly shutdown by somebody).",
	.judge = judge,
};
