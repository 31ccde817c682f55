/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/starvation.h"

#include "decode/cpuset.h"

const struct vh_fact *vh_weigh_starvation(const struct vh_facts *facts, struct vh_judgement *j)
{
	const struct vh_fact *starved = vh_fact(facts, VH_FACT_VCPU_STARVED);

	if (!starved)
		return NULL;
	vh_for_all(j, facts, VH_PROOF, VH_FACT_VCPU_STARVED);
	/* Throttling counts as waiting for a CPU too: then it is the quota's doing. */
	vh_against(j, VH_PROOF, vh_fact(facts, VH_FACT_THROTTLED));
	/* Both are true then: with more CPU time it would only spin faster. */
	vh_against(j, VH_WEAK, vh_starved_in_a_closed_loop(facts));
	return starved;
}

void vh_next_move_vcpus(struct vh_judgement *j, const struct vh_facts *facts)
{
	if (facts->model->vm->libvirt.managed)
		vh_next(j, "virsh vcpupin {name}; virsh emulatorpin {name}",
			"see which CPUs its vCPUs may use; \"virsh vcpupin {name} VCPU CPUS\" "
			"gives "
			"them others at once (--config: at the next start too)");
	else
		vh_next(j, "taskset -acp {pid}",
			"see which CPUs its threads may use; \"taskset -acp CPUS {pid}\" gives "
			"them "
			"others at once");
}

bool vh_may_use_all_cpus(const struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_vcpus; i++) {
		const struct vh_thread *t = m->vcpus[i]->thread;
		struct vh_cpu_set set = {{0}};

		if (!vh_fact_of(facts, VH_FACT_VCPU_STARVED, m->vcpus[i]->index))
			continue;
		if (!t || !t->affinity || !m->host.cpus ||
			!vh_cpu_set_parse(vh_str(t->affinity), &set) ||
			vh_cpu_set_count(&set) >= m->host.cpus)
			return true;
	}
	return false;
}

const char *vh_vcpu_affinity(const struct vh_facts *facts, int vcpu)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_vcpus; i++)
		if (m->vcpus[i]->index == vcpu && m->vcpus[i]->thread &&
			m->vcpus[i]->thread->affinity)
			return m->vcpus[i]->thread->affinity;
	return "?";
}
