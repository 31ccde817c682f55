/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *log = vh_fact(f, VH_FACT_LOG_INTERNAL_ERROR);

	vh_for(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_INTERNAL_ERROR));
	vh_for(j, vh_fact(f, VH_FACT_RUNSTATE_RUNNING) ? VH_WEAK : VH_STRONG, log);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_HOST_LOG));
	if (!vh_fact(f, VH_FACT_RUNSTATE_RUNNING)) {
		vh_for_all(j, f, VH_WEAK, VH_FACT_VCPU_ENTRY_FAILS);
		vh_for_all(j, f, VH_WEAK, VH_FACT_VCPU_EMULATION_FAILS);
	}
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	if (log)
		vh_title(j, "%s", log->text);
	vh_next(j, "vmhang diagnose {name} --verbose --save {name}.vmhang",
		"keep registers, code bytes and logs: whoever mends this needs them");
	vh_next(j, "dmesg -T | grep -iE 'kvm|sev|mce'", "see what the host's kernel says of it");
	vh_next_monitor(j, f, "reset", "system_reset", "then reset the guest: it cannot go on");
}

const struct vh_rule vh_rule_vmm_internal_error = {
	.id = "vmm-internal-error",
	.title = "the VMM stopped the VM for an internal error",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning =
		"KVM gave up on a vCPU: it could not emulate an instruction, could not enter the "
		"guest, or met an exit that the VMM does not know. The VM cannot go on from "
		"there.",
	.shown_by =
		"query-status says \"internal-error\". The VMM's log has \"KVM internal error. "
		"Suberror: N\" (1: emulation failed), \"kvm run failed\" or \"KVM: unknown exit "
		"reason\", with the registers and the code bytes.",
	.what_to_do =
		"Keep the log. Suberror 1 is mostly a guest that jumped into nowhere, or an "
		"instruction that KVM's "
		"emulator lacks (MMIO by vector instructions): a newer kernel may help. Then reset "
		"the guest.",
	.judge = judge,
};
