/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/tasks.h"

#include <errno.h>

#include "guest/tasks_table.h"
#include "guest/unwind.h"

/* Of the stacks that may be read in all, so many are of tasks in state D: holders of the locks that
 * these wait for must have a place. */
#define MAX_D        160u
#define MAX_RUNNABLE 32u
#define MAX_LAST     16u /* user processes that ran last */

/* Bits of task_struct.state, 4.14 on (linux/sched.h). */
#define STATE_UNINTERRUPTIBLE 0x0002u
#define STATE_DEAD            0x0080u
#define STATE_WAKEKILL        0x0100u
#define STATE_NOLOAD          0x0400u
#define STATE_RTLOCK_WAIT     0x1000u
#define STATE_FROZEN          0x8000u
#define STATE_REPORT          0x007fu
#define FLAG_KTHREAD          0x00200000u

/* As the kernel's task_state_to_char(): the highest bit of what it reports. */
static char state_letter(const struct vh_task_table *t, const struct vh_task_row *row)
{
	static const char letters[] = "RSDTtXZP";
	uint64_t both = row->state | row->exit_state;
	unsigned highest = 0;

	if (!t->has[VH_TASK_STATE])
		return '?';
	if ((row->state & (STATE_UNINTERRUPTIBLE | STATE_NOLOAD)) ==
		(STATE_UNINTERRUPTIBLE | STATE_NOLOAD))
		return 'I';
	if (row->state & (STATE_RTLOCK_WAIT | STATE_FROZEN))
		both |= STATE_UNINTERRUPTIBLE;
	for (unsigned bit = 0; bit < 7; bit++)
		if (both & STATE_REPORT & (1u << bit))
			highest = bit + 1;
	/* Dead, and still in the list: of what its parent has not asked for yet. */
	if (!highest && row->state & STATE_DEAD)
		return t->has[VH_TASK_EXIT_STATE] ? 'X' : 'Z';
	return letters[highest];
}

static void add_task(struct vh_task_table *t, const struct vh_task_row *row)
{
	struct vh_inside_task *task = &VH_PUSH(t->in->tasks, t->in->n_tasks);

	*task = (struct vh_inside_task){
		.pid = row->pid,
		.tgid = row->tgid,
		.comm = vh_strdup(row->comm),
		.state = state_letter(t, row),
		.raw = row->state,
		.kernel_thread = t->has[VH_TASK_FLAGS] ? row->flags & FLAG_KTHREAD : !row->mm,
		.on_cpu = row->on_cpu,
		.cpu = (int)row->cpu,
		.waited_ns = vh_task_waited(t, row),
		.lock = {.holder_pid = -1},
	};
	task->killable = task->state == 'D' && row->state & STATE_WAKEKILL;
}

/* Where on_cpu is not known: what a CPU's own variable names is on it. */
static void mark_current(struct vh_task_table *t)
{
	for (size_t i = 0; i < t->n_cpus; i++) {
		struct vh_task_row *row = vh_task_table_find(t, t->cpus[i].current);

		if (!row)
			continue;
		if (!t->has[VH_TASK_ON_CPU])
			row->on_cpu = true;
		if (row->cpu < 0)
			row->cpu = (int64_t)i;
	}
}

/* --- Stacks --------------------------------------------------------------------------------------
 */

/* What x86 pushes when it switches away from a task (struct inactive_task_frame of
 * arch/x86/include/asm/switch_to.h). */
static bool saved_by_x86(
	const struct vh_task_table *t, const struct vh_task_row *row, struct vh_unwind_from *from)
{
	struct vh_kernel *k = t->k;
	uint32_t bp = vh_layout_offset(k->layout, "inactive_task_frame", "bp", 40);
	uint32_t ip = vh_layout_offset(k->layout, "inactive_task_frame", "ret_addr", 48);
	uint32_t bytes = ip + 8;

	if (bytes > 512 || row->stack + t->stack_bytes - row->sp < bytes)
		return false;
	from->sp = row->sp + bytes;
	return !vh_space_u64(k->space, row->sp + ip, &from->ip) &&
	       !vh_space_u64(k->space, row->sp + bp, &from->bp);
}

/* arm64 keeps FP, SP and PC, one behind the other, in the task itself (struct cpu_context of
 * arch/arm64/include/asm/processor.h). */
static bool saved_by_arm(
	const struct vh_task_table *t, const struct vh_task_row *row, struct vh_unwind_from *from)
{
	uint64_t saved[3];

	if (vh_space_read(
		    t->k->space, row->gva + t->f[VH_TASK_SP].offset - 8, saved, sizeof(saved)))
		return false;
	from->bp = saved[0];
	from->sp = saved[1];
	from->ip = saved[2];
	return from->sp == row->sp;
}

