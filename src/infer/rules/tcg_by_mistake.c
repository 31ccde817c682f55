/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *emulated = vh_fact(f, VH_FACT_EMULATED_CPU);

	if (!emulated)
		return;
	vh_for(j, VH_STRONG, emulated);
	/* It explains that a VM is slow, never that it hangs: what it does is said first. */
	vh_at_most(j, VH_POSSIBLE,
		emulated->value > 0 ? "a VM that is emulated is slow, and need not hang"
				    : "it may be emulated on purpose");
	vh_next(j, "ls -l /dev/kvm; lsmod | grep kvm; grep -cE 'vmx|svm' /proc/cpuinfo",
		"see why KVM was not used: no /dev/kvm, no permission for QEMU's user (group kvm), "
		"modules not loaded, or no vmx/svm: virtualization is off in the firmware, or, of "
		"a "
		"host that is a VM, nested virtualization");
	vh_next(j, "grep -i kvm {log}", "see what QEMU said of it when it was started");
	vh_next(j, NULL,
		"start it with \"-accel kvm\" alone: then it fails at once where KVM cannot be "
		"used");
}

const struct vh_rule vh_rule_tcg_by_mistake = {
	.id = "tcg-by-mistake",
	.title = "QEMU emulates the CPU instead of using KVM",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_UNKNOWN,
	.meaning = "The vCPUs are not executed by the processor but translated by QEMU "
		   "(TCG). That is ten to a hundred times slower, and a system whose "
		   "time-outs are made for hardware may seem to hang. It happens silently: "
		   "\"accel=kvm:tcg\" falls back, and without any -accel option QEMU "
		   "emulates.",
	.shown_by = "The vCPUs' threads are called CPU n/TCG, and the command line asks for "
		    "KVM, or for nothing.",
	.what_to_do = "Make /dev/kvm usable and start the VM with -accel kvm.",
	.judge = judge,
};
