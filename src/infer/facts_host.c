/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts of the process and of what the host does to it. */
#include "infer/facts_build.h"

#include <signal.h>
#include <stdio.h>

#include "base/units.h"

/* PSI "some avg10" from which on a host is worth calling short of CPU: a tenth of the time. */
#define PRESSURE_MIN 10.0
/* A period in which the quota ran out costs the rest of it; from this share on it hurts. */
#define THROTTLED_MIN 0.3

struct vh_subject vh_subject_tid(pid_t tid)
{
	struct vh_subject s;

	snprintf(s.s, sizeof(s.s), "tid:%d", (int)tid);
	return s;
}

struct vh_subject vh_subject_vcpu(int index)
{
	struct vh_subject s;

	snprintf(s.s, sizeof(s.s), "vcpu:%d", index);
	return s;
}

/* False for a thread that a tracer only follows (strace stops it at each system call, and lets it
 * go): it is met in the same state, but has gone on in between. */
static bool stood_still(const struct vh_thread *t)
{
	const struct vh_thread_sample *const looks[] = {&t->first, &t->last, &t->after};
	bool compared = false;

	for (size_t i = 0; i + 1 < VH_ARRAY_SIZE(looks); i++) {
		const struct vh_thread_sample *a = looks[i], *b = looks[i + 1];

		if (!a->seen || !b->seen)
			continue;
		compared = true;
		if (a->stat.state == 't' && b->stat.state == 't' && a->voluntary == b->voluntary &&
			a->involuntary == b->involuntary)
			return true;
	}
	return !compared;
}

/* What a tracer does to a thread that it stopped. */
static void tracer_fact(struct vh_facts *facts, const struct vh_thread *t, pid_t by)
{
	bool held = stood_still(t);
	enum vh_fact_id id = !held                     ? VH_FACT_THREAD_TRACED
			     : t->role == VH_ROLE_MAIN ? VH_FACT_MAIN_TRACED
			     : t->role == VH_ROLE_VCPU ? VH_FACT_VCPU_TRACED
						       : VH_FACT_THREAD_TRACED;
	const char *name = facts->model->process.tracer_name;
	vh_auto_free char *tracer = by && name ? vh_asprintf("process %d (%s)", (int)by, name)
				    : by       ? vh_asprintf("process %d", (int)by)
					       : vh_strdup("a debugger");
	struct vh_fact *f = vh_fact_add(facts, id, t->vcpu, by,
		"thread %d (%s) is %s by %s (ptrace)%s", (int)t->tid, t->name,
		held ? "held" : "followed", tracer, held ? "" : ", but goes on");

	vh_fact_ground(facts, f, "task.stat", vh_subject_tid(t->tid).s);
	vh_fact_ground(facts, f, "task.status", vh_subject_tid(t->tid).s);
	vh_fact_ground(facts, f, "proc.tracer", NULL);
}

const char *vh_stop_signal_name(int number)
{
	switch (number) {
	case SIGSTOP:
		return "SIGSTOP";
	case SIGTSTP:
		return "SIGTSTP";
	case SIGTTIN:
		return "SIGTTIN";
	case SIGTTOU:
		return "SIGTTOU";
	default:
		return "a signal";
	}
}

static void process_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	size_t all = 0, seen = 0, stopped = 0, traced = 0;

	if (m->process.died)
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_PROCESS_GONE, -1, NAN,
				"process %d ended while it was observed", (int)m->vm->id.pid),
			"proc.tasks", NULL);
	for (size_t i = 0; i < m->n_threads; i++) {
		const struct vh_thread *t = m->threads[i];
		/* Whatever stopped it while it was asked counts too. */
		const struct vh_thread_sample *s = t->after.seen  ? &t->after
						   : t->last.seen ? &t->last
								  : &t->first;

		if (t->role == VH_ROLE_KERNEL)
			continue;
		all++;
		/* ps without a state says nothing here. */
		if (!s->seen || !s->stat.state)
			continue;
		seen++;
		stopped += s->stat.state == 'T';
		if (s->stat.state != 't' && t->wait != VH_WAIT_TRACED)
			continue;
		traced++;
		tracer_fact(facts, t, s->tracer);
	}
	if (!seen || m->process.died)
		return;
	struct vh_fact *f = NULL;

	if (stopped == seen)
		f = vh_fact_add(facts, VH_FACT_PROCESS_STOPPED, -1, m->process.stop_signal,
			"all %zu threads of process %d are stopped by %s (state T)", seen,
			(int)m->vm->id.pid, vh_stop_signal_name(m->process.stop_signal));
	else if (!stopped && !traced && (!m->pasted || seen == all))
		f = vh_fact_add(facts, VH_FACT_PROCESS_NOT_STOPPED, -1, NAN,
			"none of its %zu threads is stopped or traced", seen);
	else if (!stopped && !traced)
		f = vh_fact_add(facts, VH_FACT_PROCESS_NOT_STOPPED, -1, NAN,
			"of %zu of its %zu threads the state is known: none is stopped or traced",
			seen, all);
	if (!f)
		return;
	vh_fact_ground(facts, f, "task.stat", NULL);
	vh_fact_ground(facts, f, "pasted.ps", NULL);
	vh_fact_ground(facts, f, "pasted.top", NULL);
}

