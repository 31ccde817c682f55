/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/healthy.h"

/* Fewer requests a second are what any guest does beside its work. */
#define MANY_PER_S 50

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *moves = vh_fact(f, VH_FACT_DRIVES_MOVE);

	if (!vh_guest_is_visible(f) || !moves || moves->value < MANY_PER_S || !vh_weigh_work(f, j))
		return;
	vh_for(j, VH_STRONG, moves);
	/* Firmware reads its boot loader so, byte by byte if need be. */
	if (vh_boot_cpu_in_firmware(f))
		vh_at_most(j, VH_POSSIBLE, "firmware or a boot loader reads the disk");
	vh_title(
		j, "the guest works, and its drives with it: %.0f requests a second", moves->value);
	vh_next(j, "vmhang diagnose {name} --window 5s --verbose",
		"see which drive it is, and whether all of them answer");
	vh_next(j, NULL,
		"if it is too slow, its disk may be what it waits for: look inside (iostat -x 1: "
		"%%util, await), at the drive's limits (virsh blkdeviotune, throttling.*), and at "
		"the host's storage");
}

static const char *const includes[] = {"guest-busy", "guest-idle", NULL};

const struct vh_rule vh_rule_guest_disk_busy = {
	.id = "guest-disk-busy",
	.title = "the guest works, and its drives with it",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_NO,
	.includes = includes,
	.meaning = "The guest is at work, and reads or writes its disks all the time. Its requests "
		   "are answered: neither the guest nor its storage hangs.",
	.shown_by = "QEMU's counters of answered requests (query-blockstats) grow from one look to "
		    "the next, while vCPUs run, sleep and are woken.",
	.what_to_do =
		"Nothing, if that load is meant. If services in it are slow, its disk is the first "
		"thing to look at: a limit on the drive, a busy or distant storage behind it, a "
		"guest that writes each block with a flush.",
	.judge = judge,
};
