/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	vh_for(j, VH_PROOF, vh_fact(f, VH_FACT_CGROUP_FROZEN));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_CGROUP_NOT_FROZEN));
	vh_next(j, "cat /proc/{pid}/cgroup",
		"find the frozen cgroup (its own, or one above it) and who froze it: a container "
		"runtime's "
		"pause, systemctl freeze, a checkpoint");
	vh_next(j, NULL,
		"thaw it there: \"echo 0 > cgroup.freeze\" (cgroup v2), \"echo THAWED > "
		"freezer.state\" "
		"(v1), or systemctl thaw");
}

const struct vh_rule vh_rule_cgroup_frozen = {
	.id = "cgroup-frozen",
	.title = "the cgroup freezer holds the VMM's process",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_STOPPED,
	.hung = VH_HUNG_YES,
	.meaning = "The cgroup of the VMM, or one above it, is frozen: no thread of it runs "
		   "until it is thawed.",
	.shown_by = "cgroup v2: \"frozen 1\" in cgroup.events, while the threads sleep in "
		    "state S and look idle. cgroup v1: FROZEN in freezer.state, while the "
		    "threads are in state D and look as if they waited for a disk.",
	.what_to_do =
		"Thaw the cgroup that is frozen. Something froze it on purpose: docker or podman "
		"pause, systemctl freeze, a checkpoint tool. Expect the guest's clock to jump.",
	.judge = judge,
};
