/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *text = vh_fact(f, VH_FACT_TEXT_OOPS);

	if (!vh_guest_is_visible(f) || !text)
		return;
	vh_for(j, VH_STRONG, text);
	vh_at_most(j, VH_POSSIBLE,
		"the guest went on after it: whether it is why it does not react now, if it does "
		"not, "
		"cannot be seen");
	vh_title(j, "the guest's kernel met a fault and went on: %s", text->text);
	vh_next(j, "vmhang diagnose {name} --verbose",
		"read the report: RIP names the function, and in [brackets] the module");
	vh_next(j, NULL,
		"restart the guest when it can be spared: the task that met the fault was killed "
		"with "
		"all the locks that it held");
}

const struct vh_rule vh_rule_guest_oops = {
	.id = "guest-oops",
	.title = "the guest's kernel met a fault in its own code, and went on",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_NO,

	.meaning = "The guest's kernel met a bug of its own (oops, BUG), killed the task that met "
		   "it and went on. Locks that this task held are never released: whatever needs "
		   "one of them will wait for ever, at once or in a week.",
	.shown_by =
		"\"BUG: unable to handle\", \"BUG: kernel NULL pointer dereference\", \"kernel BUG "
		"at\" or \"general protection fault\" with a stack on the console, since the guest "
		"was started, and no panic after it. It says nothing of whether the guest hangs "
		"now: where it is idle or works, that goes first and this is named beside it.",
	.what_to_do =
		"Look for the function and module in the distribution's bug reports; update, or "
		"go back to the previous kernel. Restart the guest when it can be spared.",

	.judge = judge,
};
