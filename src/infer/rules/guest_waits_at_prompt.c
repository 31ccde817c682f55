/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *text = vh_fact(f, VH_FACT_TEXT_BOOT_PROMPT);

	if (!vh_guest_is_visible(f) || !text)
		return;
	vh_for(j, VH_STRONG, text);
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_HLT, 0));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_PANIC));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_LOGIN));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_BUSY));
	vh_title(j, "%s", text->text);
	vh_next(j, "virsh console {name}", "attach to its console and answer it");
}

const struct vh_rule vh_rule_guest_waits_at_prompt = {
	.id = "guest-waits-at-prompt",
	.title = "the guest waits for a person at a boot or rescue prompt",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_IDLE,
	.hung = VH_HUNG_YES,
	.meaning = "Boot did not get through: the boot loader, the initramfs or the emergency "
		   "mode asks for a person.",
	.shown_by =
		"The prompt is the last thing on the serial console or screen (\"grub rescue>\", "
		"\"(initramfs)\", \"emergency mode\"), and the vCPUs are idle.",
	.what_to_do =
		"Read what stands above the prompt: mostly a root file system or a disk was not "
		"found.",
	.judge = judge,
};
