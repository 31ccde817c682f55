/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *told = vh_fact(f, VH_FACT_RUNSTATE_SUSPENDED);

	vh_for(j, VH_PROOF, told);
	if (!told)
		return;
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LIBVIRT_REASON));
	vh_next_monitor(j, f, "dompmwakeup", "system_wakeup",
		"wake it, if it should not sleep: it goes on where it was");
	vh_next(j, NULL,
		"if it keeps going to sleep, turn that off in the guest (power settings of its "
		"desktop; systemd: systemctl mask suspend.target) or refuse it: "
		"<pm><suspend-to-mem "
		"enabled='no'/></pm>, -global ICH9-LPC.disable_s3=1");
}

const struct vh_rule vh_rule_guest_suspended = {
	.id = "guest-suspended",
	.title = "the guest put itself to sleep (suspend to RAM, ACPI S3)",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_NO,
	.meaning =
		"The guest asked for sleep state S3, as a laptop does when it is closed: on "
		"purpose, mostly by its own power settings after some time without anybody at its "
		"console. It keeps its memory and waits to be woken. It does not hang.",
	.shown_by =
		"query-status says \"suspended\" (libvirt: pmsuspended). All vCPUs wait outside of "
		"KVM, and the monitor answers.",
	.what_to_do =
		"Wake it: virsh dompmwakeup, or system_wakeup in the monitor. Some events wake it "
		"by themselves (a key, the real-time clock where the guest set it).",
	.judge = judge,
};
