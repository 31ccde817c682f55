/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/tasks_table.h"

#include <errno.h>

#define MAX_PID   4194304 /* PID_MAX_LIMIT of linux/threads.h, for 64 bits */
#define MAX_TASK  (64u << 10)
#define NEAR      512u   /* bytes between two members that are still read at once */
#define N_SLOTS   16384u /* twice VH_INSIDE_MAX_TASKS */
#define MAX_STEPS 20000u

static const char *const names[VH_N_TASK_FIELD][3] = {
	[VH_TASK_TASKS] = {"tasks"},
	[VH_TASK_THREAD_NODE] = {"thread_node"},
	[VH_TASK_SIGNAL] = {"signal"},
	[VH_TASK_PID] = {"pid"},
	[VH_TASK_TGID] = {"tgid"},
	[VH_TASK_COMM] = {"comm"},
	[VH_TASK_STACK] = {"stack"},
	[VH_TASK_SP] = {"thread.sp", "thread.cpu_context.sp"},
	[VH_TASK_STATE] = {"__state", "state"},
	[VH_TASK_EXIT_STATE] = {"exit_state"},
	[VH_TASK_FLAGS] = {"flags"},
	[VH_TASK_ON_CPU] = {"on_cpu"},
	[VH_TASK_CPU] = {"thread_info.cpu", "cpu"},
	[VH_TASK_MM] = {"mm"},
	[VH_TASK_EXEC_START] = {"se.exec_start"},
	[VH_TASK_IN_IOWAIT] = {"in_iowait"},
	[VH_TASK_BLOCKER] = {"blocker", "blocker_mutex"}, /* 6.15: a mutex alone */
	[VH_TASK_BLOCKED_ON] = {"blocked_on"},
	[VH_TASK_PI_BLOCKED_ON] = {"pi_blocked_on"},
};

/* Adds a member to the pieces, which are ascending by then: fields are sorted before. */
static void add_piece(struct vh_task_table *t, uint32_t from, uint32_t bytes)
{
	size_t last = t->n_pieces - 1;

	if (t->n_pieces && (from <= t->pieces[last].to + NEAR || t->n_pieces == VH_TASK_PIECES)) {
		t->pieces[last].to = VH_MAX(t->pieces[last].to, from + bytes);
		return;
	}
	t->pieces[t->n_pieces].from = from;
	t->pieces[t->n_pieces++].to = from + bytes;
}

static void make_pieces(struct vh_task_table *t)
{
	uint32_t done = 0;

	/* A selection sort over a handful: the next one is the lowest that is not yet covered. */
	for (unsigned round = 0; round < VH_N_TASK_FIELD; round++) {
		const struct vh_field *lowest = NULL;

		/* Stack pointers are read of those alone whose stack is. */
		for (unsigned i = 0; i < VH_N_TASK_FIELD; i++)
			if (t->has[i] && i != VH_TASK_SP && t->f[i].offset >= done &&
				(!lowest || t->f[i].offset < lowest->offset))
				lowest = &t->f[i];
		if (!lowest)
			return;
		add_piece(t, lowest->offset, VH_MAX(lowest->size, 16u));
		done = lowest->offset + 1;
	}
}

static void find_fields(struct vh_task_table *t)
{
	struct vh_layout *l = t->k->layout;
	struct vh_field f;

	for (unsigned i = 0; i < VH_N_TASK_FIELD; i++)
		t->has[i] = vh_layout_first(l, "task_struct", names[i], &t->f[i]) &&
			    t->f[i].offset < MAX_TASK && t->f[i].size <= 64;
	t->has_threads = t->has[VH_TASK_THREAD_NODE] && t->has[VH_TASK_SIGNAL] &&
			 vh_layout_field(l, "signal_struct", "thread_head", &f);
	t->thread_head = t->has_threads ? f.offset : 0;
	if (!vh_layout_sizeof(l, "thread_union", &t->stack_bytes) || t->stack_bytes < 4096 ||
		t->stack_bytes > VH_FREEZE_MAX)
		t->stack_bytes = 16384;
}

