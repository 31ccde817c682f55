/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *waits = vh_fact(f, VH_FACT_LAUNCH_NOT_FINISHED);
	const struct vh_fact *prelaunch = vh_fact(f, VH_FACT_RUNSTATE_PRELAUNCH);
	const struct vh_fact *paused = vh_fact(f, VH_FACT_RUNSTATE_PAUSED);

	if (!waits)
		return;
	vh_for(j, prelaunch || paused ? VH_PROOF : VH_STRONG, waits);
	vh_for(j, VH_STRONG, prelaunch);
	vh_for(j, VH_STRONG, paused);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_OPTION_PAUSED_AT_START));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_PLATFORM_FAILED));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	vh_next(j, NULL,
		"whoever attests the guest must look at its measurement (virsh "
		"domlaunchsecinfo, query-sev-launch-measure), hand it its secret (virsh "
		"domsetlaunchsecstate) and let it go: find out where that stopped");
	vh_next_monitor(j, f, "resume", "cont", "then, or if there is nothing to attest, start it");
}

static const char *const includes[] = {"never-started", "vm-paused", NULL};

const struct vh_rule vh_rule_encrypted_launch_waits = {
	.id = "encrypted-launch-waits",
	.title = "the encrypted guest's launch is not finished: its attestation waits",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.meaning = "A SEV guest that is to be attested is made paused: its memory is measured, "
		   "its owner checks the measurement and sends a secret, and only then is it "
		   "started. That did not come to its end.",
	.shown_by = "query-sev says launch-update or launch-secret, query-status prelaunch or "
		    "paused.",
	.what_to_do = "See what the attesting side waits for, or whether it died.",
	.includes = includes,
	.judge = judge,
};