/* Frames, and what it waits for, of one copy of its stack. */
static void read_stack(
	struct vh_task_table *t, struct vh_task_row *row, struct vh_inside_task *task)
{
	struct vh_kernel *k = t->k;
	uint64_t end = row->stack + t->stack_bytes;
	struct vh_unwind_from from = {0};

	row->visited = true;
	if (!t->has[VH_TASK_SP] ||
		vh_space_u64(k->space, row->gva + t->f[VH_TASK_SP].offset, &row->sp))
		return;
	if (row->on_cpu || !vh_is_kernel_gva(row->stack) || row->sp < row->stack || row->sp >= end)
		return;
	size_t n = vh_space_freeze(k->space, row->sp, (size_t)(end - row->sp));

	if (n && (vh_kernel_is_arm(k) ? saved_by_arm : saved_by_x86)(t, row, &from)) {
		vh_auto_free uint8_t *bytes = vh_alloc(n);
		struct vh_task_stack s = {row, row->sp, bytes, n, &task->stack};

		vh_unwind(k, &from, &task->stack);
		/* What is runnable waits for a CPU alone, wherever it slept before. */
		if (task->state != 'R' && !vh_space_read(k->space, row->sp, bytes, n))
			vh_task_wait(t, &s, &task->lock);
	}
	vh_space_freeze(k->space, 0, 0);
}

struct choice {
	struct vh_task_table *t;
	unsigned n; /* stacks that were read */
	bool cut;
};

static void visit(struct choice *c, size_t i)
{
	struct vh_task_row *row = &c->t->rows[i];

	if (row->visited)
		return;
	if (c->n >= VH_INSIDE_MAX_STACKS) {
		c->cut = true;
		return;
	}
	c->n++;
	read_stack(c->t, row, &c->t->in->tasks[i]);
}

static struct vh_task_row *row_of_pid(struct vh_task_table *t, int64_t pid, size_t *at)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->rows[i].pid == pid) {
			*at = i;
			return &t->rows[i];
		}
	return NULL;
}

/* Whoever holds what the task at *at waits for, which is then *at; false: nobody, or nobody new. */
static bool visit_holder(struct choice *c, size_t *at)
{
	int64_t pid = c->t->in->tasks[*at].lock.holder_pid;
	struct vh_task_row *row = pid < 0 ? NULL : row_of_pid(c->t, pid, at);

	if (!row || row->visited || c->n >= VH_INSIDE_MAX_STACKS)
		return false;
	visit(c, *at);
	return true;
}

/* Who holds what the others wait for, and who holds what these wait for: each chain is followed to
 * its end at once, so that the tasks are gone through once, however the guest arranged them. */
static void visit_holders(struct choice *c)
{
	for (size_t i = 0; i < c->t->in->n_tasks; i++) {
		size_t at = i;

		while (visit_holder(c, &at))
			;
	}
}

/* The user processes that ran last, newest first. */
static void visit_last(struct choice *c)
{
	for (unsigned round = 0; round < MAX_LAST; round++) {
		size_t best = c->t->n;

		for (size_t i = 0; i < c->t->n; i++)
			if (!c->t->rows[i].visited && !c->t->in->tasks[i].kernel_thread &&
				c->t->rows[i].exec_start &&
				(best == c->t->n ||
					c->t->rows[i].exec_start > c->t->rows[best].exec_start))
				best = i;
		if (best == c->t->n)
			return;
		visit(c, best);
	}
}

static void visit_state(struct choice *c, char state, unsigned most)
{
	const struct vh_inside *in = c->t->in;

	for (size_t i = 0; i < in->n_tasks; i++) {
		if (in->tasks[i].state != state || in->tasks[i].on_cpu)
			continue;
		if (!most--) {
			c->cut = true;
			return;
		}
		visit(c, i);
	}
}

static void visit_all(struct vh_task_table *t)
{
	struct choice c = {.t = t};
	size_t at;

	visit_state(&c, 'D', MAX_D);
	visit_holders(&c);
	if (row_of_pid(t, 1, &at))
		visit(&c, at);
	visit_state(&c, 'R', MAX_RUNNABLE);
	visit_last(&c);
	visit_holders(&c);
	if (c.cut)
		vh_inside_note(t->in, "only the stacks of %u tasks were read", c.n);
}

int vh_tasks_read(struct vh_kernel *k, struct vh_inside *in)
{
	struct vh_task_table t;
	int err = -ENODATA;

	if (in->n_tasks || !vh_task_table_open(&t, k, in))
		return err;
	err = vh_task_table_fill(&t);
	if (!err) {
		vh_task_table_cpus(&t);
		mark_current(&t);
		for (size_t i = 0; i < t.n; i++)
			add_task(&t, &t.rows[i]);
		in->has_tasks = true;
		visit_all(&t);
	}
	vh_task_table_close(&t);
	return err;
}
