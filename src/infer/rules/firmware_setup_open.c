/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/prompt.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_weigh_prompt(f, j, VH_FACT_TEXT_FIRMWARE_SETUP))
		return;
	if (!vh_fact(f, VH_FACT_BOOT_WAITS_FOR_PERSON))
		vh_at_most(j, VH_POSSIBLE, "whether the firmware still runs was not seen");
	vh_next_console(j, f, "leave it on its console: choose a device, or \"Continue\"");
	vh_next_disk(j, f, "see whether there is a disk that it could boot from");
}

static const char *const includes[] = {VH_PROMPT_INCLUDES, "firmware-no-boot-device", NULL};

const struct vh_rule vh_rule_firmware_setup_open = {
	.id = "firmware-setup-open",
	.title = "the firmware's setup or boot menu is open and waits",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_IDLE,
	.hung = VH_HUNG_YES,
	.meaning = "Somebody, or a stray key, opened the firmware's setup (UEFI) or boot "
		   "menu (SeaBIOS, UEFI). It stays open until it is left. UEFI opens its "
		   "setup by itself, too, where no boot option is left.",
	.shown_by = "Its text is on the serial console or on the text screen, and no "
		    "operating system runs on the boot CPU.",
	.what_to_do = "Choose a device, or leave the menu (Esc, \"Continue\", \"Reset\") on its "
		      "console. If it opens at every start: see whether keys are sent (a "
		      "client of the console, noise on the serial port), and whether there is "
		      "a boot option at all.",
	.includes = includes,
	.judge = judge,
};
