/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/prompt.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_weigh_prompt(f, j, VH_FACT_TEXT_PRESS_KEY))
		return;
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_ACTIVE));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_BOOT_COUNTDOWN));
	if (!vh_fact(f, VH_FACT_BOOT_WAITS_FOR_PERSON) && vh_fact(f, VH_FACT_VCPU_BUSY))
		vh_at_most(j, VH_POSSIBLE, "an operating system runs, and is at work");
	vh_next_console(j, f,
		"read what stands above it on its console (vmhang diagnose --verbose shows the "
		"screen), and press a key there");
	vh_next_enter(j, f, "or press Enter from here");
}

const struct vh_rule vh_rule_guest_waits_for_key = {
	.id = "guest-waits-for-key",
	.title = "the guest waits for a key to be pressed",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_IDLE,
	.hung = VH_HUNG_YES,
	.meaning = "A boot loader, firmware or installer stopped at a message and asks for "
		   "any key: mostly it says above why it could not go on. Nobody is at its "
		   "console.",
	.shown_by = "\"Press any key to continue\" or the like is among the last lines on the "
		    "screen or the serial console.",
	.what_to_do = "Read what stands above it. Then press a key on its console, or reset.",
	.includes = vh_prompt_includes,
	.judge = judge,
};
