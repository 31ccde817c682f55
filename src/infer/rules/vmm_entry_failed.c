/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *log = vh_fact(f, VH_FACT_KVM_ENTRY_FAILED);
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
	vh_next(j,
		"grep -H . /sys/module/kvm_*/parameters/{unrestricted_guest,nested,ept,npt} "
		"2>/dev/null; systemd-detect-virt",
		"see what this host's processor can do, and whether the host is a VM itself");
	vh_next(j, "dmesg -T | grep -iE 'kvm|vmx|svm' | tail -40",
		"see what the host's kernel says (kvm_intel.dump_invalid_vmcs=1 makes it print the "
		"state)");
	vh_next_monitor(j, f, "reset", "system_reset", "then reset the guest: it cannot go on");
}

static const char *const includes[] = {"vmm-internal-error", NULL};

const struct vh_rule vh_rule_vmm_entry_failed = {
	.id = "vmm-entry-failed",
	.title = "the processor refused to enter the guest",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning = "The processor checks the guest's state at each entry, and found one "
		   "that is not allowed: KVM or the VMM loaded an inconsistent state, an "
		   "old processor cannot run that mode of the guest (real mode without "
		   "\"unrestricted guest\"), or a host below this one emulates it badly.",
	.shown_by = "query-status says \"internal-error\", and the VMM's log has \"KVM: entry "
		    "failed, hardware error\" with the reason (0x80000021: invalid guest "
		    "state) and the registers.",
	.what_to_do = "Is the host itself a VM? Then look at the host below, and its kernel. "
		      "After a migration or a loaded snapshot: the hosts' CPU models and "
		      "kernels differ. Otherwise a bug of KVM: keep the log, try a newer "
		      "kernel of the host.",
	.includes = includes,
	.judge = judge,
};
