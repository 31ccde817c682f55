/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the members of task_struct are in a kernel without BTF: what init_task and its neighbours
 * hold there tells. Whatever does not fit nearly all of the tasks that were looked at is left
 * unknown.
 */
#include "guest/tasks_table.h"

#define WINDOW       12288u /* of a task_struct: thread.sp lies behind the first 5 KB */
#define MAX_SAMPLE   48u    /* tasks */
#define KTHREAD      0x00200000u
#define LATEST_CLOCK (UINT64_C(1) << 60)

struct infer {
	struct vh_kernel *k;
	size_t n; /* tasks; the first is init_task */
	uint64_t gva[MAX_SAMPLE];
	uint8_t *data[MAX_SAMPLE];
	uint32_t comm, tasks, pid, stack, sp, mm, cpu, exec_start;
	bool has_mm, has_cpu, has_exec_start;
};

static uint64_t u64_at(const struct infer *x, size_t task, uint32_t offset)
{
	uint64_t value;

	memcpy(&value, x->data[task] + offset, sizeof(value));
	return value;
}

static uint32_t u32_at(const struct infer *x, size_t task, uint32_t offset)
{
	uint32_t value;

	memcpy(&value, x->data[task] + offset, sizeof(value));
	return value;
}

static bool is_pointer(uint64_t gva)
{
	return vh_is_kernel_gva(gva) && gva % 8 == 0;
}

/* Nine of ten of the tasks behind init_task. */
static bool is_most(const struct infer *x, size_t hits)
{
	return hits && hits * 10 >= (x->n - 1) * 9;
}

static void enter(const struct infer *x, const char *path, uint32_t offset, uint32_t size)
{
	vh_layout_add(x->k->layout, "task_struct", path, offset, size);
}

static bool is_comm(const uint8_t *comm)
{
	size_t n = 0;

	while (n < VH_TASK_COMM_LEN && comm[n])
		if (comm[n] < 32 || comm[n++] == 127)
			return false;
	return n && n < VH_TASK_COMM_LEN;
}

static bool add_sample_of(struct infer *x, uint64_t gva, size_t n)
{
	uint8_t *data = vh_alloc(n);

	if (!is_pointer(gva) || vh_space_read(x->k->space, gva, data, n)) {
		free(data);
		return false;
	}
	x->gva[x->n] = gva;
	x->data[x->n++] = data;
	return true;
}

static bool add_sample(struct infer *x, uint64_t gva)
{
	return add_sample_of(x, gva, WINDOW);
}

static void drop_samples(struct infer *x)
{
	for (size_t i = 0; i < x->n; i++)
		free(x->data[i]);
}

/* --- One member after the other ------------------------------------------------------------------
 */

static bool find_comm(struct infer *x)
{
	const uint8_t *at = memmem(x->data[0], WINDOW, "swapper\0", 8);

	if (!at)
		at = memmem(x->data[0], WINDOW, "swapper/0\0", 10);
	if (!at || at - x->data[0] > WINDOW - VH_TASK_COMM_LEN)
		return false;
	x->comm = (uint32_t)(at - x->data[0]);
	return true;
}

/* A list_head whose neighbour points back, and whose neighbour less the same offset has a name; and
 * so the next four. */
static bool is_tasks(const struct infer *x, uint32_t offset)
{
	uint64_t before = x->gva[0] + offset, at = u64_at(x, 0, offset);
	unsigned steps = 0;

	for (; steps < 5 && at != x->gva[0] + offset; steps++) {
		uint64_t link[2];
		uint8_t comm[VH_TASK_COMM_LEN];

		if (!is_pointer(at) || vh_space_read(x->k->space, at, link, sizeof(link)) ||
			link[1] != before ||
			vh_space_read(x->k->space, at - offset + x->comm, comm, sizeof(comm)) ||
			!is_comm(comm))
			return false;
		before = at;
		at = link[0];
	}
	return steps >= 2;
}

static bool find_tasks(struct infer *x)
{
	uint64_t at;

	for (x->tasks = 0; x->tasks < x->comm && !is_tasks(x, x->tasks); x->tasks += 8)
		;
	if (x->tasks >= x->comm)
		return false;
	enter(x, "comm", x->comm, VH_TASK_COMM_LEN);
	enter(x, "tasks", x->tasks, 16);
	at = u64_at(x, 0, x->tasks) - x->tasks;
	while (x->n < MAX_SAMPLE && at != x->gva[0] && add_sample(x, at))
		at = u64_at(x, x->n - 1, x->tasks) - x->tasks;
	return x->n > 2;
}

