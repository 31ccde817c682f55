/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/prompt.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_weigh_boot_end(f, j, VH_FACT_TEXT_WINDOWS_BOOT_FAILED))
		return;
	vh_next_disk(j, f, "see whether the disk is the right one and whole");
	vh_next(j, "tr '\\0' '\\n' < /proc/{pid}/cmdline | grep -A1 -x -e -device -e -drive",
		"compare the bus and order of its disks with those that it last ran with");
}

static const char *const includes[] = {VH_PROMPT_INCLUDES, "firmware-no-boot-device", NULL};

const struct vh_rule vh_rule_windows_boot_failed = {
	.id = "windows-boot-failed",
	.title = "the Windows boot loader gave up",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_IDLE,
	.hung = VH_HUNG_YES,
	.meaning = "Windows' boot manager could not start Windows: its files, its "
		   "configuration (BCD) or the driver for its boot disk are missing or "
		   "damaged. It shows what and waits for a key.",
	.shown_by = "Its words on a text screen or the emergency console (\"BOOTMGR is "
		    "missing\", \"Windows failed to start\", \"Boot Configuration Data\"). Under "
		    "a graphical screen they cannot be read: look at the picture.",
	.what_to_do = "After a change of the disk's bus (IDE to virtio): put it back, or "
		      "install the driver first. Otherwise start the Windows recovery medium: "
		      "bootrec /fixmbr, /fixboot, /rebuildbcd; for UEFI bcdboot.",
	.includes = includes,
	.judge = judge,
};
