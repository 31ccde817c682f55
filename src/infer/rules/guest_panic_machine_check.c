/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/panic.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_judge_panic(f, j, VH_FACT_PANIC_MACHINE_CHECK,
		    "the guest's kernel panicked: a hardware error (machine check)"))
		return;
	vh_next(j, "journalctl -k -b | grep -iE 'mce|hardware error|memory failure|EDAC'",
		"look for memory errors of the host: QEMU hands those of the VM's memory on to "
		"it");
	vh_next(j, NULL, "move the host's other VMs away before you trust it again");
	vh_next_after_panic(j, f);
}

const struct vh_rule vh_rule_guest_panic_machine_check = {
	.id = "guest-panic-machine-check",
	.title = "the guest's kernel panicked: a hardware error (machine check)",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.lasting = true,
	.meaning = "The processor, or QEMU on behalf of the host's kernel, told the guest of a "
		   "hardware error that cannot be corrected: a page of the VM's memory is broken "
		   "on the host.",
	.shown_by =
		"\"Fatal machine check\", \"Fatal local machine check\" or \"Memory error not "
		"recovered\" behind lines \"mce: [Hardware Error]\". The panic is the last thing "
		"on the console; one vCPU polls, the others are halted with interrupts off.",
	.what_to_do = "The guest is not to blame: check the host's memory (EDAC, the BMC's event "
		      "log), take that host out of service. Reset the guest, on another host.",
	.includes = vh_panic_includes,
	.judge = judge,
};
