/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *ready = vh_fact(f, VH_FACT_JOB_READY);
	const struct vh_fact *pending = vh_fact(f, VH_FACT_JOB_PENDING);
	const struct vh_fact *job = ready ? ready : pending;

	if (!job)
		return;
	vh_for(j, VH_STRONG, ready);
	vh_for(j, VH_STRONG, pending);
	vh_title(j, "%s", job->text);
	vh_next(j, "journalctl -u libvirtd -u virtqemud --since -1h | tail -50",
		"see what became of the management software or backup program that began it");
	vh_next_monitor(j, f, "blockjob --info --path DISK", "query-block-jobs",
		ready ? "complete it (block-job-complete; virsh blockjob --pivot) or cancel it "
			"(block-job-cancel; virsh blockjob --abort)"
		      : "end it: job-finalize, then job-dismiss");
}

const struct vh_rule vh_rule_job_ready_not_completed = {
	.id = "job-ready-not-completed",
	.title = "a block job has done its work, and nobody completes it",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_UNKNOWN,
	.meaning =
		"A mirror (or commit) has copied everything and follows each write since, until "
		"somebody says whether the VM shall go over to the copy. Every write of the guest "
		"is done twice meanwhile, and drives cannot be snapshotted or resized.",
	.shown_by = "query-block-jobs: the job is \"ready\" (or \"pending\", \"concluded\").",
	.what_to_do =
		"Normal for moments, and during a storage migration for as long as that lasts. "
		"Otherwise whoever began it has died: complete or cancel it.",
	.judge = judge,
};