/* 0 and 0, then 1 and 1; of the others the same twice, and not 0. */
static bool find_pid(struct infer *x)
{
	for (uint32_t o = x->tasks; o + 8 <= x->comm; o += 4) {
		size_t i = 0;

		while (i < x->n && u32_at(x, i, o) == u32_at(x, i, o + 4) &&
			(i < 2 ? u32_at(x, i, o) == i : u32_at(x, i, o) > 1))
			i++;
		if (i < x->n)
			continue;
		x->pid = o;
		enter(x, "pid", o, 4);
		enter(x, "tgid", o + 4, 4);
		return true;
	}
	return false;
}

/* A pointer to a page, different for each. */
static bool find_stack(struct infer *x)
{
	for (x->stack = 0; x->stack < 256; x->stack += 8) {
		size_t hits = 0;

		for (size_t i = 1; i < x->n; i++) {
			uint64_t value = u64_at(x, i, x->stack);
			bool fits = is_pointer(value) && value % 4096 == 0;

			for (size_t k = 0; k < i && fits; k++)
				fits = u64_at(x, k, x->stack) != value;
			hits += fits;
		}
		if (is_most(x, hits)) {
			enter(x, "stack", x->stack, 8);
			return true;
		}
	}
	return false;
}

static bool find_sp(struct infer *x)
{
	for (x->sp = x->comm & ~7u; x->sp + 8 <= WINDOW; x->sp += 8) {
		size_t hits = 0;

		for (size_t i = 1; i < x->n; i++)
			hits += u64_at(x, i, x->sp) - u64_at(x, i, x->stack) < 16384 - 56;
		if (is_most(x, hits)) {
			enter(x, "thread.sp", x->sp, 8);
			return true;
		}
	}
	return false;
}

/* What __switch_to_asm() pushed: a return address at 48, or 56, where flags are pushed too. */
static void find_frame(struct infer *x)
{
	static const uint32_t places[] = {48, 56, 40};

	for (size_t p = 0; p < VH_ARRAY_SIZE(places); p++) {
		size_t hits = 0;

		for (size_t i = 1; i < x->n; i++) {
			uint64_t ip;

			hits += !vh_space_u64(x->k->space, u64_at(x, i, x->sp) + places[p], &ip) &&
				vh_kernel_is_text(x->k, ip);
		}
		/* The stack of a task that runs is another by now. */
		if (hits * 4 < (x->n - 1) * 3)
			continue;
		vh_layout_add(x->k->layout, "inactive_task_frame", "ret_addr", places[p], 8);
		vh_layout_add(x->k->layout, "inactive_task_frame", "bp", places[p] - 8, 8);
		return;
	}
}

static bool is_state(uint32_t value)
{
	static const uint32_t states[] = {0, 1, 2, 4, 8, 0x40, 0x80, 0x100, 0x102, 0x104, 0x108,
		0x200, 0x402, 0x800, 0x2001, 0x2002, 0x2102, 0x2402, 0x8000};

	for (size_t i = 0; i < VH_ARRAY_SIZE(states); i++)
		if (value == states[i])
			return true;
	return false;
}

/* In front of the stack: of most tasks that they sleep. A long, an int since 5.14. From the stack
 * backwards: before it lies thread_info, from 5.16 on with the number of a CPU, which may seem a
 * state. */
static void find_state(struct infer *x)
{
	for (uint32_t o = x->stack - 4; x->stack && o >= 8; o -= 4) {
		size_t fits = 0, sleep = 0;

		for (size_t i = 1; i < x->n; i++) {
			fits += is_state(u32_at(x, i, o));
			sleep += u32_at(x, i, o) != 0;
		}
		if (fits == x->n - 1 && sleep * 10 >= (x->n - 1) * 7) {
			enter(x, "state", o, 4);
			return;
		}
	}
}

/* mm, and the same again as active_mm, of init (pid 1); of kthreadd (pid 2), behind it in the list,
 * there is none. */
static void find_mm(struct infer *x)
{
	for (uint32_t o = x->tasks + 16; x->n > 2 && o + 16 <= x->comm; o += 8) {
		size_t i = 1;

		while (i < x->n &&
			(!u64_at(x, i, o) || (is_pointer(u64_at(x, i, o)) &&
						     u64_at(x, i, o) == u64_at(x, i, o + 8))))
			i++;
		if (i < x->n || !u64_at(x, 1, o) || u64_at(x, 2, o) || u64_at(x, 0, o))
			continue;
		x->mm = o;
		x->has_mm = true;
		enter(x, "mm", o, 8);
		return;
	}
}

static bool is_flagged_right(const struct infer *x, size_t task, uint32_t offset)
{
	return !(u32_at(x, task, offset) & KTHREAD) == !!u64_at(x, task, x->mm);
}

