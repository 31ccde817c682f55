/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *cannot = vh_fact(f, VH_FACT_CANNOT_END);

	if (!cannot || vh_fact(f, VH_FACT_PROCESS_GONE))
		return;
	vh_for(j, VH_PROOF, cannot);
	vh_for_all(j, f, VH_WEAK, VH_FACT_THREAD_ON_STORAGE);
	vh_title(j, "%s", cannot->text);
	vh_next(j,
		"cat /proc/{pid}/task/*/stack; dmesg -T | grep -iE 'hung_task|blocked for "
		"more|nfs|I/O error' | tail",
		"see what the thread waits for: storage, mostly");
	vh_next(j, NULL,
		"mend that: the process then ends at once. Of a dead FUSE server: echo 1 "
		">/sys/fs/fuse/connections/N/abort; of NFS: umount -f MOUNT");
	vh_next(j, NULL,
		"do not start the VM on another host before this one is gone, or cut off from its "
		"disks: what it had under way may still be written");
	vh_next(j, NULL, "if nothing helps, only a reboot of the host ends it");
}

const struct vh_rule vh_rule_process_cannot_end = {
	.id = "process-cannot-end",
	.title = "the VMM was killed and cannot end: a thread of it is in the kernel",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning =
		"Somebody killed the VMM (kill -9, virsh destroy, the OOM killer), but one of its"
		" threads is inside of the kernel in a wait that not even SIGKILL breaks, as "
		"storage that does not answer makes them. Until that returns the process stays, "
		"with its memory, its locks on images and its network devices.",
	.shown_by =
		"SIGKILL is pending in a thread in state D at both looks, or the first thread is "
		"a zombie while another one is still there, in state D.",
	.what_to_do =
		"kill -9 once more changes nothing. Mend what the thread waits for. libvirt "
		"reports \"Failed to terminate process ... Device or resource busy\" meanwhile, and"
		" the images stay locked.",
	.judge = judge,
};
