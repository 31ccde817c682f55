/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

/* Without the monitor: KVM's vCPUs all wait in user space for the VMM, whose main loop is at rest.
 */
static bool all_held(const struct vh_facts *f)
{
	size_t n = f->model->n_vcpus;

	return n && vh_fact_count(f, VH_FACT_VCPU_HELD_BY_VMM) == n &&
	       vh_fact(f, VH_FACT_MAIN_AT_REST) && !vh_fact(f, VH_FACT_MONITOR_ANSWERS) &&
	       !vh_fact(f, VH_FACT_CGROUP_FROZEN);
}

/* What libvirt says of a paused VM (virDomainPausedReason), and what follows from it. */
static const struct reason {
	const char *reason, *title, *virsh, *what_to_do;
	bool not_to_be_resumed;
} reasons[] = {
	{"user", "somebody paused the VM (virsh suspend, or a program)", NULL, NULL, false},
	{"from snapshot", "the VM stands as its snapshot was: paused", NULL, NULL, false},
	{"migrating", "libvirt holds the VM for a migration", "domjobinfo",
		"see whether the migration goes on: until it has failed, the VM must not be "
		"resumed here",
		true},
	{"post-copy", "the VM runs at its destination already (post-copy)", "domjobinfo",
		"leave it: the other host fetches the rest of its memory from here", true},
	{"post-copy failed", "a post-copy migration broke off: the VM lies in two halves",
		"domjobinfo",
		"let the migration go on: virsh migrate --postcopy-resume. Never resume it here: "
		"the other host has run on",
		true},
	{"starting up", "libvirt has not finished starting the VM", "domjobinfo",
		"see what libvirt still waits for (its log, a hook, a network, storage)", true},
	{"shutting down", "libvirt has not finished ending the VM", "domjobinfo",
		"see what libvirt still waits for; virsh destroy ends the VM", true},
};

static const struct reason *reason_of(const struct vh_facts *f)
{
	const struct vh_vm *vm = f->model->vm;

	for (size_t i = 0; i < VH_ARRAY_SIZE(reasons); i++)
		if (vh_streq(vm->libvirt.state, "paused") &&
			vh_streq(vm->libvirt.reason, reasons[i].reason))
			return &reasons[i];
	return NULL;
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *other = vh_fact(f, VH_FACT_RUNSTATE_OTHER);
	const struct vh_fact *paused = vh_fact(f, VH_FACT_RUNSTATE_PAUSED);
	const struct reason *reason = paused || all_held(f) ? reason_of(f) : NULL;

	vh_for(j, VH_PROOF, paused);
	vh_for(j, VH_PROOF, other);
	if (other || paused || all_held(f))
		vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LIBVIRT_REASON));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	if (other)
		vh_title(j, "the VM does not run: %s", other->text);
	if (paused && vh_fact(f, VH_FACT_GDB_CLIENT))
		vh_at_most(j, VH_LIKELY,
			"a debugger is connected to the VM's gdb stub: it pauses the VM, too");
	if (paused && vh_fact(f, VH_FACT_MIGRATION_FAILED))
		vh_at_most(j, VH_LIKELY, "its last migration failed, and may have left it so");
	if (all_held(f)) {
		vh_for_all(j, f, VH_STRONG, VH_FACT_VCPU_HELD_BY_VMM);
		vh_at_most(j, VH_LIKELY, "the monitor did not tell its state");
		vh_title(j, "the VMM holds all vCPUs: paused by somebody, migrated away, or "
			    "stopped for an error");
		vh_next_monitor(j, f, "domstate --reason", "query-status",
			"see why: a VM that was migrated away must not be resumed here");
	}
	if (reason)
		vh_title(j, "%s", reason->title);
	if (reason && reason->what_to_do)
		vh_next_monitor(j, f, reason->virsh, "query-migrate", reason->what_to_do);
	if (!reason || !reason->not_to_be_resumed)
		vh_next_monitor(
			j, f, "resume", "cont", "let it go on, once it is clear why it was paused");
}

const struct vh_rule vh_rule_vm_paused = {
	.id = "vm-paused",
	.title = "somebody paused the VM",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.meaning = "The VMM was told to stop the vCPUs (\"stop\", virsh suspend, a snapshot, "
		   "a migration) and has not been told to go on.",
	.shown_by = "query-status says \"paused\" (or another state in which no vCPU runs). "
		    "From outside: all vCPU threads wait in a futex, outside of KVM_RUN, while "
		    "the main loop is at rest.",
	.what_to_do = "Find out who paused it (virsh domstate --reason, the log of the "
		      "management software: journalctl -u libvirtd or virtqemud shows who asked), "
		      "then resume it. Never resume a VM that a migration holds.",
	.judge = judge,
};
