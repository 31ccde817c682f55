/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

/* Whoever ran most where the vCPUs may, and most of the window. */
static const struct vh_rival *worst(const struct vh_facts *f)
{
	const struct vh_host_view *h = &f->model->host;
	const struct vh_rival *most = NULL;

	for (size_t i = 0; i < h->n_rivals; i++)
		if (h->rivals[i].run_share > 0.5 &&
			(!most || h->rivals[i].run_share > most->run_share))
			most = &h->rivals[i];
	return most;
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *starved = vh_fact(f, VH_FACT_VCPU_STARVED);

	vh_for_all(j, f, VH_PROOF, VH_FACT_VCPU_STARVED);
	if (!starved) {
		const struct vh_fact *gets = vh_fact(f, VH_FACT_VCPU_GETS_CPU);

		bool idle = vh_fact_count(f, VH_FACT_VCPU_ASLEEP) == f->model->n_vcpus;

		vh_against(j, VH_PROOF, idle ? vh_fact(f, VH_FACT_VCPU_ASLEEP) : gets);
		return;
	}
	/* Both are true then: with more CPU time it would only spin faster. */
	vh_against(j, VH_WEAK, vh_starved_in_a_closed_loop(f));
	if (vh_fact(f, VH_FACT_BOOT_WAITS_FOR_PERSON))
		vh_at_most(j, VH_POSSIBLE,
			"the guest polls for a key at a prompt: more CPU time would not help it");
	/* Throttling counts as waiting for a CPU too: then it is the quota's doing. */
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_THROTTLED));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_RIVAL_REALTIME));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_RIVAL));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_CPU_PRESSURE));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_ONE_CPU));
	const struct vh_rival *rival = worst(f);

	if (rival)
		vh_title(j, "vCPU %d gets no CPU time: thread %d (%s) takes %.0f %% of CPU %d",
			starved->vcpu, (int)rival->tid, rival->name, 100 * rival->run_share,
			rival->cpu);
	else
		vh_title(j, "vCPU %d gets no CPU time: other threads of the host take it",
			starved->vcpu);
	vh_next(j, "ps -eLo pid,tid,cls,rtprio,ni,psr,pcpu,comm --sort=-pcpu | head -20",
		"see which threads take the CPUs");
	vh_next(j, "grep -H Cpus_allowed_list /proc/{pid}/task/*/status",
		"see which CPUs the vCPUs may use, and move either side");
}

const struct vh_rule vh_rule_cpu_starved = {
	.id = "cpu-starved",
	.title = "other threads of the host take the vCPUs' CPU time",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_STARVED,
	.hung = VH_HUNG_YES,
	.meaning =
		"The vCPUs are ready to run, but the host's scheduler gives their CPUs to other "
		"threads: "
		"real-time threads, threads of a higher priority or weight, or simply too many of "
		"them.",
	.shown_by =
		"The run delay in /proc/PID/task/TID/schedstat grows by most of the window while "
		"the run time hardly grows, and no quota explains it.",
	.what_to_do =
		"Move or end the competing threads, give the VM other CPUs, or raise its weight "
		"(cpu.weight, nice, autogroup).",
	.judge = judge,
};
