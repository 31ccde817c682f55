/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *told = vh_fact(f, VH_FACT_RUNSTATE_POSTMIGRATE);

	vh_for(j, VH_PROOF, told);
	if (!told)
		return;
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_MIGRATION_COMPLETED));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LIBVIRT_REASON));
	/* QEMU up to 8.1 leaves a VM that was paused before a migration that failed in this state:
	 * it never went away. */
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_MIGRATION_FAILED));
	vh_next_monitor(j, f, "domjobinfo --completed", "query-migrate",
		"see whether the migration was completed, and look for the VM on the host that it "
		"went to, or for the file that it was saved to: resumed here while it runs there, "
		"the two copies destroy its disks");
	vh_next(j, NULL,
		"once it runs there: end this process, which only holds memory. If it runs nowhere "
		"and never will, this copy is complete and may be given its disks and its CPUs "
		"again");
}

const struct vh_rule vh_rule_vm_migrated_away = {
	.id = "vm-migrated-away",
	.title = "the VM was migrated away: what is left must not be resumed",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.meaning =
		"The state of the VM was sent completely to another host, or to a file (virsh save,"
		" a snapshot of its memory), and the VMM was not told what to do with the copy that"
		" is left. It holds the memory and runs nothing.",
	.shown_by = "query-status says \"postmigrate\": QEMU sets it once the last byte of the "
		    "state is "
		    "sent. The vCPUs wait outside of KVM, the monitor answers.",
	.what_to_do =
		"Find the other copy first. Where it runs, end this process. Never resume both: two"
		" VMs that write to the same disks destroy the file systems. That management "
		"software leaves it there at all is a sign that it died in the middle: see its "
		"log.",
	.judge = judge,
};
