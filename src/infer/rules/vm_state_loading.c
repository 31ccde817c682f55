/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *told = vh_fact(f, VH_FACT_RUNSTATE_RESTORE_VM);

	vh_for(j, VH_PROOF, told);
	if (!told)
		return;
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LIBVIRT_REASON));
	vh_for_all(j, f, VH_WEAK, VH_FACT_LOG_VMM_ERROR);
	vh_next_monitor(j, f, "snapshot-list", "query-jobs",
		"see whether the snapshot is there (and whether a job still loads it)");
	vh_next(j, "tail -n 20 {log}", "see why it could not be loaded, in the VMM's log");
	vh_next_monitor(j, f, "resume", "cont",
		"if nothing was loaded, the guest's old state is whole: let it go on. If loading "
		"failed half-way, it is not: reset it, or load another snapshot");
}

const struct vh_rule vh_rule_vm_state_loading = {
	.id = "vm-state-loading",
	.title = "the VM was stopped to load a saved state, and not resumed",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.meaning =
		"Somebody told the VMM to load a snapshot (loadvm, snapshot-load, virsh "
		"snapshot-revert). QEMU stops the guest for it, and resumes it only where all was "
		"loaded: after a mistyped name, or a state that does not fit, the VM simply stays "
		"stopped.",
	.shown_by =
		"query-status says \"restore-vm\". QEMU loads a state in its main loop, and does "
		"not "
		"answer meanwhile: where it answers with this state the loading is over, and mostly"
		" failed.",
	.what_to_do =
		"Find out what was loaded, by whom, and what was answered. Where nothing was loaded"
		" (no such snapshot) the guest can simply go on. Where loading broke off half-way, "
		"memory and devices do not fit each other any more: reset the guest or load a good "
		"snapshot.",
	.judge = judge,
};
