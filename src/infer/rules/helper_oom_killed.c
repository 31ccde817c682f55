/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	static const enum vh_fact_id gone[] = {VH_FACT_STORAGE_SILENT, VH_FACT_MONITOR_SILENT,
		VH_FACT_DRIVE_FAILED, VH_FACT_RUNSTATE_IO_ERROR, VH_FACT_VHOST_USER_GONE};
	const struct vh_fact *killed = vh_fact(f, VH_FACT_HELPER_OOM_KILLED);
	bool felt = false;

	if (!killed)
		return;
	vh_for(j, VH_STRONG, killed);
	for (size_t i = 0; i < VH_ARRAY_SIZE(gone); i++) {
		const struct vh_fact *one = vh_fact(f, gone[i]);

		vh_for(j, VH_STRONG, one);
		felt |= one != NULL;
	}
	/* The line does not tell whose helper it was. */
	if (!felt)
		vh_at_most(j, VH_POSSIBLE,
			"the helper may have been another VM's: nothing of this one is seen to "
			"miss it");
	else
		vh_at_most(j, VH_LIKELY, "the line does not tell whose helper it was");
	vh_title(j, "%s", killed->text);
	vh_next(j, "dmesg -T | grep -iE 'out of memory|oom-kill|killed process'",
		"see what was killed, and by which limit (CONSTRAINT_MEMCG: its cgroup's; "
		"CONSTRAINT_NONE: the host's)");
	vh_next(j, "tr '\\0' '\\n' </proc/{pid}/cmdline | grep -E 'socket|vhost|nbd|tpm'",
		"see which helper this VM uses; start it again on the same socket where the device "
		"reconnects (reconnect= of its chardev), else restart the VM");
	vh_next(j, NULL,
		"give it more memory, or a lower oom_score_adj, so that it is not chosen next");
}

static const char *const includes[] = {
	"nbd-server-gone", "vhost-user-backend-gone", "storage-fails", NULL};

const struct vh_rule vh_rule_helper_oom_killed = {
	.id = "helper-oom-killed",
	.title = "the host ran out of memory and killed a helper program of the VM",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "A program that serves a device of the VM (virtiofsd, swtpm, passt, "
		   "qemu-nbd, a vhost-user back end) was killed by the host's OOM killer. "
		   "The VM itself lives; what it asks of that device is never answered.",
	.shown_by = "The host's kernel log says \"Out of memory: Killed process N "
		    "(virtiofsd)\", or the like, since the VM was started, and a device of "
		    "the VM has lost its other end.",
	.what_to_do = "Start the helper again where the device can reconnect; most vhost-user "
		      "devices cannot without a restart of the VM. Find out what used the "
		      "memory, and give the helper room.",
	.includes = includes,
	.judge = judge,
};
