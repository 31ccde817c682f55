/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *fatal = vh_fact(f, VH_FACT_TDX_FATAL);

	if (!fatal)
		return;
	vh_for(j, VH_PROOF, fatal);
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_RUNSTATE_PANICKED));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	vh_title(j, "%s", fatal->text);
	vh_next(j, NULL,
		"the message is the guest's: early in Linux it names what the kernel lacks "
		"(\"TD misconfiguration: SEPT #VE has to be disabled\" and its like)");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {"guest-panicked", NULL};

const struct vh_rule vh_rule_tdx_fatal_error = {
	.id = "tdx-fatal-error",
	.title = "the TDX guest reported a fatal error",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning = "A TDX guest that cannot go on reports so to its host (TDG.VP.VMCALL with "
		   "ReportFatalError), with a code and up to 64 characters of text, and is "
		   "stopped.",
	.shown_by = "The monitor's event GUEST_PANICKED of type tdx, \"TDX guest reports fatal "
		    "error\" in the VMM's log, the run state guest-panicked.",
	.what_to_do = "Its text says what it missed: mostly a TD attribute, or a kernel that does "
		      "not fit.",
	.includes = includes,
	.judge = judge,
};
