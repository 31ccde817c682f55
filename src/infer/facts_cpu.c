/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts of who or what takes the CPU time that the VM asks for. */
#include "infer/facts_build.h"

#include "decode/cpuset.h"

/* nice values from here on get at most a fifth of the weight of nice 0 (kernel/sched/core.c
 * sched_prio_to_weight: 1024 at 0, 215 at 7). */
#define NICE_LOW   7
#define WEIGHT_LOW 0.2
/* SCHED_* of linux/sched.h */
enum { POLICY_FIFO = 1, POLICY_RR = 2, POLICY_IDLE = 5, POLICY_DEADLINE = 6 };
/* Of the CPUs that a vCPU may use, what others must take to be worth naming. */
#define TAKES_MOST 0.5
/* Threads of others a CPU from which on it is a crowd. */
#define CROWD_A_CPU 2.0
/* Of the CPUs' time what the host above, or interrupts, must take to be worth naming. */
#define TAKEN_MIN 0.3
/* The main thread of a healthy VM hardly runs: one that was ready at both looks, and waited for so
 * much of the window, is kept from running. */
#define MAIN_WAITED 0.6

static bool is_real_time(uint64_t policy)
{
	return policy == POLICY_FIFO || policy == POLICY_RR || policy == POLICY_DEADLINE;
}

static const struct vh_thread_sample *newest(const struct vh_thread *t)
{
	return t->last.seen ? &t->last : &t->first;
}

/* All through the window, whether it got a CPU or not. */
static bool wants_cpu(const struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_thread *t = v->thread;

	return t && (vh_fact_of(facts, VH_FACT_VCPU_STARVED, v->index) ||
			    vh_fact_of(facts, VH_FACT_VCPU_BUSY, v->index) ||
			    (t->first.seen && t->last.seen && t->first.stat.state == 'R' &&
				    t->last.stat.state == 'R'));
}

/* The CPUs that a thread may use; 0 unknown. */
static int cpus_of(const struct vh_thread *t, struct vh_cpu_set *set)
{
	return t->affinity && vh_cpu_set_parse(vh_str(t->affinity), set) ? vh_cpu_set_count(set)
									 : 0;
}

static void low_priority(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	const struct vh_thread *main_thread = vh_model_main_thread(m);
	const struct vh_cgroup_view *g = &m->cgroup;
	const struct vh_thread *vcpu = m->n_vcpus ? m->vcpus[0]->thread : NULL;
	struct vh_fact *f = NULL;

	if (vcpu && newest(vcpu)->seen && newest(vcpu)->stat.policy == POLICY_IDLE) {
		f = vh_fact_add(facts, VH_FACT_LOW_PRIORITY, -1, VH_LOW_IDLE_POLICY,
			"its vCPUs run as SCHED_IDLE, when nobody else wants the CPU");
		vh_fact_ground(facts, f, "task.stat", vh_subject_tid(vcpu->tid).s);
	} else if (g->weight <= WEIGHT_LOW) {
		f = vh_fact_add(facts, VH_FACT_LOW_PRIORITY, -1, VH_LOW_WEIGHT,
			"its cgroup has %.1f %% of the usual weight: %s", 100 * g->weight,
			g->weight_group);
		vh_fact_ground(facts, f, "cgroup.cpu.weight", NULL);
		vh_fact_ground(facts, f, "cgroup.cpu.shares", NULL);
		vh_fact_ground(facts, f, "cgroup.cpu.idle", NULL);
	} else if (m->process.autogroup_nice >= NICE_LOW && m->process.autogroup_nice < 20) {
		f = vh_fact_add(facts, VH_FACT_LOW_PRIORITY, -1, VH_LOW_AUTOGROUP,
			"its autogroup runs at nice %d", m->process.autogroup_nice);
		vh_fact_ground(facts, f, "proc.autogroup", NULL);
	} else if (vcpu && newest(vcpu)->seen && newest(vcpu)->stat.nice >= NICE_LOW) {
		f = vh_fact_add(facts, VH_FACT_LOW_PRIORITY, -1, VH_LOW_NICE,
			"its vCPUs run at nice %d", (int)newest(vcpu)->stat.nice);
		vh_fact_ground(facts, f, "task.stat", vh_subject_tid(vcpu->tid).s);
	} else if (main_thread && newest(main_thread)->seen &&
		   newest(main_thread)->stat.nice >= NICE_LOW) {
		f = vh_fact_add(facts, VH_FACT_LOW_PRIORITY, -1, VH_LOW_NICE, "it runs at nice %d",
			(int)newest(main_thread)->stat.nice);
		vh_fact_ground(facts, f, "task.stat", vh_subject_tid(main_thread->tid).s);
	}
}

