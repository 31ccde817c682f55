/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Current tasks, run queues and their clocks. */
#include "guest/tasks_table.h"

#define NO_CLOCK_AFTER (UINT64_C(1) << 60) /* 36 years: no guest's clock */

uint64_t vh_task_current(const struct vh_kernel *k, int cpu)
{
	uint64_t at, task = 0;

	/* current_task up to 6.1 and from 6.15 on; between these, a member of pcpu_hot. arm64 has
	 * it in SP_EL0, which is not told, and what it switched to in __entry_task. */
	if (!vh_kernel_percpu(k, "current_task", cpu, &at) &&
		!vh_kernel_percpu(k, "const_current_task", cpu, &at) &&
		!vh_kernel_percpu(k, "__entry_task", cpu, &at)) {
		if (!vh_kernel_percpu(k, "pcpu_hot", cpu, &at))
			return 0;
		at += vh_layout_offset(k->layout, "pcpu_hot", "current_task", 0);
	}
	if (vh_space_u64(k->space, at, &task) || !vh_is_kernel_gva(task))
		return 0;
	return task;
}

static uint64_t queue_u64(struct vh_kernel *k, uint64_t rq, const char *member)
{
	struct vh_field f;
	uint64_t value;

	if (!vh_layout_field(k->layout, "rq", member, &f) ||
		vh_space_u64(k->space, rq + f.offset, &value) || value > NO_CLOCK_AFTER)
		return 0;
	return value;
}

static void read_queue(struct vh_kernel *k, int cpu, struct vh_cpu_queue *q)
{
	struct vh_field f;
	uint64_t rq;
	uint32_t running;

	*q = (struct vh_cpu_queue){.current = vh_task_current(k, cpu), .nr_running = -1};
	if (!vh_kernel_percpu(k, "runqueues", cpu, &rq))
		return;
	q->clock = queue_u64(k, rq, "clock");
	q->clock_task = queue_u64(k, rq, "clock_task");
	if (vh_layout_field(k->layout, "rq", "nr_running", &f) &&
		!vh_space_u32(k->space, rq + f.offset, &running) &&
		running <= VH_INSIDE_MAX_TASKS * 64)
		q->nr_running = running;
}

size_t vh_task_cpus(const struct vh_kernel *k)
{
	uint64_t at;
	uint32_t n = 0;

	if (!vh_symbols_address(k->symbols, "nr_cpu_ids", &at) || vh_space_u32(k->space, at, &n) ||
		n > VH_MAX_CPUS)
		return 0;
	return n;
}

void vh_task_table_cpus(struct vh_task_table *t)
{
	size_t n = vh_task_cpus(t->k);
	uint64_t ran = 0;

	if (!n)
		n = VH_MIN(t->in->n_vcpus, (size_t)VH_MAX_CPUS);

	t->cpus = vh_alloc((n + 1) * sizeof(*t->cpus));
	t->n_cpus = n;
	for (size_t i = 0; i < n; i++) {
		read_queue(t->k, (int)i, &t->cpus[i]);
		t->newest = VH_MAX(t->newest, t->cpus[i].clock);
	}
	/* Where queues are not known: some task ran until it was so late. */
	for (size_t i = 0; i < t->n && !t->newest; i++)
		ran = VH_MAX(
			ran, t->rows[i].exec_start < NO_CLOCK_AFTER ? t->rows[i].exec_start : 0);
	t->newest = VH_MAX(t->newest, ran);
	/* Time stamps of the log are of the same clock, and may be newer where all CPUs rest. */
	for (size_t i = 0; i < t->in->n_dmesg; i++)
		if (t->in->dmesg[i].ts_ns < NO_CLOCK_AFTER)
			t->newest = VH_MAX(t->newest, t->in->dmesg[i].ts_ns);
}

/*
 * se.exec_start is of clock_task of the CPU that it ran on last, which runs behind that CPU's
 * clock by what interrupts and the hypervisor took; the clock itself stands while the CPU rests. So
 * now is that CPU's clock_task, plus what its clock is behind the newest of all. A lower bound:
 * where all CPUs rest or hang, the newest stands too.
 */
int64_t vh_task_waited(const struct vh_task_table *t, const struct vh_task_row *row)
{
	const struct vh_cpu_queue *q =
		row->cpu >= 0 && (size_t)row->cpu < t->n_cpus ? &t->cpus[row->cpu] : NULL;
	uint64_t now = t->newest;

	if (row->on_cpu)
		return 0;
	if (q && q->clock && q->clock_task && q->clock_task <= q->clock)
		now = q->clock_task + (t->newest - VH_MIN(q->clock, t->newest));
	/* Zero of what has not run yet, or is on its way to another CPU. */
	if (!row->exec_start || row->exec_start > now)
		return row->exec_start && row->exec_start < NO_CLOCK_AFTER && now ? 0 : -1;
	return (int64_t)(now - row->exec_start);
}

void vh_tasks_of_vcpus(struct vh_kernel *k, struct vh_inside *in)
{
	struct vh_task_table t;

	if (!in->n_vcpus || !vh_task_table_open(&t, k, in))
		return;
	vh_task_table_cpus(&t);
	for (size_t i = 0; i < in->n_vcpus; i++) {
		struct vh_inside_vcpu *v = &in->vcpus[i];
		struct vh_task_row row;

		if (v->index < 0 || (size_t)v->index >= t.n_cpus)
			continue;
		const struct vh_cpu_queue *q = &t.cpus[v->index];

		v->nr_running = q->nr_running;
		v->clock_lag_ns = q->clock ? (int64_t)(t.newest - q->clock) : -1;
		if (!q->current || vh_task_table_row(&t, q->current, &row))
			continue;
		v->pid = row.pid;
		v->tgid = row.tgid;
		free(v->comm);
		v->comm = vh_strdup(row.comm);
	}
	vh_task_table_close(&t);
}