/* PF_KTHREAD is of those that have no mm. */
static void find_flags(struct infer *x)
{
	for (uint32_t o = x->stack + 8; x->has_mm && o < x->stack + 48; o += 4) {
		size_t hits = 0;

		for (size_t i = 1; i < x->n; i++)
			hits += is_flagged_right(x, i, o);
		if (is_most(x, hits) && is_flagged_right(x, 1, o) && is_flagged_right(x, 2, o)) {
			enter(x, "flags", o, 4);
			return;
		}
	}
}

/* init_task.signal is init_signals, whose thread_head and init_task's thread_node are a ring of
 * two. */
static void find_threads(struct infer *x)
{
	uint64_t signals, words[32];
	uint32_t offset = 8;

	if (!vh_symbols_address(x->k->symbols, "init_signals", &signals) ||
		vh_space_read(x->k->space, signals, words, sizeof(words)))
		return;
	while (offset + 8 <= WINDOW && u64_at(x, 0, offset) != signals)
		offset += 8;
	if (offset + 8 > WINDOW)
		return;
	for (uint32_t i = 0; i + 1 < VH_ARRAY_SIZE(words); i++) {
		uint64_t node = words[i] - x->gva[0];

		if (words[i] != words[i + 1] || node > WINDOW - 16 || node % 8 ||
			u64_at(x, 0, (uint32_t)node) != signals + i * 8)
			continue;
		enter(x, "signal", offset, 8);
		enter(x, "thread_node", (uint32_t)node, 16);
		vh_layout_add(x->k->layout, "signal_struct", "thread_head", i * 8, 16);
		return;
	}
}

/* struct sched_entity: group_node, which is a ring of its own in a task that sleeps; on_rq;
 * exec_start; sum_exec_runtime, which is less. */
static void find_exec_start(struct infer *x)
{
	for (uint32_t o = x->stack + 8; o < 1024; o += 8) {
		size_t hits = 0;

		for (size_t i = 1; i < x->n; i++) {
			uint64_t started = u64_at(x, i, o + 24), sum = u64_at(x, i, o + 32);

			hits += u64_at(x, i, o) == x->gva[i] + o &&
				u64_at(x, i, o + 8) == x->gva[i] + o &&
				(u64_at(x, i, o + 16) & 0xff) <= 1 && started &&
				started < LATEST_CLOCK && sum && sum < started;
		}
		if (hits * 4 >= (x->n - 1) * 3) {
			x->exec_start = o + 24;
			x->has_exec_start = true;
			enter(x, "se.exec_start", o + 24, 8);
			return;
		}
	}
}

/* --- CPUs and their run queues -------------------------------------------------------------------
 */

#define MAX_LOOK 16u /* CPUs */
#define RQ_BYTES 4096u

struct cpus {
	size_t n;
	struct infer current; /* copies of the tasks that run */
	struct infer queue;   /* and of the run queues */
};

static bool read_cpus(struct infer *x, struct cpus *c)
{
	size_t n = VH_MIN(vh_task_cpus(x->k), (size_t)MAX_LOOK);

	c->current.k = c->queue.k = x->k;
	while (c->n < n && add_sample(&c->current, vh_task_current(x->k, (int)c->n)))
		c->n++;
	return n && c->n == n;
}

static bool is_current(const struct cpus *c, uint64_t gva)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->current.gva[i] == gva)
			return true;
	return false;
}

/* 1 of each CPU's current task, 0 of every other. */
static void find_on_cpu(const struct infer *x, const struct cpus *c)
{
	for (uint32_t o = x->stack + 8; o < x->stack + 96; o += 4) {
		bool fits = true;

		for (size_t i = 0; i < c->n && fits; i++)
			fits = u32_at(&c->current, i, o) == 1;
		for (size_t i = 1; i < x->n && fits; i++)
			fits = u32_at(x, i, o) == 0 || is_current(c, x->gva[i]);
		if (fits) {
			enter(x, "on_cpu", o, 4);
			return;
		}
	}
}

/* The number of the CPU, of its current task; one that there is, of the others. One CPU alone tells
 * nothing, and needs not. */
static void find_cpu(struct infer *x, const struct cpus *c)
{
	for (uint32_t o = 8; c->n > 1 && o < x->stack + 128; o += 4) {
		bool fits = true;

		for (size_t i = 0; i < c->n && fits; i++)
			fits = u32_at(&c->current, i, o) == i;
		for (size_t i = 1; i < x->n && fits; i++)
			fits = u32_at(x, i, o) < vh_task_cpus(x->k);
		if (fits) {
			x->cpu = o;
			x->has_cpu = true;
			enter(x, "cpu", o, 4);
			return;
		}
	}
}

