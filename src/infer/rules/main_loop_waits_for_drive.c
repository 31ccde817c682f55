/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/mainloop.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *nested = vh_fact(f, VH_FACT_MAIN_NESTED);

	if (!nested || !vh_main_loop_may_hang(f))
		return;
	vh_for_main_loop(j, f, nested);
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_STORAGE_SILENT));
	vh_for_all(j, f, VH_WEAK, VH_FACT_THREAD_ON_STORAGE);
	if (vh_fact(f, VH_FACT_STORAGE_SILENT))
		vh_title(j, "the main loop waits for a drive's requests within a command, and %s",
			vh_fact(f, VH_FACT_STORAGE_SILENT)->text);
	vh_next(j, "grep -H . /proc/{pid}/task/*/wchan; ss -tnp | grep -F pid={pid}",
		"find the storage that does not answer: a worker thread that waits in a file "
		"system, "
		"or a connection to a server (NBD, iSCSI, Ceph)");
	vh_next(j, "cat /proc/{pid}/io; sleep 2; cat /proc/{pid}/io",
		"see whether it is only slow: a snapshot (savevm) writes all memory meanwhile");
	vh_next_backtraces(j);
}

static const char *const includes[] = {"vmm-main-loop-blocked", NULL};

const struct vh_rule vh_rule_main_loop_waits_for_drive = {
	.id = "main-loop-waits-for-drive",
	.title = "the main loop waits for a drive within a command",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning =
		"Some commands wait until all requests of a drive have ended, and hold the main "
		"loop meanwhile: stop, savevm, snapshots, resizing or unplugging a drive, a reset"
		" of its controller, the end of a migration. One request hangs in the storage, so"
		" the command hangs, and with it the monitor and sooner or later the guest.",
	.shown_by =
		"The main thread polls, as it does at rest, but for one or two descriptors only, "
		"or while it holds its lock; it was not woken once, and query-status is not "
		"answered.",
	.what_to_do =
		"Mend the storage that the request waits for, or cut the connection to it: the "
		"request ends, and everything goes on. A throttled drive ends them by itself, in "
		"its time. Do not stop, snapshot or reset a VM whose storage hangs: that is what "
		"turns a hung disk into a hung VM.",
	.includes = includes,
	.judge = judge,
};
