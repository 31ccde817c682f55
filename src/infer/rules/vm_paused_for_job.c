/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *reason = vh_fact(f, VH_FACT_LIBVIRT_JOB_REASON);
	const struct vh_fact *paused = vh_fact(f, VH_FACT_RUNSTATE_PAUSED);

	if (!reason || !paused)
		return;
	vh_for(j, VH_PROOF, paused);
	vh_for(j, VH_STRONG, reason);
	vh_title(j, "libvirt paused the VM for a job that is not over: %s",
		f->model->vm->libvirt.reason);
	vh_next(j, "virsh domjobinfo {name}",
		"see whether the job goes on: the VM is resumed (or ended, by a save) when it is "
		"done");
	vh_next(j, "virsh domjobabort {name}",
		"if it does not: give it up, and libvirt resumes the VM");
	vh_next(j, "virsh resume {name}",
		"where there is no job any more (libvirtd was restarted half-way): let the VM go "
		"on");
}

static const char *const includes[] = {"vm-paused", NULL};

const struct vh_rule vh_rule_vm_paused_for_job = {
	.id = "vm-paused-for-job",
	.title = "libvirt paused the VM for a job of its own, which is not over",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.meaning =
		"libvirt stops a guest while it saves its memory (virsh save, managedsave), dumps "
		"it (virsh dump) or takes a snapshot with memory, and lets it go on afterwards. The"
		" job takes as long as the memory is large and its target slow.",
	.shown_by = "query-status says \"paused\", and virsh domstate --reason \"saving\", "
		    "\"dumping\" or "
		    "\"creating snapshot\".",
	.what_to_do =
		"Look at the job before you resume anything: a VM that is resumed while it is saved"
		" spoils what is saved. Where the numbers of virsh domjobinfo stand still, the "
		"target is slow or dead: mend it, or abort the job.",
	.includes = includes,
	.judge = judge,
};
