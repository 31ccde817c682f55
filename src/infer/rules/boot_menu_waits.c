/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/prompt.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_weigh_prompt(f, j, VH_FACT_TEXT_BOOT_MENU))
		return;
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_BOOT_COUNTDOWN));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_GRUB_SHELL));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_GRUB_RESCUE));
	/* A menu stays on a console that the booted system does not use. */
	if (!vh_fact(f, VH_FACT_BOOT_WAITS_FOR_PERSON))
		vh_at_most(j, VH_POSSIBLE,
			"whether the boot loader still runs was not seen: a system that uses "
			"another console leaves its menu there");
	vh_title(j, "the boot menu waits for a choice, without a time-out");
	vh_next_enter(j, f, "choose the marked entry");
	vh_next_console(j, f, "or attach to its console and choose there");
}

const struct vh_rule vh_rule_boot_menu_waits = {
	.id = "boot-menu-waits",
	.title = "the boot menu waits for a choice",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_IDLE,
	.hung = VH_HUNG_YES,
	.meaning = "A boot loader shows its menu and no countdown: it waits for somebody "
		   "to choose, without end. GRUB does so when the time-out is -1, when a "
		   "key was pressed (on any of its consoles: noise on a serial port is "
		   "enough), and after a boot that failed (recordfail).",
	.shown_by = "The menu is on the screen or the serial console without the line that "
		    "counts down, and no operating system runs on the boot CPU.",
	.what_to_do = "Press Enter on its console. So that it does not happen again: set "
		      "GRUB_TIMEOUT, and GRUB_RECORDFAIL_TIMEOUT on Ubuntu, to some seconds; "
		      "do not feed the serial port while it boots.",
	.includes = vh_prompt_includes,
	.judge = judge,
};
