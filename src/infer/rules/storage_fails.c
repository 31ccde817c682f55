/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *fail = vh_fact(f, VH_FACT_REQUESTS_FAIL);
	const struct vh_fact *some = vh_fact(f, VH_FACT_SOME_REQUESTS_FAIL);

	if (!vh_guest_is_visible(f) || (!fail && !some))
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_REQUESTS_FAIL);
	vh_for_all(j, f, VH_STRONG, VH_FACT_SOME_REQUESTS_FAIL);
	vh_for_all(j, f, VH_WEAK, VH_FACT_DRIVE_FAILED);
	vh_for_all(j, f, VH_WEAK, VH_FACT_DRIVE_NO_SPACE);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LOG_VMM_ERROR));
	if (!fail)
		vh_at_most(j, VH_POSSIBLE, "other requests to the same drive succeed");
	vh_title(j, "the guest's storage fails: %s", fail ? fail->text : some->text);
	vh_next(j, "dmesg -T | tail -50",
		"find the storage error on the host, and mend it: a disk, a path, a full file "
		"system, a "
		"server that is away");
	vh_next_monitor(j, f, "domblkerror", "query-block",
		"once that storage answers again: see what each drive reports");
	vh_next(j, NULL,
		"then look into the guest: it was told of every error; its file systems may be "
		"read-only, "
		"and it may need a reset. werror=stop,rerror=stop of a drive pauses the VM "
		"instead, and "
		"loses nothing");
}

static const char *const includes[] = {"guest-waits-for-device", NULL};

const struct vh_rule vh_rule_storage_fails = {
	.id = "storage-fails",
	.title = "requests to a drive fail, and the guest is told so",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_YES,
	.meaning =
		"Every request that the guest makes to a drive fails on the host, and the drive's "
		"policy (werror, rerror: report, or enospc for other errors) hands the error to "
		"the "
		"guest. The VM runs; what needs the drive in it does not.",
	.shown_by =
		"failed_rd_operations or failed_wr_operations in query-blockstats grow from one "
		"look to the next, and no request succeeds; QEMU sends BLOCK_IO_ERROR events.",
	.what_to_do = "Mend the storage, then restart or repair the guest: it has seen the errors.",
	.includes = includes,
	.judge = judge,
};