static void realtime_fact(struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_host_view *h = &facts->model->host;
	const struct vh_rival *most = NULL;
	struct vh_cpu_set cpus = {{0}};
	int n = cpus_of(v->thread, &cpus);
	double taken = 0;

	for (size_t i = 0; n && i < h->n_rivals; i++) {
		const struct vh_rival *r = &h->rivals[i];

		if (!vh_rival_is_realtime(r) || !vh_cpu_set_has(&cpus, r->cpu) ||
			isnan(r->run_share))
			continue;
		taken += r->run_share;
		most = !most || r->run_share > most->run_share ? r : most;
	}
	if (!most || taken < TAKES_MOST * n)
		return;
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_REALTIME_TAKES, v->index, taken / n,
		"of CPU %s, which vCPU %d may use, real-time threads take %.0f %%, the most of it "
		"thread %d (%s, %s priority %d)",
		v->thread->affinity, v->index, 100 * taken / n, (int)most->tid, most->name,
		most->policy, most->rt_priority);

	vh_fact_ground(facts, f, "host.rivals", NULL);
	vh_fact_ground(facts, f, "task.status", vh_subject_tid(v->thread->tid).s);
}

/* Other vCPUs of the VM, with the same CPUs, that want to run too. */
static void own_crowd_fact(struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_model *m = facts->model;
	struct vh_cpu_set cpus = {{0}};
	int n = cpus_of(v->thread, &cpus);
	unsigned wanting = 0;
	double ran = 0;

	if (!n || vh_fact(facts, VH_FACT_VCPUS_CROWD))
		return;
	for (size_t i = 0; i < m->n_vcpus; i++) {
		const struct vh_thread *t = m->vcpus[i]->thread;

		if (!wants_cpu(facts, m->vcpus[i]) || !vh_streq(t->affinity, v->thread->affinity))
			continue;
		wanting++;
		ran += isnan(t->run_share) ? 0 : t->run_share;
	}
	if (wanting <= (unsigned)n || ran < TAKES_MOST * n)
		return;
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_VCPUS_CROWD, v->index, (double)wanting / n,
		"%u of its vCPUs want to run, and may use %d CPU%s (%s): each gets %.0f %% of one "
		"on average",
		wanting, n, n > 1 ? "s" : "", v->thread->affinity, 100 * ran / wanting);

	vh_fact_ground(facts, f, "task.status", vh_subject_tid(v->thread->tid).s);
	vh_fact_ground(facts, f, "task.schedstat", NULL);
}

static void affinity_fact(struct vh_facts *facts, const struct vh_vcpu *v)
{
	struct vh_cpu_set cpus = {{0}};

	if (cpus_of(v->thread, &cpus) != 1 || facts->model->host.cpus < 2)
		return;
	struct vh_fact *f =
		vh_fact_add(facts, VH_FACT_ONE_CPU, v->index, strtod(v->thread->affinity, NULL),
			"vCPU %d may use CPU %s alone, of %d on this host", v->index,
			v->thread->affinity, facts->model->host.cpus);

	vh_fact_ground(facts, f, "task.status", vh_subject_tid(v->thread->tid).s);
}

/* Threads of others that want the CPUs of the VM: as many as were met there. A host in such a state
 * leaves vmhang itself too little time to meet all of them; where the VM may use every CPU, the
 * kernel's count of those that want one tells. */
