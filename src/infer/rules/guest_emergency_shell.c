/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *told = vh_fact(f, VH_FACT_TEXT_EMERGENCY_SHELL);
	const struct vh_fact *inside = vh_fact(f, VH_FACT_INSIDE_RESCUE);
	const struct vh_fact *text = told ? told : inside;

	if (!vh_guest_is_visible(f) || !text)
		return;
	vh_for(j, VH_PROOF, inside);
	vh_weigh_shell(f, j, text);
	vh_title(j, "the guest started in emergency or rescue mode and waits for somebody at its "
		    "console");
	vh_next(j, "virsh console {name}",
		"log in there (root's password; Enter where root is locked on some systems) and "
		"ask "
		"\"journalctl -xb -p err\" and \"systemctl --failed\" what did not start");
	vh_next(j, NULL,
		"mostly a line of /etc/fstab names a disk that is not there: attach the disk, or "
		"add "
		"nofail to the line; then \"systemctl default\" goes on");
}

static const char *const includes[] = {
	"guest-waits-at-prompt", "guest-initramfs-shell", "guest-waits-for-root-device", NULL};

const struct vh_rule vh_rule_guest_emergency_shell = {
	.id = "guest-emergency-shell",
	.title = "the guest waits in emergency or rescue mode",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_IDLE,
	.hung = VH_HUNG_YES,

	.meaning = "systemd could not reach what the system is to start as: a file system of "
		   "/etc/fstab could not be mounted or checked within 90 seconds, or the root file "
		   "system is damaged. It stopped there, with no network and no services, and asks "
		   "for root's password on the console.",
	.shown_by =
		"\"You are in emergency mode\" or \"Give root password for maintenance\" is among "
		"the last lines of the console, and the vCPUs are at rest.",
	.what_to_do = "Attach the disk that it misses, or correct /etc/fstab: nofail and "
		      "x-systemd.device-timeout= keep a disk that may be missing from stopping the "
		      "start. Where fsck found errors, run it by hand.",
	.includes = includes,
	.judge = judge,
};
