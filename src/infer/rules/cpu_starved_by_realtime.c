/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/starvation.h"

/* The real-time thread that takes most of the CPU that the fact is about; NULL where it is not
 * known. */
static const struct vh_rival *worst(const struct vh_facts *f)
{
	const struct vh_host_view *h = &f->model->host;
	const struct vh_rival *most = NULL;

	for (size_t i = 0; i < h->n_rivals; i++)
		if (vh_rival_is_realtime(&h->rivals[i]) &&
			(!most || h->rivals[i].run_share > most->run_share))
			most = &h->rivals[i];
	return most;
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *takes = vh_fact(f, VH_FACT_REALTIME_TAKES);
	const struct vh_rival *rival = worst(f);

	if (!takes || !rival || !vh_weigh_starvation(f, j))
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_REALTIME_TAKES);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_ONE_CPU));
	vh_title(j,
		"vCPU %d gets no CPU time: real-time thread %d (%s, %s priority %d) takes CPU %d",
		takes->vcpu, (int)rival->tid, rival->name, rival->policy, rival->rt_priority,
		rival->cpu);
	vh_auto_free char *who = vh_asprintf(
		"ps -o pid,tid,cls,rtprio,psr,pcpu,lstart,args -L -p %d", (int)rival->pid);
	vh_auto_free char *lower = vh_asprintf("chrt -o -p 0 %d", (int)rival->tid);

	vh_next(j, who, "see what that thread is, and whether it should run all the time");
	vh_next(j, lower,
		"take its real-time priority away, if its owner agrees; or move it: "
		"\"taskset -cp CPUS %d\"",
		(int)rival->tid);
	vh_next_move_vcpus(j, f);
	vh_next(j, "sysctl kernel.sched_rt_runtime_us kernel.sched_rt_period_us",
		"see how much real-time threads may take: with -1 they leave nothing at all");
}

static const char *const includes[] = {"cpu-starved", NULL};

const struct vh_rule vh_rule_cpu_starved_by_realtime = {
	.id = "cpu-starved-by-realtime",
	.title = "a real-time thread of the host takes the vCPUs' CPU time",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_STARVED,
	.hung = VH_HUNG_YES,
	.meaning = "A thread with a real-time policy (FIFO, RR, DEADLINE) runs all the "
		   "time on the CPUs that the vCPUs may use. Such a thread goes before "
		   "every ordinary one, whatever their priority; the VM gets the few per "
		   "cent that the kernel keeps free for others, or nothing.",
	.shown_by = "The vCPUs are ready to run and wait (run delay in "
		    "/proc/PID/task/TID/schedstat), and a real-time thread used most of "
		    "those CPUs in the same window; chrt -p TID shows its policy.",
	.what_to_do = "Find out what the thread is: a busy-polling driver (DPDK, a real-time "
		      "application), or one that ran away. Give it a CPU of its own and the "
		      "VM other ones, or take its priority away. Where the VM itself is meant "
		      "to be real-time, its vCPUs need isolated CPUs (isolcpus, <vcpupin>), "
		      "shared with nobody.",
	.includes = includes,
	.judge = judge,
};