static void cgroup_facts(struct vh_facts *facts)
{
	const struct vh_cgroup_view *g = &facts->model->cgroup;
	struct vh_fact *f;

	if (g->frozen == 1) {
		f = vh_fact_add(facts, VH_FACT_CGROUP_FROZEN, -1, 1,
			"the cgroup freezer holds it, by %s",
			g->frozen_group ? g->frozen_group : "its cgroup");
		vh_fact_ground(facts, f, "cgroup.cgroup.freeze", NULL);
		vh_fact_ground(facts, f, "cgroup.cgroup.events", NULL);
		vh_fact_ground(facts, f, "cgroup.freezer.state", NULL);
	} else if (g->frozen == 0) {
		f = vh_fact_add(
			facts, VH_FACT_CGROUP_NOT_FROZEN, -1, 0, "its cgroup is not frozen");
		vh_fact_ground(facts, f, "cgroup.cgroup.events", NULL);
		vh_fact_ground(facts, f, "cgroup.freezer.state", NULL);
	}
	if (g->has_quota) {
		f = vh_fact_add(facts, VH_FACT_CPU_QUOTA, -1, g->quota_cpus,
			"its cgroup may use %.2f of a CPU's time%s%s", g->quota_cpus,
			g->quota_group ? ": " : "", g->quota_group ? g->quota_group : "");
		vh_fact_ground(facts, f, "cgroup.cpu.max", NULL);
		vh_fact_ground(facts, f, "cgroup.cpu.cfs_quota_us", NULL);
	}
	double share = g->has_throttle && g->periods ? (double)g->throttled / g->periods : 0;

	if (g->has_quota && g->has_throttle && share >= THROTTLED_MIN) {
		f = vh_fact_add(facts, VH_FACT_THROTTLED, -1, share,
			"the quota ran out in %llu of %llu periods, for %s in all",
			(unsigned long long)g->throttled, (unsigned long long)g->periods,
			vh_duration_text(g->throttled_ns).s);
		vh_fact_ground(facts, f, "cgroup.cpu.stat", NULL);
	} else if (g->seen && (!g->has_quota || (g->has_throttle && !g->throttled))) {
		f = vh_fact_add(facts, VH_FACT_NOT_THROTTLED, -1, 0,
			g->has_quota ? "its CPU quota never ran out"
				     : "no CPU quota is set for it");
		vh_fact_ground(facts, f, "cgroup.cpu.stat", NULL);
	}
	if (g->memory_max_events > 0) {
		f = vh_fact_add(facts, VH_FACT_MEMORY_LIMIT_HIT, -1, g->memory_max_events,
			"it hit its cgroup's memory limit %lld times in the window",
			(long long)g->memory_max_events);
		vh_fact_ground(facts, f, "cgroup.memory.events", NULL);
		vh_fact_ground(facts, f, "cgroup.memory.failcnt", NULL);
	}
}

static void rival_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	struct vh_fact *f;

	for (size_t i = 0; i < m->host.n_rivals; i++) {
		const struct vh_rival *r = &m->host.rivals[i];
		bool realtime = vh_rival_is_realtime(r);
		vh_auto_free char *share =
			isnan(r->run_share) ? vh_strdup("")
					    : vh_asprintf(", %.0f %% of it", 100 * r->run_share);

		if (realtime)
			f = vh_fact_add(facts, VH_FACT_RIVAL_REALTIME, -1, r->run_share,
				"real-time thread %d (%s, %s priority %d) runs on CPU %d%s",
				(int)r->tid, r->name, r->policy, r->rt_priority, r->cpu, share);
		else
			f = vh_fact_add(facts, VH_FACT_RIVAL, -1, r->run_share,
				"thread %d (%s) runs on CPU %d%s", (int)r->tid, r->name, r->cpu,
				share);
		vh_fact_ground(facts, f, "host.rivals", NULL);
	}
	if (m->host.cpu_pressure_avg10 >= PRESSURE_MIN) {
		f = vh_fact_add(facts, VH_FACT_CPU_PRESSURE, -1, m->host.cpu_pressure_avg10 / 100,
			"tasks of this host waited for a CPU %.0f %% of the last 10 s",
			m->host.cpu_pressure_avg10);
		vh_fact_ground(facts, f, "host.pressure.cpu", NULL);
	}
}

void vh_facts_of_host(struct vh_facts *facts)
{
	process_facts(facts);
	cgroup_facts(facts);
	rival_facts(facts);
}
