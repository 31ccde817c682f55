/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/moving.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *waits = NULL;
	bool stuck = false;

	for (size_t i = 0; i < f->n; i++) {
		const struct vh_fact *one = f->list[i];

		if (one->id != VH_FACT_VCPU_WAITS_FOR_PAGE)
			continue;
		const struct vh_fact *come = vh_pages_come(f, one->vcpu);

		vh_for(j, come ? VH_STRONG : VH_PROOF, one);
		vh_against(j, VH_WEAK, come);
		waits = !waits || (!stuck && !come) ? one : waits;
		stuck |= !come;
	}
	if (!waits)
		return;
	if (!stuck)
		vh_at_most(j, VH_POSSIBLE,
			"it is woken again and again: pages do come, if slowly, as in a post-copy "
			"migration that goes on");
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
	.shown_by =
		"The vCPU's thread is in KVM_RUN and sleeps in handle_userfault, or in a "
		"file system's page fault (request_wait_answer for FUSE), and is not woken. Where "
		"it is, pages come, and vmhang says only \"possible\".",
	.what_to_do =
		"Bring the page's source back. A post-copy migration whose source is lost cannot "
		"be mended: the VM must be restarted from its disk.",
	.judge = judge,
};
