/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/prompt.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_weigh_prompt(f, j, VH_FACT_TEXT_GRUB_RESCUE))
		return;
	vh_title(j, "GRUB found none of its files and waits at its rescue prompt");
	vh_next_console(j, f,
		"attach to its console; \"ls\" shows the disks and partitions that GRUB sees, "
		"\"set\" where it looks for its files (prefix)");
	vh_next_disk(j, f,
		"see whether the disk is the right one, and has a boot loader and partitions");
}

const struct vh_rule vh_rule_grub_rescue_prompt = {
	.id = "grub-rescue-prompt",
	.title = "GRUB found none of its files and waits at its rescue prompt",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_IDLE,
	.hung = VH_HUNG_YES,
	.meaning = "GRUB's first part was loaded, but not the rest: the file system that "
		   "should hold /boot/grub was not found, is not readable, or has moved. "
		   "Only a person at the console can go on from there.",
	.shown_by = "\"grub rescue>\" is the last thing on the screen or the serial console, "
		    "and no operating system runs on the boot CPU. GRUB polls for a key, so "
		    "the vCPU looks busy.",
	.what_to_do = "The line above the prompt says what is missing (\"no such partition\", "
		      "\"unknown filesystem\", \"symbol not found\"). Is the right disk first in "
		      "the boot order, and attached as before (bus, order)? At the prompt: "
		      "ls; set prefix=(hd0,gpt2)/boot/grub; insmod normal; normal. Once it is "
		      "up, install GRUB again (grub-install).",
	.includes = vh_prompt_includes,
	.judge = judge,
};
