/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *text = vh_fact(f, VH_FACT_TEXT_INIT_FROZEN);

	if (!vh_guest_is_visible(f) || !text)
		return;
	vh_for(j, VH_PROOF, vh_fact(f, VH_FACT_INSIDE_INIT_PAUSES));
	vh_weigh_shell(f, j, text);
	vh_title(j, "the guest's init process crashed: %s", text->text);
	vh_next(j, "vmhang diagnose {name} --verbose", "read what it wrote before that");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {"guest-waits-at-prompt", NULL};

const struct vh_rule vh_rule_guest_init_frozen = {
	.id = "guest-init-frozen",
	.title = "the guest's init process (systemd) crashed and froze",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,

	.meaning = "systemd, process 1 of the guest, met an error of its own and froze, for "
		   "without it the kernel would panic. What runs goes on running, but nothing is "
		   "started, restarted or shut down any more, and logins fail.",
	.shown_by = "\"systemd[1]: Freezing execution.\" on the console.",
	.what_to_do = "The lines above say why: a bug, memory that was used up, a broken update of "
		      "libraries, an SELinux policy that could not be loaded. Only a reset helps; "
		      "\"reboot -f\" works from a shell that is open.",
	.includes = includes,
	.judge = judge,
};
