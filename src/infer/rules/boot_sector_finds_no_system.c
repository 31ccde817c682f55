/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/prompt.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_weigh_boot_end(f, j, VH_FACT_TEXT_NO_SYSTEM))
		return;
	vh_next_disk(j, f,
		"see what is on the disk: partitions, an active one, an EFI system partition");
	vh_next(j, NULL,
		"compare the boot order and the firmware (SeaBIOS, OVMF) with those that this disk "
		"was installed with");
}

static const char *const includes[] = {VH_PROMPT_INCLUDES, "firmware-no-boot-device", NULL};

const struct vh_rule vh_rule_boot_sector_finds_no_system = {
	.id = "boot-sector-finds-no-system",
	.title = "the disk has a boot sector, but no system that it could start",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_IDLE,
	.hung = VH_HUNG_YES,
	.meaning = "The firmware started the disk's boot sector, and that found nothing to "
		   "go on with: no active partition, an empty or wrong one, or the boot "
		   "sector of a mere data disk. The machine waits or is halted.",
	.shown_by = "The boot sector's own words on the screen (\"Missing operating system\", "
		    "\"Operating system not found\", \"Invalid partition table\", \"This is not "
		    "a bootable disk\"), while no operating system runs on the boot CPU.",
	.what_to_do = "Is it the right disk, and first in the boot order? Was the system "
		      "installed for UEFI, and is started with SeaBIOS? Then give the VM "
		      "OVMF. Else install the boot loader again from a rescue system.",
	.includes = includes,
	.judge = judge,
};
