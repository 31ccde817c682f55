/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *told = vh_fact(f, VH_FACT_RUNSTATE_SAVE_VM);

	vh_for(j, VH_PROOF, told);
	if (!told)
		return;
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LIBVIRT_REASON));
	vh_next_monitor(j, f, "domjobinfo", "query-jobs",
		"see whether it goes on: the VM is resumed when all is written");
	vh_next(j,
		"grep -E '^(wchar|write_bytes)' /proc/{pid}/io; sleep 2; grep -E "
		"'^(wchar|write_bytes)' /proc/{pid}/io",
		"see whether the VMM still writes: the numbers grow by what is saved in two "
		"seconds");
}

const struct vh_rule vh_rule_vm_state_saving = {
	.id = "vm-state-saving",
	.title = "the VM is held while its state is saved to a disk",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.meaning =
		"Somebody takes a snapshot of the running VM into one of its images (savevm, "
		"snapshot-save). The guest stands still until all of its memory is written, which "
		"takes as long as the memory is large and the storage slow.",
	.shown_by = "query-status says \"save-vm\". While memory is written QEMU mostly does not "
		    "answer "
		    "at all, for it does so in its main loop.",
	.what_to_do =
		"Let it end if the numbers of bytes written grow. If they do not, the storage of "
		"the image is what hangs: see to that. For the next time: snapshots outside of the "
		"image (virsh snapshot-create --disk-only, or --live) do not stop the guest for so "
		"long.",
	.judge = judge,
};
