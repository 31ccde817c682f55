/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *limit = vh_fact(f, VH_FACT_CGROUP_IO_LIMIT);
	const struct vh_fact *silent = vh_fact(f, VH_FACT_DISK_SILENT);
	const struct vh_fact *request = vh_fact(f, VH_FACT_REQUEST_UNANSWERED);

	/* A limit that nobody waits for harms nobody. */
	if (!vh_guest_is_visible(f) || !limit || (!silent && !request))
		return;
	vh_for(j, VH_STRONG, limit);
	vh_for_all(j, f, VH_STRONG, VH_FACT_DISK_SILENT);
	vh_for_all(j, f, VH_STRONG, VH_FACT_REQUEST_UNANSWERED);
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_FUSE_SILENT));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_NFS_SILENT));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_HOST_FILES_FROZEN));
	vh_at_most(j, VH_LIKELY, "the storage itself may be stuck besides");
	vh_title(j, "the guest waits for its disk, for %s", limit->text);
	vh_next(j,
		"cat /proc/{pid}/cgroup; grep -rH . "
		"--include='blkio.throttle.*_device' --include=io.max /sys/fs/cgroup 2>/dev/null",
		"find the cgroup, and who set the limit (IOReadBandwidthMax= and its like of a "
		"systemd unit, <blkiotune> of a libvirt domain, a container's limits)");
	vh_next_monitor(j, f, "blkiotune", "query-blockstats",
		"raise or remove it, and see that requests complete again");
}

static const char *const includes[] = {"storage-does-not-answer", "storage-in-d-state", NULL};

const struct vh_rule vh_rule_cgroup_io_limit = {
	.id = "cgroup-io-limit",
	.title = "a cgroup limits the VM's I/O to next to nothing",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "The VM's cgroup, or one above it, may read or write only so many bytes or "
		   "requests a second on a device of the host (io.max, blkio.throttle.*), and the "
		   "guest waits for its turn. The storage is well; so is QEMU.",
	.shown_by = "A limit of less than 256 KiB or 10 requests a second is set, and a request of "
		    "the guest, or a thread of QEMU, waited for the disk all through the window.",
	.what_to_do = "Raise or remove the limit where it was set; the guest goes on at once.",
	.includes = includes,
	.judge = judge,
};
