/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/panic.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_weigh_panic(f, j))
		return;
	const struct vh_fact *text = vh_fact(f, VH_FACT_TEXT_PANIC);

	vh_title(j, "%s", text ? text->text : "the guest's kernel panicked");
	vh_next(j, "vmhang diagnose {name} --verbose", "read the lines before the panic");
	vh_next_after_panic(j, f);
}

static const char *const includes[] = {
	"guest-spins-irqs-off", "guest-spins-irqs-on", "guest-spins", "guest-halted-forever", NULL};

const struct vh_rule vh_rule_guest_kernel_panic = {
	.id = "guest-kernel-panic",
	.title = "the guest's kernel panicked",
	.layer = VH_LAYER_GUEST,
	.lasting = true,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning = "The guest's kernel met an error that it cannot go on from, printed why, "
		   "and stays there (panic=0).",
	.shown_by =
		"\"Kernel panic - not syncing\" (or another system's like) is the last thing on "
		"the serial console or the screen. One vCPU polls or halts, the others are "
		"halted with interrupts off.",
	.what_to_do = "The text says why. For the next time: panic=10 on the kernel's command "
		      "line reboots it, a pvpanic device tells the VMM.",
	.includes = includes,
	.judge = judge,
};
