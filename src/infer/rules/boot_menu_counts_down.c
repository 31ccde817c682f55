/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/prompt.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *text = vh_fact(f, VH_FACT_TEXT_BOOT_COUNTDOWN);

	if (!vh_guest_is_visible(f) || !text)
		return;
	vh_for(j, VH_STRONG, text);
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_STAGE, 0));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_TEXT_BOOT_MENU));
	if (vh_fact_of(f, VH_FACT_VCPU_STAGE, 0) && !vh_boot_cpu_in_firmware(f))
		vh_against(j, VH_PROOF, vh_fact_of(f, VH_FACT_VCPU_STAGE, 0));
	vh_against(j, VH_PROOF, vh_dead_loop(f));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_STARVED));
	vh_at_most(j, VH_LIKELY,
		"it is what the guest shows: the seconds must pass, which was not seen");
	vh_next(j, "vmhang diagnose {name}",
		"look again in a minute: it should be booting by then");
}

const struct vh_rule vh_rule_boot_menu_counts_down = {
	.id = "boot-menu-counts-down",
	.title = "the boot menu counts down and will go on by itself",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_NO,
	.meaning = "A boot loader shows its menu and counts down to the entry that it "
		   "starts by itself. That is a boot that goes on in some seconds.",
	.shown_by = "The menu's line with the seconds that are left is on the screen, or is "
		    "written to the serial console during the window.",
	.what_to_do = "Wait. A countdown of minutes can be made shorter (GRUB_TIMEOUT).",
	.includes = vh_prompt_includes,
	.judge = judge,
};
