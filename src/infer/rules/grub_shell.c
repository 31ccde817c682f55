/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/prompt.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_weigh_prompt(f, j, VH_FACT_TEXT_GRUB_SHELL))
		return;
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_GRUB_RESCUE));
	vh_title(j, "GRUB found no menu and waits at its prompt");
	vh_next_console(j, f,
		"attach to its console, and load the menu: configfile "
		"(hd0,gpt2)/boot/grub/grub.cfg, or whatever \"ls\" shows");
	vh_next_disk(j, f, "see whether the disk is the right one");
}

const struct vh_rule vh_rule_grub_shell = {
	.id = "grub-shell",
	.title = "GRUB found no menu and waits at its prompt",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_IDLE,
	.hung = VH_HUNG_YES,
	.meaning = "GRUB is complete but found no configuration (grub.cfg), or its "
		   "configuration was left for the command line. It waits for commands and "
		   "has no time-out.",
	.shown_by = "\"grub>\" is the last thing on the screen or the serial console, and no "
		    "operating system runs on the boot CPU. GRUB polls for a key, so the "
		    "vCPU looks busy.",
	.what_to_do = "Find the configuration: ls; configfile (hd0,gpt2)/boot/grub/grub.cfg; "
		      "or \"exit\" to leave for the firmware's next boot entry. A grub.cfg that "
		      "is empty or was not made after an image was built is the usual reason "
		      "(update-grub), or, under UEFI, a stub grub.cfg whose search for the "
		      "root's UUID finds nothing.",
	.includes = vh_prompt_includes,
	.judge = judge,
};
