/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *log = vh_fact(f, VH_FACT_KVM_DELIVERY_FAILED);
	const struct vh_fact *state = vh_fact(f, VH_FACT_RUNSTATE_INTERNAL_ERROR);

	if (!log)
		return;
	vh_for(j, VH_STRONG, log);
	vh_for(j, VH_PROOF, state);
	vh_for_all(j, f, VH_WEAK, VH_FACT_VCPU_ENTRY_FAILS);
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	vh_title(j, "%s", log->text);
	vh_next(j, "vmhang diagnose {name} --verbose --save {name}.vmhang",
		"keep registers, code bytes and logs: whoever mends this needs them");
	vh_next(j, "grep -aE -A30 'Suberror: 3' {log} | tail -40",
		"see in the VMM's log where IDT, GDT, TR and the stack point: one of them is not "
		"in memory");
	vh_next_monitor(j, f, "reset", "system_reset", "then reset the guest: it cannot go on");
}

static const char *const includes[] = {"vmm-internal-error", NULL};

const struct vh_rule vh_rule_vmm_event_delivery_failed = {
	.id = "vmm-event-delivery-failed",
	.title = "KVM could not deliver an interrupt or exception to the guest",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning = "While the processor pushed an interrupt or exception into the guest, "
		   "it hit something that KVM cannot repeat: the guest's interrupt table, "
		   "stack or task segment lies where a device is, or nowhere. Mostly the "
		   "guest's memory was overwritten, or its tables were set up wrongly.",
	.shown_by = "query-status says \"internal-error\", and the VMM's log has \"KVM "
		    "internal error. Suberror: 3\" with the vectoring information and the "
		    "registers.",
	.what_to_do = "Compare IDT, GDT, TR and the stack pointer in the log with the VM's "
		      "memory size: which of them points outside? Suspect the guest (a "
		      "driver, firmware) first; after a live migration between different "
		      "hosts, the hosts' kernels.",
	.includes = includes,
	.judge = judge,
};
