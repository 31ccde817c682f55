/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/prompt.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *repeats = vh_fact(f, VH_FACT_BOOTS_REPEAT);

	if (!vh_guest_is_visible(f) || !repeats)
		return;
	vh_for(j, VH_STRONG, repeats);
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_RESETS));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_TEXT_PANIC));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_LOGIN));
	vh_at_most(j, VH_LIKELY,
		"it is told by the log of its console: this boot may be the one that gets through");
	vh_title(j, "the guest reboots again and again: %s", repeats->text);
	vh_next_serial(j, f, "grep -aE -B15 'Kernel panic|Rebooting in'",
		"read what its console says before it starts anew, where that goes to a file");
	vh_next(j, NULL,
		"keep it from rebooting: QEMU's monitor command set-action reboot=shutdown "
		"shutdown=pause (libvirt: on_reboot preserve), or panic=0 on its kernel's command "
		"line");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {"guest-kernel-panic", "guest-panic-hung-task",
	"guest-panic-init-killed", "guest-panic-lockup", "guest-panic-machine-check",
	"guest-panic-no-init", "guest-panic-no-root", "guest-panic-oops",
	"guest-panic-out-of-memory", "guest-panic-requested", "guest-busy", "guest-idle",
	"guest-reset-loop", "guest-waits-at-prompt", "guest-panicked", NULL};

const struct vh_rule vh_rule_guest_reboot_loop = {
	.id = "guest-reboot-loop",
	.title = "the guest boots, fails and reboots, again and again",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_YES,
	.meaning = "Each boot comes to the same point, ends there in the same way, and the "
		   "guest starts anew: a kernel that panics and reboots itself (panic=N), "
		   "an init or a watchdog that reboots, firmware that retries. The console "
		   "looks busy, and nothing is ever served.",
	.shown_by = "The serial console's log shows several boots in a row that ended with "
		    "the same words, each after a short time by the guest's own clock; one "
		    "reboot, or reboots after hours, are not taken for it.",
	.what_to_do = "The words tell where it fails; what comes right before them tells why. "
		      "Stop it there: boot with panic=0, or start it with -action "
		      "reboot=shutdown (libvirt: on_reboot destroy or preserve), and look at "
		      "its disk from a rescue system.",
	.includes = includes,
	.judge = judge,
};
