/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/panic.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_judge_panic(
		    f, j, VH_FACT_PANIC_OOM, "the guest's kernel panicked: no memory was left"))
		return;
	vh_next(j, "virsh dommemstat {name}",
		"see how much memory it has, and whether a balloon took some away");
	vh_next(j, "vmhang diagnose {name} --verbose",
		"the table of tasks above the panic tells who had it; where no task did, the "
		"kernel itself (slab, huge pages, a ramdisk)");
	vh_next_after_panic(j, f);
}

const struct vh_rule vh_rule_guest_panic_out_of_memory = {
	.id = "guest-panic-out-of-memory",
	.title = "the guest's kernel panicked: no memory was left",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.lasting = true,
	.meaning =
		"The guest ran out of memory and could free none: there was nobody left whom it "
		"would have helped to kill (\"System is deadlocked on memory\"), or the guest is "
		"set to panic at once (vm.panic_on_oom).",
	.shown_by = "\"Out of memory: ... panic_on_oom is enabled\" or \"System is deadlocked on "
		    "memory\", behind lines of the OOM killer. The panic is the last thing on the "
		    "console; one vCPU polls, the others are halted with interrupts off.",
	.what_to_do =
		"Give it more memory, or deflate its balloon; limit what used it up (the OOM "
		"killer's table). A VM that does so at its start has too little memory for its "
		"initramfs.",
	.includes = vh_panic_includes,
	.judge = judge,
};
