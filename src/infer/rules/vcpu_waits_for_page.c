/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *waits = vh_fact(f, VH_FACT_VCPU_WAITS_FOR_PAGE);

	vh_for_all(j, f, VH_PROOF, VH_FACT_VCPU_WAITS_FOR_PAGE);
	if (!waits)
		return;
	vh_title(j, "%s", waits->text);
	vh_next(j, "grep -E 'fuse|ram|memfd|hugetlb' /proc/{pid}/maps | head",
		"see what backs the guest's memory, and mend whoever serves it (a FUSE server, the "
		"source of a "
		"post-copy migration, a userfaultfd handler)");
	vh_next(j, NULL,
		"ask the monitor for no registers meanwhile: it would wait for the vCPU for ever");
}

const struct vh_rule vh_rule_vcpu_waits_for_page = {
	.id = "vcpu-waits-for-page",
	.title = "a vCPU waits for a page of its memory",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "A vCPU touched a page of guest memory that is not there yet, and whoever "
		   "must deliver it does not: the source of a post-copy migration, a "
		   "userfaultfd handler, or the file system that the memory lies on.",
	.shown_by = "The vCPU's thread is in KVM_RUN and sleeps in handle_userfault, or in a "
		    "file system's page fault (request_wait_answer for FUSE).",
	.what_to_do =
		"Bring the page's source back. A post-copy migration whose source is lost cannot "
		"be mended: the VM must be restarted from its disk.",
	.judge = judge,
};
