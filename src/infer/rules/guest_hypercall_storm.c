/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storm.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_weigh_storm(f, j, VH_FACT_VCPU_HYPERCALL_STORM))
		return;
	vh_next(j, "tr '\\0' '\\n' < /proc/{pid}/cmdline | grep -A1 -x -e -cpu",
		"see which hypervisor interfaces the guest was offered (kvm=, hv_*, xen-*): "
		"without the one that it calls, it will not use it");
	vh_next(j, "dmesg -T | grep -iE 'kvm|hyperv|hypercall'",
		"see whether the host's KVM complains of the call");
	vh_next_keep_and_reset(j, f);
}

const struct vh_rule vh_rule_guest_hypercall_storm = {
	.id = "guest-hypercall-storm",
	.title = "the guest makes one hypercall for ever",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning = "A vCPU asks the hypervisor for the same thing over and over and does nothing "
		   "else: the call is refused each time and it tries again, or what it asks for "
		   "(another CPU to be woken, a flush to be done) does not happen.",
	.shown_by = "Of all exits that the guest causes, nearly every one is that hypercall, from "
		    "one or two instructions, thousands of times a second, while the vCPU never "
		    "sleeps.",
	.what_to_do = "The number of the call tells what it wants. Take the interface away from "
		      "the guest (Hyper-V enlightenments hv_*, paravirtual features of KVM such as "
		      "kvm-pv-unhalt, kvm-pv-tlb-flush) or update the host's kernel. For a kick of "
		      "another CPU, look what that CPU does.",
	.includes = vh_storm_includes,
	.judge = judge,
};
