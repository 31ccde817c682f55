/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/protected.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	struct vh_firmware_spin s;

	if (!vh_firmware_spins(f, &s) || vh_stage_seen(f, 0) != VH_STAGE_OVMF_DXE)
		return;
	vh_for(j, VH_WEAK, s.stage);
	vh_for(j, VH_WEAK, s.silent);
	/* Nothing computes with PAUSE, and no key derivation takes ten minutes. */
	vh_against(j, s.ran_long ? VH_PROOF : VH_STRONG, s.pause);
	vh_against(j, s.pause ? VH_PROOF : VH_STRONG, s.ran_long);
	vh_against(j, VH_STRONG, s.apic);
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_ASKS_HOST, 0));
	vh_against_firmware_spin(j, f);
	vh_at_most(j, VH_POSSIBLE, "a computation looks like a loop from outside");
	vh_next(j, "vmhang diagnose {name} --window 30s", "wait, and look again");
}

const struct vh_rule vh_rule_boot_loader_computes = {
	.id = "boot-loader-computes",
	.title = "the boot loader computes (a key, a signature)",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_NO,
	.meaning = "Under UEFI a boot loader or the kernel's EFI stub runs with the firmware's "
		   "control registers. Deriving a key for an encrypted disk, or unpacking a large "
		   "initramfs, takes seconds to a minute of pure computation.",
	.shown_by = "The boot CPU runs all the time and asks the host for nothing, but executes no "
		    "PAUSE, and has not run for long.",
	.what_to_do = "Wait a few minutes.",
	.judge = judge,
};
