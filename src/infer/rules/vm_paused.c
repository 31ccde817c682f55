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

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *other = vh_fact(f, VH_FACT_RUNSTATE_OTHER);

	vh_for(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_PAUSED));
	vh_for(j, VH_PROOF, other);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LIBVIRT_REASON));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	if (other)
		vh_title(j, "the VM does not run: %s", other->text);
	if (all_held(f)) {
		vh_for_all(j, f, VH_STRONG, VH_FACT_VCPU_HELD_BY_VMM);
		vh_at_most(j, VH_LIKELY, "the monitor did not tell its state");
		vh_title(j, "the VMM holds all vCPUs: paused by somebody, or stopped for an error");
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
		      "management software), then resume it.",
	.judge = judge,
};