static double others_a_cpu(const struct vh_facts *facts, int cpus, bool *counted)
{
	const struct vh_model *m = facts->model;
	const struct vh_crowd *crowd = &m->host.crowd;
	double met = crowd->share >= TAKES_MOST * cpus ? (double)crowd->threads / cpus : 0;
	double running = (double)m->host.running;

	*counted = false;
	if (m->host.running < 0 || cpus < m->host.cpus)
		return met;
	for (size_t i = 0; i < m->n_vcpus; i++)
		running -= wants_cpu(facts, m->vcpus[i]);
	*counted = running / cpus > met;
	return VH_MAX(running / cpus, met);
}

static void crowd_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	const struct vh_crowd *crowd = &m->host.crowd;
	struct vh_cpu_set cpus = {{0}};
	int n = vh_vcpu_cpus(m, &cpus) ? vh_cpu_set_count(&cpus) : 0;
	bool counted;

	if (!n || !vh_fact(facts, VH_FACT_VCPU_STARVED))
		return;
	double each = others_a_cpu(facts, n, &counted);

	if (each >= CROWD_A_CPU)
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_OTHERS_CROWD, -1, each,
				"%.0f threads of other processes wanted the %d CPU%s that its "
				"vCPUs "
				"may use",
				each * n, n, n > 1 ? "s" : ""),
			counted ? "host.stat" : "host.rivals", NULL);
	if (crowd->vms)
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_OTHER_VMS_CROWD, -1, (double)crowd->vcpus,
				"%zu vCPU%s of %zu other VM%s ran on the CPUs of its vCPUs",
				crowd->vcpus, crowd->vcpus > 1 ? "s" : "", crowd->vms,
				crowd->vms > 1 ? "s" : ""),
			"host.rivals", NULL);
}

static void taken_facts(struct vh_facts *facts)
{
	const struct vh_host_view *h = &facts->model->host;

	if (h->steal_share >= TAKEN_MIN)
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_CPU_STOLEN, -1, h->steal_share,
				"this host is a VM itself: of the CPUs that the vCPUs may use, its "
				"own host took %.0f %% of the window (steal)",
				100 * h->steal_share),
			"host.stat", NULL);
	if (h->irq_share >= TAKEN_MIN)
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_CPU_INTERRUPTS, -1, h->irq_share,
				"interrupts of the host took %.0f %% of the CPUs that the vCPUs "
				"may use",
				100 * h->irq_share),
			"host.stat", NULL);
}

static void main_fact(struct vh_facts *facts)
{
	const struct vh_thread *t = vh_model_main_thread(facts->model);

	if (!t || !t->first.seen || !t->last.seen || t->last.stat.state != 'R' ||
		isnan(t->wait_share) || is_real_time(newest(t)->stat.policy))
		return;
	/* A wait that goes on is not in schedstat yet. */
	bool ready = t->first.stat.state == 'R' && t->first.has_switches && t->last.has_switches &&
		     t->first.voluntary == t->last.voluntary;
	double waited = ready ? VH_MAX(t->wait_share, 1 - t->run_share) : t->wait_share;

	if (waited < MAIN_WAITED)
		return;
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_MAIN_STARVED, -1, waited,
		"the VMM's main thread was ready to run, but waited for a CPU %.0f %% of the "
		"window (it may use CPU %s)",
		100 * waited, t->affinity ? t->affinity : "?");

	vh_fact_ground(facts, f, "task.schedstat", vh_subject_tid(t->tid).s);
	vh_fact_ground(facts, f, "task.status", vh_subject_tid(t->tid).s);
}

void vh_facts_of_cpus(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	low_priority(facts);
	for (size_t i = 0; i < m->n_vcpus; i++) {
		const struct vh_vcpu *v = m->vcpus[i];

		if (!v->thread || !vh_fact_of(facts, VH_FACT_VCPU_STARVED, v->index))
			continue;
		affinity_fact(facts, v);
		realtime_fact(facts, v);
		own_crowd_fact(facts, v);
	}
	crowd_facts(facts);
	taken_facts(facts);
	main_fact(facts);
}
