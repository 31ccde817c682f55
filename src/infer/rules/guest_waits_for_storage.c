/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *told = vh_fact(f, VH_FACT_HUNG_ON_STORAGE);
	const struct vh_fact *inside = vh_fact(f, VH_FACT_INSIDE_ON_STORAGE);
	const struct vh_fact *text = inside ? inside : told;
	const struct vh_fact *silent = vh_fact(f, VH_FACT_STORAGE_SILENT);

	if (!vh_guest_is_visible(f) || !text)
		return;
	/* The guest says that it waits, and outside a request is seen that is not answered. */
	vh_for(j, VH_PROOF, inside);
	vh_for(j, silent ? VH_PROOF : VH_STRONG, told);
	vh_for(j, VH_STRONG, silent);
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_THREAD_ON_STORAGE));
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_HUNG_TASK));
	vh_weigh_waiting(f, j);
	vh_title(j, "the guest waits for its disk: %s", text->text);
	vh_next_monitor(j, f, "domblkerror", "query-blockstats",
		"see which drive does not answer: its counters stand still while idle_time_ns "
		"grows");
	vh_next(j, "grep -H . /proc/{pid}/task/*/wchan | grep -vE 'futex|poll|kvm'",
		"see whether a thread of the VMM waits in the host's storage");
	vh_next_of_hung_task(j, f);
	vh_next(j, "vmhang diagnose {name} --save {name}.vmhang",
		"keep this evidence; the guest may go on by itself once its storage answers");
}

static const char *const includes[] = {"guest-hung-task", "guest-deadlock", NULL};

const struct vh_rule vh_rule_guest_waits_for_storage = {
	.id = "guest-waits-for-storage",
	.title = "tasks in the guest wait for its disk",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,

	.meaning = "Tasks of the guest have been waiting for minutes for a request to its disk. "
		   "Everything in it that touches that disk waits behind them, one after the "
		   "other; what needs no disk goes on, so that it answers pings and shows a login "
		   "prompt that leads nowhere.",
	.shown_by = "\"INFO: task ... blocked for more than ... seconds\" with io_schedule, "
		    "folio_wait, blk_ or a file system's journal in its stack; vCPUs at rest. "
		    "Certain where a request is seen outside that got no answer in the whole "
		    "window.",
	.what_to_do =
		"Find out who holds the request: a thread of the VMM in the host's kernel, a "
		"server (NBD, NFS, Ceph, iSCSI) that is down or slow, a limit (iops, bps) that "
		"is too low, or, where nothing outside waits, the guest's driver or a lost "
		"interrupt. Do not reset before you know: when the storage comes back, the "
		"guest goes on.",
	.includes = includes,
	.judge = judge,
};
