/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storm.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_weigh_storm(f, j, VH_FACT_VCPU_MMIO_STORM))
		return;
	vh_next_device(j, f);
	vh_next_keep_and_reset(j, f);
}

const struct vh_rule vh_rule_guest_mmio_storm = {
	.id = "guest-mmio-storm",
	.title = "the guest accesses one device register for ever",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning =
		"A vCPU reads or writes one address of a device, or one that nothing answers, in "
		"a loop, and does nothing else: a driver waits for a bit that never changes, or "
		"the guest took a hole in its address space for memory.",
	.shown_by =
		"Of all exits that the guest causes, nearly every one is an access to that "
		"address, "
		"from one or two instructions, thousands of times a second, while the vCPU never "
		"sleeps. Doorbells (ioeventfd, virtio), the HPET and interrupt controllers are not "
		"taken for it.",
	.what_to_do = "The address tells the device (info mtree). A passed-through device may be "
		      "dead: see "
		      "the host's log and lspci. Reads of ones mean that nothing is there.",
	.includes = vh_storm_includes,
	.judge = judge,
};
