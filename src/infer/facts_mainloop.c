/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts of the VMM's threads among each other: who waits for whose lock, and what the main loop is
 * at where it does not serve events. */
#include "infer/facts_build.h"

#define SPINS_SHARE      0.9
#define RUNS_SHARE_MIN   0.1 /* a real-time rival leaves 5 % (kernel: sched_rt_runtime_us) */
#define NESTED_FDS_MAX   2   /* the outermost loop waits for four at least */
#define CYCLES_FROM_MAX  256
#define SYSCALL_POLL     7
#define SYSCALL_PPOLL    271
#define LAST_OR_FIRST(t) ((t)->last.seen ? &(t)->last : &(t)->first)

static const struct vh_thread *thread_of(const struct vh_model *m, pid_t tid)
{
	for (size_t i = 0; tid && i < m->n_threads; i++)
		if (m->threads[i]->tid == tid)
			return m->threads[i];
	return NULL;
}

/* A lock of which another thread waits for all the time, and that this one holds. */
static bool is_waited_for(const struct vh_model *m, const struct vh_thread *owner)
{
	for (size_t i = 0; i < m->n_threads; i++)
		if (m->threads[i]->lock_owner == owner->tid && vh_waits_all_the_time(m->threads[i]))
			return true;
	return false;
}

/* The outermost event loop gives the big lock away while it waits (QEMU util/main-loop.c), and
 * waits for signals, its own wake-ups and the monitor at least. One that waits for a drive's
 * requests within a command (aio_poll) keeps the lock, and waits for next to nothing. */
bool vh_main_loop_is_nested(const struct vh_model *m)
{
	const struct vh_thread *t = vh_model_main_thread(m);

	if (!t || t->wait != VH_WAIT_POLL || !vh_waits_all_the_time(t) || m->pasted)
		return false;
	const struct vh_thread_sample *s = LAST_OR_FIRST(t);
	bool polls = s->syscall == SYSCALL_POLL || s->syscall == SYSCALL_PPOLL;

	return is_waited_for(m, t) || (s->has_syscall && polls && s->args[1] <= NESTED_FDS_MAX);
}

/* "waits for storage: /x (fd 9)" */
static char *what_it_does(const struct vh_thread *t)
{
	const struct vh_thread_sample *s = LAST_OR_FIRST(t);
	const char *wchan = s->wchan && s->wchan[0] && !vh_streq(s->wchan, "0") ? s->wchan : NULL;
	const char *what = vh_wait_text(t->wait);
	vh_auto_free char *where = wchan ? vh_asprintf(" (%s)", wchan) : vh_strdup("");

	if (what)
		return vh_asprintf("waits for %s%s%s%s", what, where, t->blocked_on ? ": " : "",
			t->blocked_on ? t->blocked_on : "");
	switch (t->wait) {
	case VH_WAIT_NONE:
		return vh_strdup("runs");
	case VH_WAIT_SLEEP:
		return vh_asprintf("naps, and tries something again and again%s", where);
	case VH_WAIT_POLL:
		return vh_asprintf("waits for requests of its own to end%s", where);
	case VH_WAIT_FUTEX:
		return vh_asprintf("waits for another thread%s", where);
	default:
		return vh_asprintf("is in state %c%s", s->stat.state, where);
	}
}

static void ground_lock(struct vh_facts *facts, struct vh_fact *f, const struct vh_thread *t)
{
	vh_fact_ground(facts, f, "task.futex", vh_subject_tid(t->tid).s);
	vh_fact_ground(facts, f, "task.wchan", vh_subject_tid(t->tid).s);
	vh_fact_ground(facts, f, "task.stack", vh_subject_tid(t->tid).s);
	vh_fact_ground(facts, f, "task.fd", vh_subject_tid(t->tid).s);
}

/* The chain from a thread along the locks comes back to it. */
static bool is_in_cycle(const struct vh_model *m, const struct vh_thread *from)
{
	const struct vh_thread *t = from;

	for (size_t i = 0; t && i <= CYCLES_FROM_MAX; i++) {
		if (!t->lock_owner || !vh_waits_all_the_time(t))
			return false;
		t = thread_of(m, t->lock_owner);
		if (t == from)
			return true;
	}
	return false;
}

