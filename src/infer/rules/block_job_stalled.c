/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *still = vh_fact(f, VH_FACT_JOB_STILL);

	if (!still)
		return;
	vh_for(j, VH_STRONG, still);
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_STORAGE_SILENT));
	vh_title(j, "%s", still->text);
	vh_next(j, "grep -H . /proc/{pid}/task/*/wchan; ls -l /proc/{pid}/fd",
		"see what its requests wait for: storage, a FUSE server, or the other end of a "
		"network connection");
	vh_next_monitor(j, f, "blockjob --info --path DISK", "query-block-jobs",
		"look again: a slow target may only be slow");
	vh_next(j, NULL,
		"do not cancel it, nor query or detach its drives, while its storage does not "
		"answer: the VMM would wait for that storage, and the whole VM with it");
}

const struct vh_rule vh_rule_block_job_stalled = {
	.id = "block-job-stalled",
	.title = "a block job does not move",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_UNKNOWN,
	.meaning =
		"A mirror, backup, commit or stream of a drive does not go on: what it reads from "
		"or "
		"writes to does not answer. The guest's own requests to the drive may wait for it.",
	.shown_by = "query-block-jobs: the job runs, its offset was the same for most of a second, "
		    "and no speed limit explains that.",
	.what_to_do =
		"Bring the storage back: the job then goes on. Touch the job only after that.",
	.judge = judge,
};