/* When a task of that CPU ran last, of those that were looked at. */
static uint64_t latest_of(const struct infer *x, size_t cpu)
{
	uint64_t latest = 0;

	for (size_t i = 1; i < x->n; i++)
		if (!x->has_cpu || u32_at(x, i, x->cpu) == cpu)
			latest = VH_MAX(latest, u64_at(x, i, x->exec_start));
	return latest;
}

/* Of every CPU no less than when a task of it ran last, and not much more: the one that runs is
 * accounted for at each tick. */
static bool is_clock(
	const struct infer *x, const struct cpus *c, const uint64_t *latest, uint32_t o)
{
	for (size_t i = 0; i < c->n; i++) {
		bool rests = !u32_at(&c->current, i, x->pid);
		uint64_t value = u64_at(&c->queue, i, o), most = rests ? 10000000000u : 1000000000u;

		if (value < latest[i] || value - latest[i] > most)
			return false;
	}
	return true;
}

/* rq.clock, and less than a cache line behind it clock_task, which is no more
 * (kernel/sched/sched.h, up to 7.0). */
static void find_clock(const struct infer *x, const struct cpus *c)
{
	uint64_t latest[MAX_LOOK];

	for (size_t i = 0; i < c->n; i++) {
		latest[i] = latest_of(x, i);
		if (u32_at(&c->current, i, x->pid))
			latest[i] = VH_MAX(latest[i], u64_at(&c->current, i, x->exec_start));
		if (!latest[i])
			return;
	}
	for (uint32_t o = 64; o + 64 < RQ_BYTES; o += 8) {
		uint32_t second = o + 8;

		while (second < o + 64 &&
			!(is_clock(x, c, latest, o) && is_clock(x, c, latest, second) &&
				u64_at(&c->queue, 0, second) <= u64_at(&c->queue, 0, o)))
			second += 8;
		if (second < o + 64) {
			vh_layout_add(x->k->layout, "rq", "clock", o, 8);
			vh_layout_add(x->k->layout, "rq", "clock_task", second, 8);
			return;
		}
	}
}

/* Behind the queue's lock: no task less than the one that runs. */
static void find_nr_running(const struct infer *x, const struct cpus *c)
{
	for (size_t i = 0; i < c->n; i++) {
		uint32_t running = u32_at(&c->queue, i, 4);

		if (running > 10000 || (!running && u32_at(&c->current, i, x->pid)))
			return;
	}
	vh_layout_add(x->k->layout, "rq", "nr_running", 4, 4);
}

static void find_cpus(struct infer *x)
{
	struct cpus *c = vh_alloc(sizeof(*c));

	if (read_cpus(x, c)) {
		find_on_cpu(x, c);
		find_cpu(x, c);
		for (size_t i = 0; i < c->n; i++) {
			uint64_t rq;

			if (!vh_kernel_percpu(x->k, "runqueues", (int)i, &rq) ||
				!add_sample_of(&c->queue, rq, RQ_BYTES))
				break;
		}
		if (c->queue.n == c->n) {
			find_nr_running(x, c);
			if (x->has_exec_start && (x->has_cpu || c->n == 1))
				find_clock(x, c);
		}
	}
	drop_samples(&c->current);
	drop_samples(&c->queue);
	free(c);
}

/* Whoever wants to know of tasks tries again. */
static void say_once(struct vh_inside *in, const char *missing)
{
	vh_auto_free char *text = vh_asprintf(
		"no BTF of the kernel was found, and neither was %s: its tasks are not known",
		missing);

	for (size_t i = 0; i < in->n_notes; i++)
		if (strcmp(in->notes[i], text) == 0)
			return;
	vh_inside_note(in, "%s", text);
}

bool vh_tasks_infer(struct vh_kernel *k, struct vh_inside *in)
{
	struct infer x = {.k = k};
	const char *missing = NULL;
	uint64_t init;

	if (!vh_symbols_address(k->symbols, "init_task", &init) || !add_sample(&x, init))
		missing = "init_task";
	else if (!find_comm(&x))
		missing = "the name of init_task";
	else if (!find_tasks(&x))
		missing = "the list of tasks";
	else if (!find_pid(&x))
		missing = "pids";
	if (!missing) {
		if (find_stack(&x)) {
			find_state(&x);
			find_exec_start(&x);
			if (find_sp(&x))
				find_frame(&x);
		}
		find_mm(&x);
		find_flags(&x);
		find_threads(&x);
		find_cpus(&x);
		in->kernel.layout_inferred = true;
	} else {
		say_once(in, missing);
	}
	drop_samples(&x);
	return !missing;
}