static bool cycle_fact(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < VH_MIN(m->n_threads, CYCLES_FROM_MAX); i++) {
		const struct vh_thread *from = m->threads[i], *t = from;
		vh_auto_buf struct vh_buf text = {0};

		if (!from->lock_owner || !is_in_cycle(m, from))
			continue;
		vh_buf_puts(&text, "threads wait for each other's locks: ");
		do {
			vh_buf_printf(&text, "%s%d (%s)", t == from ? "" : ", which waits for ",
				(int)t->tid, t->name);
			t = thread_of(m, t->lock_owner);
		} while (t != from);
		vh_buf_printf(&text, ", which waits for %d", (int)from->tid);
		struct vh_fact *f =
			vh_fact_add(facts, VH_FACT_LOCK_CYCLE, -1, from->tid, "%s", text.data);

		do {
			ground_lock(facts, f, t);
			t = thread_of(m, t->lock_owner);
		} while (t != from);
		return true;
	}
	return false;
}

static void lock_fact(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	const struct vh_thread *main = vh_model_main_thread(m);
	const struct vh_thread *owner = main ? thread_of(m, main->lock_owner) : NULL;

	if (!owner || !vh_waits_all_the_time(main))
		return;
	vh_auto_free char *does = what_it_does(owner);
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_LOCK_HELD, -1, owner->tid,
		"the main loop waits for a lock that thread %d (%s) holds, and that thread %s",
		(int)owner->tid, owner->name, does);

	ground_lock(facts, f, main);
	ground_lock(facts, f, owner);
}

/* It runs, or would if the host let it: a VMM that gets no CPU at all is another matter. */
static bool never_rests(const struct vh_thread *t)
{
	return t->run_share >= RUNS_SHARE_MIN && t->run_share + t->wait_share >= SPINS_SHARE &&
	       t->first.stat.state == 'R' && t->last.stat.state == 'R';
}

static void main_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	const struct vh_thread *t = vh_model_main_thread(m);
	struct vh_fact *f = NULL;

	if (!t)
		return;
	if (vh_main_loop_is_nested(m))
		f = vh_fact_add(facts, VH_FACT_MAIN_NESTED, -1, NAN,
			"the main loop did not serve events during the whole window: it waits "
			"for requests to end, within a command or a device's request%s",
			is_waited_for(m, t) ? ", and holds its lock meanwhile" : "");
	else if (never_rests(t))
		f = vh_fact_add(facts, VH_FACT_MAIN_RUNS, -1, t->run_share,
			"the main loop never rested: it ran %.0f %% of the window, and waited for "
			"a "
			"CPU for %.0f %%",
			t->run_share * 100, t->wait_share * 100);
	if (!f)
		return;
	ground_lock(facts, f, t);
	vh_fact_ground(facts, f, "task.syscall", vh_subject_tid(t->tid).s);
	vh_fact_ground(facts, f, "task.schedstat", vh_subject_tid(t->tid).s);
}

/* Standard output and error: what the VMM logs. */
static void log_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_threads; i++) {
		const struct vh_thread *t = m->threads[i];
		const struct vh_thread_sample *s = LAST_OR_FIRST(t);
		bool writes = s->has_syscall && (s->syscall == 1 || s->syscall == 20);

		if (t->wait != VH_WAIT_PIPE || !writes || (s->args[0] != 1 && s->args[0] != 2) ||
			!vh_waits_all_the_time(t) || t->waits_on_serial)
			continue;
		ground_lock(facts,
			vh_fact_add(facts, VH_FACT_LOG_NOT_READ, t->vcpu, t->tid,
				"thread %d (%s) waits for somebody to read what the VMM writes to "
				"its standard %s: %s",
				(int)t->tid, t->name, s->args[0] == 1 ? "output" : "error",
				t->blocked_on ? t->blocked_on : "a pipe"),
			t);
		return;
	}
}

/* What becomes of a process that ends, and does not come to its end. */
static void end_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	const struct vh_thread *t = thread_of(m, m->process.killed);

	if (m->process.dumps_core)
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_DUMPS_CORE, -1, NAN,
				"the VMM crashed or aborted, and the kernel writes its memory away "
				"(a core dump)"),
			"proc.status", NULL);
	if (!t)
		return;
	vh_auto_free char *does = what_it_does(t);

	ground_lock(facts,
		vh_fact_add(facts, VH_FACT_CANNOT_END, -1, t->tid,
			"the VMM was killed and cannot end: thread %d (%s) %s", (int)t->tid,
			t->name, does),
		t);
}

void vh_facts_of_mainloop(struct vh_facts *facts)
{
	end_facts(facts);
	if (!cycle_fact(facts))
		lock_fact(facts);
	main_facts(facts);
	log_facts(facts);
}
