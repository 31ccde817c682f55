/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *silent = vh_fact(f, VH_FACT_FUSE_SILENT);

	if (!silent || !vh_guest_is_visible(f))
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_FUSE_SILENT);
	vh_for_all(j, f, VH_STRONG, VH_FACT_REQUEST_UNANSWERED);
	vh_weigh_waiting_guest(j, f);
	vh_at_most(j, VH_LIKELY,
		"a very slow server answers nothing for a second, too: look again, and longer");
	vh_title(j, "%s", silent->text);
	vh_auto_free char *file = vh_silent_file(f, silent);
	vh_auto_free char *command = file ? vh_asprintf("findmnt -T %s", file) : NULL;

	vh_next(j, command ? command : "grep fuse /proc/{pid}/mounts",
		"see which file system that is, and whose process serves it (sshfs, glusterfs, "
		"s3fs, "
		"virtiofs, ...): is that process alive, stopped, or waiting itself?");
	vh_next(j, "grep -H . /sys/fs/fuse/connections/*/waiting",
		"see that requests wait; if the server is lost for good, writing 1 to \"abort\" "
		"beside it "
		"makes them fail: the guest then sees I/O errors, or is paused (werror=stop)");
	vh_next_while_storage_is_silent(j);
}

static const char *const includes[] = {"storage-does-not-answer", NULL};

const struct vh_rule vh_rule_fuse_backend_stalled = {
	.id = "fuse-backend-stalled",
	.title = "a FUSE file system that holds a drive does not answer",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "A drive's image lies on a file system that a process serves (FUSE: glusterfs, "
		   "sshfs, "
		   "s3fs, cephfs-fuse and the like), and that process does not answer. FUSE has no "
		   "time-out by itself.",
	.shown_by = "A worker thread of QEMU waits in request_wait_answer, in state S rather than "
		    "D, and "
		    "was not woken once in the window.",
	.what_to_do = "Bring the serving process back; the requests are answered then, and "
		      "nothing is lost. "
		      "Abort the connection only if it is lost for good.",
	.includes = includes,
	.judge = judge,
};
