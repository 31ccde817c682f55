/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *silent = vh_fact(f, VH_FACT_DISK_SILENT);

	if (!silent || !vh_guest_is_visible(f))
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_DISK_SILENT);
	vh_for_all(j, f, VH_STRONG, VH_FACT_REQUEST_UNANSWERED);
	vh_for_all(j, f, VH_WEAK, VH_FACT_HOST_LOG);
	vh_weigh_waiting_guest(j, f);
	vh_at_most(j, VH_LIKELY,
		"a flush of much data to a slow disk waits for a second, too: look again, and "
		"longer");
	vh_title(j, "%s", silent->text);
	vh_auto_free char *file = vh_silent_file(f, silent);
	vh_auto_free char *command =
		file ? vh_asprintf("findmnt -T %s; iostat -x 1 3", file) : NULL;

	vh_next(j, command ? command : "iostat -x 1 3",
		"see on which device it lies, and whether that completes anything: a device with "
		"requests "
		"queued, 100 %% busy and no reads or writes is stuck");
	vh_next(j, "dmesg -T | tail -50; dmsetup info -c 2>/dev/null; multipath -ll 2>/dev/null",
		"look for time-outs and resets of that device, for lost paths, and for a suspended "
		"device-mapper volume (dmsetup resume NAME)");
	vh_next_while_storage_is_silent(j);
}

static const char *const includes[] = {"storage-does-not-answer", NULL};

const struct vh_rule vh_rule_storage_in_d_state = {
	.id = "storage-in-d-state",
	.title = "a request hangs in the host's kernel: the storage below a drive does not answer",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "A thread of QEMU made a system call on a drive's image and has not come back: "
		   "the "
		   "host's block device, volume or file system below it does not complete the "
		   "request. "
		   "Such a thread is mostly in state D, and cannot even be killed.",
	.shown_by = "A worker or I/O thread sleeps in functions of the block layer or of a file "
		    "system "
		    "(io_schedule, folio_wait, jbd2, xfs, blk_...) at both looks, and was not "
		    "woken once "
		    "in between.",
	.what_to_do = "Find the device (findmnt, lsblk) and what ails it: a lost path of "
		      "multipath with "
		      "queue_if_no_path, a suspended device-mapper volume, a disk that resets, a "
		      "full "
		      "thin pool. When it completes, the guest goes on.",
	.includes = includes,
	.judge = judge,
};
