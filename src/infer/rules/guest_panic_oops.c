/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/panic.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_judge_panic(f, j, VH_FACT_PANIC_OOPS,
		    "the guest's kernel panicked after a fault of its own"))
		return;
	vh_next(j, "vmhang diagnose {name} --verbose",
		"read the first \"BUG:\", \"Oops:\" or \"general protection fault\" above the "
		"panic: "
		"its RIP names the function, and in [brackets] the module");
	vh_next_after_panic(j, f);
}

const struct vh_rule vh_rule_guest_panic_oops = {
	.id = "guest-panic-oops",
	.title = "the guest's kernel panicked after a fault of its own",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.lasting = true,
	.meaning = "The guest's kernel met a fault in its own code, a bug or corrupted memory, "
		   "where it could not just end the task that met it: in an interrupt, in the idle "
		   "task, or everywhere where kernel.panic_on_oops is set.",
	.shown_by =
		"\"Fatal exception\", \"Fatal exception in interrupt\" or a like reason, behind an "
		"oops with registers and a stack. The panic is the last thing on the console; "
		"one vCPU polls, the others are halted with interrupts off.",
	.what_to_do =
		"The function and module of the first oops tell whom to ask: look for them in "
		"the distribution's bug reports, update or go back to the previous kernel, "
		"leave out a module that is not of the kernel's own (Tainted: O). If faults "
		"differ each time, suspect the host's memory.",
	.includes = vh_panic_includes,
	.judge = judge,
};
