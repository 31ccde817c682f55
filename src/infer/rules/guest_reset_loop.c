/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

/* A session lasts a few tenths of a second: nothing boots and reboots as often in it on purpose. */
#define SURELY_A_LOOP 4

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *resets = vh_fact(f, VH_FACT_RESETS);

	const struct vh_fact *faults = vh_fact(f, VH_FACT_VCPU_SHUTDOWNS);

	/* One triple fault may be a reboot: some kernels do it so. */
	if (!resets)
		resets = vh_many_shutdowns(f);
	if (!vh_guest_is_visible(f) || !resets)
		return;
	vh_for(j, resets->value >= SURELY_A_LOOP ? VH_PROOF : VH_STRONG, resets);
	if (faults != resets)
		vh_for(j,
			vh_many_shutdowns(f) && faults->value >= SURELY_A_LOOP ? VH_PROOF
									       : VH_STRONG,
			faults);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_VCPU_NO_IDT));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_STAGE, 0));
	vh_title(j, "the guest resets itself again and again (%.0f times while it was looked at)",
		resets->value);
	vh_next(j, NULL,
		"start it with -no-reboot -no-shutdown (libvirt: <on_reboot>preserve</on_reboot>): "
		"it then "
		"stays at the first reset, and vmhang shows where");
	vh_next_keep_and_reset(j, f);
}

const struct vh_rule vh_rule_guest_reset_loop = {
	.id = "guest-reset-loop",
	.title = "the guest resets itself again and again",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_YES,
	.meaning = "The guest starts, dies at once (mostly of a triple fault: an exception that it "
		   "has no handler for) and is reset, for ever.",
	.shown_by =
		"Several triple faults (KVM_EXIT_SHUTDOWN) within the window, or several RESET "
		"events of the monitor within the moments that vmhang asks it. A loop that takes "
		"seconds a turn needs several looks, or a longer window.",
	.what_to_do =
		"Keep the VM at its first reset (-no-reboot -no-shutdown) and look at RIP and the "
		"code there. Mostly a boot loader or kernel that does not suit the machine "
		"type, the CPU model or the firmware.",
	.judge = judge,
};
