/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/prompt.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_weigh_prompt(f, j, VH_FACT_TEXT_PASSPHRASE))
		return;
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_ACTIVE));
	if (!vh_fact(f, VH_FACT_BOOT_WAITS_FOR_PERSON) && vh_fact(f, VH_FACT_VCPU_BUSY))
		vh_at_most(j, VH_POSSIBLE, "an operating system runs, and is at work");
	vh_next_console(j, f, "attach to its console and type the passphrase");
	vh_next(j, "tr '\\0' '\\n' < /proc/{pid}/cmdline | grep -iE 'tpm|secret'",
		"if it used to start alone: see whether its TPM or key drive is still there");
}

const struct vh_rule vh_rule_guest_waits_for_passphrase = {
	.id = "guest-waits-for-passphrase",
	.title = "the guest waits for the passphrase of an encrypted disk",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_IDLE,
	.hung = VH_HUNG_YES,
	.meaning = "The disk is encrypted, and boot does not go on before somebody types "
		   "its passphrase: GRUB's cryptodisk, the initramfs (cryptsetup, "
		   "systemd-ask-password), or BitLocker. After a restart of the host, or a "
		   "migration that ended in a reboot, that often goes unnoticed.",
	.shown_by = "The question is among the last lines on the screen or the serial "
		    "console, and the vCPUs are idle, or poll for a key.",
	.what_to_do = "Type the passphrase on its console. To have it start alone: bind the "
		      "disk to a vTPM or a key server (clevis, tang; systemd-cryptenroll), or "
		      "give the key in a second drive. A TPM that was lost with its state "
		      "file makes the guest ask, too.",
	.includes = vh_prompt_includes,
	.judge = judge,
};
