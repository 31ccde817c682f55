/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *frozen = vh_fact(f, VH_FACT_HOST_FILES_FROZEN);

	if (!frozen)
		return;
	/* Nothing else makes a write wait there, and no freeze is that long by design. */
	vh_for_all(j, f, VH_PROOF, VH_FACT_HOST_FILES_FROZEN);
	vh_for_all(j, f, VH_STRONG, VH_FACT_REQUEST_UNANSWERED);
	vh_weigh_waiting_guest(j, f);
	vh_title(j, "%s", frozen->text);
	vh_auto_free char *file = vh_silent_file(f, frozen);
	vh_auto_free char *where = file ? vh_asprintf("findmnt -T %s", file) : NULL;
	vh_auto_free char *thaw =
		file ? vh_asprintf("fsfreeze -u \"$(findmnt -n -o TARGET -T %s)\"", file) : NULL;

	vh_next(j, where ? where : "findmnt",
		"see which file system it is, and who froze it: a backup or snapshot job (fsfreeze "
		"-f, "
		"LVM or array snapshots, dmsetup suspend) that is still running or died");
	vh_next(j, thaw ? thaw : "fsfreeze -u MOUNTPOINT",
		"if that job is gone, thaw it: the guest's writes go on, and nothing is lost");
	vh_next_while_storage_is_silent(j);
}

static const char *const includes[] = {"storage-does-not-answer", "storage-in-d-state", NULL};

const struct vh_rule vh_rule_host_filesystem_frozen = {
	.id = "host-filesystem-frozen",
	.title = "the host's file system that holds a drive is frozen",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning =
		"Somebody froze the host's file system on which a drive's image lies (fsfreeze, a "
		"snapshot of the volume below it) and has not thawed it. Every write waits; reads "
		"of "
		"what is cached go on.",
	.shown_by =
		"A thread of QEMU waits in state D in percpu_rwsem_wait under vfs_write: the lock "
		"that a freeze holds.",
	.what_to_do = "Find who froze it, and thaw it with fsfreeze -u MOUNTPOINT (for a suspended "
		      "device-mapper volume: dmsetup resume). Nothing is lost.",
	.includes = includes,
	.judge = judge,
};