bool vh_task_table_open(struct vh_task_table *t, struct vh_kernel *k, struct vh_inside *in)
{
	static const enum vh_task_field needed[] = {VH_TASK_TASKS, VH_TASK_PID, VH_TASK_COMM};
	struct vh_field f;

	*t = (struct vh_task_table){.k = k, .in = in, .steps = MAX_STEPS};
	if (!vh_layout_field(k->layout, "task_struct", "comm", &f) && !vh_tasks_infer(k, in))
		return false;
	find_fields(t);
	for (size_t i = 0; i < VH_ARRAY_SIZE(needed); i++)
		if (!t->has[needed[i]]) {
			vh_inside_note(in, "the kernel's types do not tell where task_struct.%s is",
				names[needed[i]][0]);
			return false;
		}
	make_pieces(t);
	return true;
}

void vh_task_table_close(struct vh_task_table *t)
{
	free(t->rows);
	free(t->slots);
	free(t->cpus);
	*t = (struct vh_task_table){0};
}

static uint32_t slot_of(uint64_t gva)
{
	return (uint32_t)(gva * UINT64_C(0x9e3779b97f4a7c15) >> 50) & (N_SLOTS - 1);
}

/* The slot of an address, or the free one for it: there are twice as many slots as rows. */
static uint32_t *find_slot(const struct vh_task_table *t, uint64_t gva)
{
	uint32_t i = slot_of(gva);

	while (t->slots[i] && t->rows[t->slots[i] - 1].gva != gva)
		i = (i + 1) & (N_SLOTS - 1);
	return &t->slots[i];
}

struct vh_task_row *vh_task_table_find(const struct vh_task_table *t, uint64_t gva)
{
	uint32_t slot = gva && t->slots ? *find_slot(t, gva) : 0;

	return slot ? &t->rows[slot - 1] : NULL;
}

/* --- One task ------------------------------------------------------------------------------------
 */

struct copy {
	const struct vh_task_table *t;
	uint8_t *bytes; /* as far as pieces cover them */
};

static uint64_t number(const struct copy *c, enum vh_task_field field)
{
	const struct vh_field *f = &c->t->f[field];
	uint64_t value = 0;

	if (!c->t->has[field])
		return 0;
	/* Inferred ones have the size that was told, others that of their type. */
	memcpy(&value, c->bytes + f->offset, VH_MIN(f->size, 8u));
	if (f->bits && f->bits < 64)
		value = value >> f->bit_offset & ((UINT64_C(1) << f->bits) - 1);
	return value;
}

/* Of a list_head: its next, or its prev. */
static uint64_t pointer(const struct copy *c, enum vh_task_field field, size_t at)
{
	uint64_t value = 0;

	if (c->t->has[field])
		memcpy(&value, c->bytes + c->t->f[field].offset + at, sizeof(value));
	return value;
}

static void read_row(const struct copy *c, struct vh_task_row *out)
{
	out->pid = (int32_t)number(c, VH_TASK_PID);
	out->tgid = c->t->has[VH_TASK_TGID] ? (int32_t)number(c, VH_TASK_TGID) : out->pid;
	memcpy(out->comm, c->bytes + c->t->f[VH_TASK_COMM].offset, VH_TASK_COMM_LEN);
	out->stack = number(c, VH_TASK_STACK);
	out->signal = number(c, VH_TASK_SIGNAL);
	out->mm = number(c, VH_TASK_MM);
	out->exec_start = number(c, VH_TASK_EXEC_START);
	out->thread_next = pointer(c, VH_TASK_THREAD_NODE, 0);
	out->thread_before = pointer(c, VH_TASK_THREAD_NODE, 8);
	out->tasks_next = pointer(c, VH_TASK_TASKS, 0);
	out->blocker = number(c, VH_TASK_BLOCKER);
	out->blocked_on = number(c, VH_TASK_BLOCKED_ON);
	out->pi_blocked_on = number(c, VH_TASK_PI_BLOCKED_ON);
	out->flags = number(c, VH_TASK_FLAGS);
	out->cpu = c->t->has[VH_TASK_CPU] ? (int32_t)number(c, VH_TASK_CPU) : -1;
	out->state = number(c, VH_TASK_STATE);
	out->exit_state = number(c, VH_TASK_EXIT_STATE);
	out->on_cpu = number(c, VH_TASK_ON_CPU);
	out->in_iowait = number(c, VH_TASK_IN_IOWAIT);
}

