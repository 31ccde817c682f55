/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/prompt.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_weigh_boot_end(f, j, VH_FACT_TEXT_DISK_UNREADABLE))
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_DRIVE_FAILED);
	vh_for_all(j, f, VH_STRONG, VH_FACT_BOOT_READS_FAIL);
	if (!vh_fact(f, VH_FACT_DRIVE_FAILED) && !vh_fact(f, VH_FACT_BOOT_READS_FAIL))
		vh_at_most(j, VH_LIKELY, "the VMM was not seen to count a failed request");
	vh_next_disk(
		j, f, "read the start of the disk on the host: an error there is the storage's");
	vh_next_monitor(j, f, "domstats --block", "query-blockstats",
		"see whether the drive counts failed reads");
	vh_next(j, "dmesg -T | grep -iE 'I/O error|nfs|nbd|ceph|rbd'",
		"see what the host's kernel says of that storage");
}

static const char *const includes[] = {
	VH_PROMPT_INCLUDES, "firmware-no-boot-device", "boot-sector-finds-no-system", NULL};

const struct vh_rule vh_rule_boot_disk_unreadable = {
	.id = "boot-disk-unreadable",
	.title = "the firmware or boot loader cannot read the disk that it boots from",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_IDLE,
	.hung = VH_HUNG_YES,
	.meaning = "The disk is there, but reading it failed: the storage behind it "
		   "returns errors, the image is damaged or cut short, or the loader asks "
		   "for blocks beyond its end (a disk that was shrunk, or one with another "
		   "sector size).",
	.shown_by = "The firmware's or boot loader's own words on the screen or serial "
		    "console (\"could not read the boot disk\", \"failure reading sector\", "
		    "\"disk read error\"), while no operating system runs on the boot CPU.",
	.what_to_do = "Read the same blocks on the host: that tells whether the storage or "
		      "the guest's view of it is at fault. Look at the VMM's log and the "
		      "host's kernel log for I/O errors.",
	.includes = includes,
	.judge = judge,
};
