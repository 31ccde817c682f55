/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/starvation.h"

/* vCPUs of other VMs on the one CPU, which share it fairly. */
#define MANY_VCPUS 4

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *own = vh_fact(f, VH_FACT_VCPUS_CROWD);
	const struct vh_fact *one = vh_fact(f, VH_FACT_ONE_CPU);
	const struct vh_fact *vms = one ? vh_fact(f, VH_FACT_OTHER_VMS_CROWD) : NULL;

	/* Nothing to untie where they may use all CPUs that there are. */
	if (own && !one && vh_may_use_all_cpus(f))
		own = NULL;
	/* Fewer would leave it more than starving takes; and they must be what is there. */
	if (vms &&
		(vms->value < MANY_VCPUS || vms->value * 2 < (double)f->model->host.crowd.threads))
		vms = NULL;
	if ((!own && !vms) || !vh_weigh_starvation(f, j))
		return;
	vh_for(j, VH_STRONG, own);
	vh_for(j, VH_STRONG, vms);
	vh_for(j, VH_WEAK, one);
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_REALTIME_TAKES));
	vh_against(j, own ? VH_WEAK : VH_STRONG, vh_fact(f, VH_FACT_LOW_PRIORITY));
	if (own)
		vh_title(j, "its vCPUs are tied to CPU %s together: %s",
			vh_vcpu_affinity(f, own->vcpu), own->text);
	else
		vh_title(j, "vCPU %d is tied to CPU %.0f, and so are other VMs: %s", one->vcpu,
			one->value, vms->text);
	vh_next_move_vcpus(j, f);
	vh_next(j, "grep -H Cpus_allowed_list /proc/{pid}/task/*/status; cat /proc/{pid}/cpuset",
		"see what ties them: the threads' own affinity, or the cpuset of their cgroup");
	if (vms)
		vh_next(j, "vmhang list",
			"see the other VMs; \"virsh vcpupin NAME\" shows which of them are tied to "
			"the same CPU");
}

static const char *const includes[] = {"cpu-starved", NULL};

const struct vh_rule vh_rule_cpu_pinned_together = {
	.id = "cpu-pinned-together",
	.title = "its vCPUs are tied to the same CPU, together or with other VMs'",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_STARVED,
	.hung = VH_HUNG_YES,
	.meaning = "The vCPUs may use fewer CPUs than of them want to run: affinity "
		   "(vcpupin, taskset) or a cpuset puts several vCPUs of this VM, or those "
		   "of several VMs, onto the same CPU, while others of the host are free. "
		   "Guests suffer more than their share of the CPU tells: a vCPU that "
		   "holds a lock is taken off the CPU, and the others spin for it in vain.",
	.shown_by = "The vCPUs are ready to run and wait; Cpus_allowed_list of their "
		    "threads is one and the same small list, and together, or together with "
		    "other VMs' vCPUs, they use up those CPUs.",
	.what_to_do = "Spread the vCPUs: virsh vcpupin, taskset, or the cpuset of the cgroup "
		      "(cpuset.cpus). Look for the mistake in <cputune> of the domain, in a "
		      "pinning script, or in a management layer that gave two VMs the same "
		      "CPUs. A VM that libvirt started while other CPUs were offline can keep "
		      "the short list.",
	.includes = includes,
	.judge = judge,
};