int vh_task_table_row(struct vh_task_table *t, uint64_t gva, struct vh_task_row *out)
{
	uint32_t end = t->n_pieces ? t->pieces[t->n_pieces - 1].to : 0;
	struct copy c = {t, NULL};
	int err = 0;

	if (!vh_is_kernel_gva(gva) || gva % 8)
		return -EBADMSG;
	c.bytes = vh_alloc(end);
	for (size_t i = 0; i < t->n_pieces && !err; i++)
		err = vh_space_read(t->k->space, gva + t->pieces[i].from,
			c.bytes + t->pieces[i].from, t->pieces[i].to - t->pieces[i].from);
	*out = (struct vh_task_row){.gva = gva};
	if (!err)
		read_row(&c, out);
	free(c.bytes);
	if (!err && (out->pid < 0 || out->pid > MAX_PID || out->tgid < 0 || out->tgid > MAX_PID))
		err = -EBADMSG;
	/* What cannot be right is not known. */
	if (out->cpu < 0 || out->cpu >= 65536)
		out->cpu = -1;
	return err;
}

/* --- The list ------------------------------------------------------------------------------------
 */

/* False: the table is full, or it is there already. */
static bool add_row(struct vh_task_table *t, const struct vh_task_row *row)
{
	uint32_t *slot = t->n < VH_INSIDE_MAX_TASKS ? find_slot(t, row->gva) : NULL;

	if (!slot || *slot)
		return false;
	VH_PUSH(t->rows, t->n) = *row;
	*slot = (uint32_t)t->n;
	return true;
}

/* The other threads of a process. A list that breaks is left there: the tasks go on without it. */
static bool add_threads(struct vh_task_table *t, const struct vh_task_row *leader)
{
	uint64_t head = leader->signal + t->thread_head, at = leader->thread_next;
	uint32_t node = t->f[VH_TASK_THREAD_NODE].offset;
	uint64_t first = leader->gva + node;
	unsigned passed_head = 0;

	/* Mostly it is alone. */
	if (!t->has_threads || !vh_is_kernel_gva(leader->signal) ||
		(at == head && leader->thread_before == head))
		return true;
	/* A ring of the head and every thread, so it comes back to the leader. */
	while (at != first) {
		struct vh_task_row row;

		if (at == head) {
			if (passed_head++ || vh_space_u64(t->k->space, head, &at))
				return false;
			continue;
		}
		if (vh_task_table_row(t, at - node, &row) || row.tgid != leader->tgid || !row.pid ||
			!add_row(t, &row))
			return false;
		at = row.thread_next;
	}
	return true;
}

int vh_task_table_fill(struct vh_task_table *t)
{
	uint32_t node = t->f[VH_TASK_TASKS].offset;
	struct vh_task_row row;
	uint64_t init, at;
	unsigned broken = 0;
	int err;

	if (!vh_symbols_address(t->k->symbols, "init_task", &init)) {
		vh_inside_note(
			t->in, "the kernel has no symbol init_task: its tasks are not known");
		return -ENOENT;
	}
	err = vh_task_table_row(t, init, &row);
	if (err) {
		vh_inside_note(t->in, "init_task cannot be read: its tasks are not known");
		return err;
	}
	t->slots = vh_alloc(N_SLOTS * sizeof(*t->slots));
	for (at = row.tasks_next - node; at != init; at = row.tasks_next - node) {
		if (t->n >= VH_INSIDE_MAX_TASKS) {
			vh_inside_note(t->in, "there are more than %u tasks: the first were read",
				VH_INSIDE_MAX_TASKS);
			break;
		}
		err = vh_task_table_row(t, at, &row);
		/* Idle tasks, which are pid 0, are in no list. */
		if (!err && !row.pid)
			err = -EBADMSG;
		if (err || !add_row(t, &row)) {
			vh_inside_note(t->in, "the list of tasks breaks behind %zu tasks: %s", t->n,
				!err              ? "it leads back into itself"
				: err == -EBADMSG ? "what follows is no task"
						  : "what follows cannot be read");
			break;
		}
		broken += !add_threads(t, &row);
	}
	if (broken)
		vh_inside_note(t->in, "the list of threads of %u processes breaks", broken);
	return 0;
}
