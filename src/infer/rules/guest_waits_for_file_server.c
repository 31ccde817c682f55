/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *told = vh_fact(f, VH_FACT_HUNG_ON_FILE_SERVER);
	const struct vh_fact *inside = vh_fact(f, VH_FACT_INSIDE_ON_FILE_SERVER);
	const struct vh_fact *text = inside ? inside : told;

	if (!vh_guest_is_visible(f) || !text)
		return;
	vh_for(j, VH_PROOF, inside);
	vh_for(j, VH_STRONG, told);
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_HUNG_TASK));
	vh_weigh_waiting(f, j);
	vh_title(j, "the guest waits for a file server: %s", text->text);
	vh_next(j, "ps -eo pid,stat,wchan:32,args | grep -E 'virtiofsd|9p|[n]fsd'",
		"see whether the server is there and answers: virtiofsd and 9p run on this host, "
		"NFS or "
		"SMB wherever the guest mounts from");
	vh_next(j, NULL, "test the way to it: the guest's network, where it is NFS, SMB or Ceph");
	vh_next_of_hung_task(j, f);
}

static const char *const includes[] = {"guest-hung-task", "guest-deadlock", NULL};

const struct vh_rule vh_rule_guest_waits_for_file_server = {
	.id = "guest-waits-for-file-server",
	.title = "tasks in the guest wait for a file server",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,

	.meaning = "Tasks of the guest wait for an answer of a file server: NFS, SMB or Ceph over "
		   "its network, or virtiofs or 9p, which are served by the host. With a hard "
		   "mount they wait until it answers, be it for days.",
	.shown_by = "\"INFO: task ... blocked\" with rpc_, nfs, request_wait_answer or fuse_, p9_, "
		    "cifs_ or ceph_ in its stack.",
	.what_to_do =
		"Bring the server back, or the way to it, and the guest goes on. virtiofsd that "
		"ended cannot be started anew under a running guest: umount -l in the guest, or "
		"restart the VM.",
	.includes = includes,
	.judge = judge,
};
