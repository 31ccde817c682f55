/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *stopped = vh_fact(f, VH_FACT_JOB_STOPPED_BY_ERROR);

	if (!stopped)
		return;
	vh_for(j, VH_PROOF, stopped);
	vh_title(j, "%s", stopped->text);
	vh_next(j, "ls -l /proc/{pid}/fd | grep -v -E 'anon_inode|socket|pipe'; df -h",
		"see where it writes to, and mend that: make room, or bring the storage back");
	vh_next_monitor(j, f, "blockjob --info --path DISK", "query-block-jobs",
		"then let it go on (block-job-resume), or cancel it (block-job-cancel; virsh "
		"blockjob --abort)");
}

static const char *const includes[] = {"block-job-stalled", NULL};

const struct vh_rule vh_rule_block_job_waits_for_error = {
	.id = "block-job-waits-for-error",
	.title = "a block job is paused for an error",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_UNKNOWN,
	.includes = includes,
	.meaning =
		"A mirror, backup, commit or stream of a drive met an error, and was told to stop "
		"then (on-error=stop, enospc). It waits for somebody who mends it; until then the "
		"backup or copy does not go on. The VM itself runs, unless something waits for the "
		"job.",
	.shown_by = "query-block-jobs: the job is paused, with an io-status of \"nospace\" or "
		    "\"failed\".",
	.what_to_do =
		"Make room or mend the storage, then block-job-resume. Or cancel the job: the "
		"drive stays as it is.",
	.judge = judge,
};
