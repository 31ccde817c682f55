/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/mainloop.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *blocked = vh_fact(f, VH_FACT_MAIN_BLOCKED);

	if (!blocked || !vh_main_loop_may_hang(f) ||
		!((int)blocked->value == VH_WAIT_FUSE || (int)blocked->value == VH_WAIT_DISK))
		return;
	vh_for_main_loop(j, f, blocked);
	vh_title(j, "%s", blocked->text);
	vh_for_all(j, f, VH_WEAK, VH_FACT_THREAD_ON_STORAGE);
	vh_next(j,
		"cat /proc/{pid}/stack; grep -E ' (nfs4?|cifs|ceph|fuse[^ ]*) ' "
		"/proc/{pid}/mountinfo",
		"see which file system it waits for, and whether that answers at all: stat a file "
		"of it, with a deadline (timeout 5 stat FILE)");
	vh_next(j, "dmesg -T | grep -iE 'nfs|ceph|cifs|fuse|I/O error|hung_task' | tail",
		"see whether the host's kernel complains about it");
	vh_next(j, NULL,
		"once the storage answers, the VM goes on by itself. A FUSE file system whose "
		"server "
		"is dead can be given up: echo 1 >/sys/fs/fuse/connections/N/abort");
}

static const char *const includes[] = {"vmm-main-loop-blocked", NULL};

const struct vh_rule vh_rule_main_loop_on_storage = {
	.id = "main-loop-on-storage",
	.title = "the VMM's main loop waits for storage",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "The main thread of the VMM is inside of the kernel, at a file that does not "
		   "answer: an image whose size it asks, a log, a screen dump, a firmware file, on "
		   "network storage, FUSE or a broken disk. Until that returns it serves no device "
		   "and no monitor, and every vCPU that needs it stops, too.",
	.shown_by = "The main thread waits in a function of a file system or of the block layer at "
		    "every look, and query-status is not answered.",
	.what_to_do =
		"Mend the storage: the VM itself is well. Send no further monitor commands; "
		"query-block and the like ask the same file again. Killing the VMM mostly does "
		"not help either, as the kernel waits on.",
	.includes = includes,
	.judge = judge,
};
