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

/* States with a meaning of their own (QEMU qapi/run-state.json), and what to do in place of "cont".
 */
static const struct held_state {
	const char *state, *title, *virsh, *qmp, *what_to_do;
} held_states[] = {
	{"postmigrate",
		"the VM was migrated away: what is left here does not run, and must not be resumed",
		"domjobinfo --completed", "query-migrate",
		"see whether the migration was completed, and look for the VM on the host that "
		"it went to: resumed here while it runs there, the two copies destroy its disks"},
	{"finish-migrate", "the VM is held for the last step of its migration", "domjobinfo",
		"query-migrate",
		"see whether the migration goes on: until it has failed, the VM must not be "
		"resumed here"},
	{"save-vm", "the VM is held while its state is saved", "domjobinfo", "query-status",
		"see whether it goes on: the VM is resumed when all is written"},
	{"restore-vm", "the VM is held while its state is loaded", "domjobinfo", "query-status",
		"see whether it goes on: the VM is resumed when all is read"},
	{"suspended", "the guest put itself to sleep (ACPI S3)", "dompmwakeup", "system_wakeup",
		"wake it"},
	{"watchdog", "the guest no longer served its watchdog, which paused the VM", "resume",
		"cont",
		"once the evidence is kept (--save), let it go on: it may hang again, and then "
		"needs a reset"},
	{"debug", "a debugger holds the VM (gdb stub, breakpoint)", "domstate --reason",
		"query-status", "let it go on from the debugger"},
};

static const struct held_state *held_state_of(const char *state)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(held_states); i++)
		if (vh_streq(held_states[i].state, state))
			return &held_states[i];
	return NULL;
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *other = vh_fact(f, VH_FACT_RUNSTATE_OTHER);

	vh_for(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_PAUSED));
	vh_for(j, VH_PROOF, other);
	if (other || vh_fact(f, VH_FACT_RUNSTATE_PAUSED) || all_held(f))
		vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LIBVIRT_REASON));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	if (other) {
		const struct held_state *known = held_state_of(f->model->monitor.run_state);

		vh_title(j, known ? "%s" : "the VM does not run: %s",
			known ? known->title : other->text);
		if (known) {
			vh_next_monitor(j, f, known->virsh, known->qmp, known->what_to_do);
			return;
		}
	}
	if (all_held(f)) {
		vh_for_all(j, f, VH_STRONG, VH_FACT_VCPU_HELD_BY_VMM);
		vh_at_most(j, VH_LIKELY, "the monitor did not tell its state");
		vh_title(j, "the VMM holds all vCPUs: paused by somebody, migrated away, or "
			    "stopped for an error");
		vh_next_monitor(j, f, "domstate --reason", "query-status",
			"see why: a VM that was migrated away must not be resumed here");
	}
	vh_next_monitor(j, f, "resume", "cont", "let it go on, once it is clear why it was paused");
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
		      "management software), then resume it. Never resume what was migrated away "
		      "(\"postmigrate\").",
	.judge = judge,
};
