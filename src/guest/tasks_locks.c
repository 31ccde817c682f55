/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lock that a sleeping task waits for. A waiter lies on the task's stack, and its .task is that
 * task; its list leads to the other waiters and to the lock's wait_list (kernel/locking/mutex.c,
 * rwsem.c). From 7.0 on the list has no head, and the lock points to its first waiter. Newer
 * kernels also name the lock in the task itself.
 */
#include "guest/tasks_table.h"

#define MAX_HITS    32u    /* places on a stack that may be a waiter */
#define MAX_WAITERS 256u   /* of one lock */
#define AROUND      512    /* bytes beside a waiter in which a pointer to its lock is looked for */
#define MAX_READERS 65536u /* of a rwsem */
#define LOW_BITS    UINT64_C(7)
#define PICKUP      UINT64_C(4) /* of a mutex: handed over (MUTEX_FLAG_PICKUP, 4.10 on) */

static uint64_t word(const struct vh_task_stack *s, size_t at)
{
	uint64_t value;

	memcpy(&value, s->bytes + at, sizeof(value));
	return value;
}

/* True where an entry at `entry` is of a task on whose stack it lies. */
static bool is_waiter(struct vh_task_table *t, uint64_t entry, uint32_t task)
{
	uint64_t gva;

	if (vh_space_u64(t->k->space, entry + task, &gva))
		return false;
	const struct vh_task_row *row = vh_task_table_find(t, gva);

	return row && entry >= row->stack && entry - row->stack < t->stack_bytes;
}

struct queue {
	uint64_t ring[MAX_WAITERS]; /* waiters: the one on the stack first */
	size_t n;
	uint64_t head; /* list_head that is none of a waiter; 0: there is none */
};

/* Follows an entry's list round. False where it is no list. */
static bool follow(
	struct vh_task_table *t, uint64_t entry, uint32_t task, uint32_t list, struct queue *q)
{
	uint64_t at = entry + list, before = 0, next, back;

	q->n = 0;
	q->head = 0;
	do {
		if (!t->steps || q->n == MAX_WAITERS || !vh_is_kernel_gva(at) || at % 8)
			return false;
		t->steps--;
		if (vh_space_u64(t->k->space, at, &next) ||
			vh_space_u64(t->k->space, at + 8, &back) || (before && back != before))
			return false;
		if (at == entry + list || is_waiter(t, at - list, task))
			q->ring[q->n++] = at - list;
		else if (!q->head)
			q->head = at;
		else
			return false;
		before = at;
		at = next;
	} while (at != entry + list);
	return true;
}

uint64_t vh_task_queue(
	struct vh_task_table *t, const struct vh_task_stack *s, uint32_t task, uint32_t list)
{
	unsigned hits = 0;

	for (size_t at = 0; at + 8 <= s->n && hits < MAX_HITS; at += 8) {
		struct queue q;

		if (word(s, at) != s->row->gva || s->sp + at < task)
			continue;
		hits++;
		if (follow(t, s->sp + at - task, task, list, &q) && q.head)
			return q.head;
	}
	return 0;
}

/* --- Forms of locks ------------------------------------------------------------------------------
 */

struct form {
	enum vh_blocked_on kind;
	uint32_t task, list; /* of the waiter */
	uint32_t wait_list;  /* of the lock: a list_head, or a pointer to its first waiter */
	bool has_head;
	uint32_t owner;
};

static struct form mutex_form(const struct vh_layout *l)
{
	struct vh_field first;
	bool newer = vh_layout_field(l, "mutex", "first_waiter", &first);

	return (struct form){
		.kind = VH_BLOCKED_MUTEX,
		.task = vh_layout_offset(l, "mutex_waiter", "task", 16),
		.list = vh_layout_offset(l, "mutex_waiter", "list", 0),
		.wait_list = newer ? first.offset : vh_layout_offset(l, "mutex", "wait_list", 16),
		.has_head = !newer,
		.owner = vh_layout_offset(l, "mutex", "owner", 0),
	};
}

/* Without types: {count, owner, osq, wait_lock, wait_list} from 5.2 on, before that {count,
 * wait_list, wait_lock, osq, owner}. */
static struct form rwsem_form(const struct vh_layout *l, bool older)
{
	struct vh_field first;
	bool newer = vh_layout_field(l, "rw_semaphore", "first_waiter", &first);

	return (struct form){
		.kind = VH_BLOCKED_RWSEM,
		.task = vh_layout_offset(l, "rwsem_waiter", "task", 16),
		.list = vh_layout_offset(l, "rwsem_waiter", "list", 0),
		.wait_list =
			newer ? first.offset
			      : vh_layout_offset(l, "rw_semaphore", "wait_list", older ? 8 : 24),
		.has_head = !newer,
		.owner = vh_layout_offset(l, "rw_semaphore", "owner", older ? 32 : 8),
	};
}

/* The task that keeps a waiter from the lock. A mutex has flags in the low bits; one that was
 * handed over to the waiter itself, which has only to wake up, is no longer another's. Of a rwsem
 * they say that readers had it last, which is no news of who has it now: only a plain pointer is a
 * writer, which clears it before it lets go. */
static const struct vh_task_row *owner_of(struct vh_task_table *t, const struct form *f,
	const struct vh_task_row *waiter, uint64_t lock)
{
	uint64_t owner;

	if (vh_space_u64(t->k->space, lock + f->owner, &owner) ||
		(f->kind == VH_BLOCKED_RWSEM && owner & LOW_BITS) ||
		(owner & PICKUP && (owner & ~LOW_BITS) == waiter->gva))
		return NULL;
	return vh_task_table_find(t, owner & ~LOW_BITS);
}

static void tell(struct vh_task_table *t, const struct vh_task_stack *s, enum vh_blocked_on kind,
	uint64_t lock, const struct vh_task_row *owner, struct vh_inside_lock *out)
{
	struct vh_field f;

	out->kind = kind;
	out->gva = lock;
	out->symbol = vh_task_lock_name(t->k, lock);
	if (!out->symbol && s->row->mm &&
		(vh_layout_field(t->k->layout, "mm_struct", "mmap_lock", &f) ||
			vh_layout_field(t->k->layout, "mm_struct", "mmap_sem", &f)) &&
		lock == s->row->mm + f.offset)
		out->symbol = vh_strdup("mmap_lock");
	if (!owner)
		return;
	out->holder_pid = owner->pid;
	out->holder_comm = vh_strdup(owner->comm);
}

/* Where the list has no head: the lock is what a word beside the waiter points to, and which points
 * to one of the waiters. */
static uint64_t lock_beside(struct vh_task_table *t, const struct vh_task_stack *s, size_t at,
	const struct form *f, const struct queue *q)
{
	size_t from = at > AROUND ? at - AROUND : 0, to = VH_MIN(at + AROUND, s->n - 7);

	for (size_t i = from; i < to; i += 8) {
		uint64_t lock = word(s, i), first;

		if (!vh_is_kernel_gva(lock) || lock % 8 || !t->steps)
			continue;
		t->steps--;
		if (vh_space_u64(t->k->space, lock + f->wait_list, &first))
			continue;
		for (size_t k = 0; k < q->n; k++)
			if (q->ring[k] == first)
				return lock;
	}
	return 0;
}

/* A mutex that is waited for has its lowest bit set. So has a rwsem of readers, whose owner, behind
 * its count, lies where that of a mutex would: then the count has bit 1 set, and readers from bit 8
 * on (kernel/locking/rwsem.c, 5.3 on). */
static bool is_mutex(struct vh_task_table *t, const struct form *f, uint64_t lock)
{
	uint64_t words[2];

	if (vh_space_read(t->k->space, lock + f->owner - 8, words, sizeof(words)) ||
		!(words[1] & 1))
		return false;
	return !(words[0] & 2) || words[0] >> 8 > MAX_READERS;
}

/* A waiter of that form on the stack. Where the frames did not tell the kind, only an owner that is
 * a task makes it one. */
static bool find_waiter(struct vh_task_table *t, const struct vh_task_stack *s,
	const struct form *f, bool certain, struct vh_inside_lock *out)
{
	unsigned hits = 0;

	for (size_t at = 0; at + 8 <= s->n && hits < MAX_HITS; at += 8) {
		struct queue q;
		uint64_t lock;

		if (word(s, at) != s->row->gva)
			continue;
		hits++;
		if (!follow(t, s->sp + at - f->task, f->task, f->list, &q))
			continue;
		if (f->has_head)
			lock = q.head ? q.head - f->wait_list : 0;
		else
			lock = lock_beside(t, s, at, f, &q);
		const struct vh_task_row *owner = lock ? owner_of(t, f, s->row, lock) : NULL;

		if (!lock || (!certain && (!owner || (f->kind == VH_BLOCKED_MUTEX &&
							     !is_mutex(t, f, lock)))))
			continue;
		tell(t, s, f->kind, lock, owner, out);
		return true;
	}
	return false;
}

/* --- What the task itself says -------------------------------------------------------------------
 */

/* From 6.16 on: the lock, and its kind in the two lowest bits (linux/hung_task.h). */
static bool by_blocker(
	struct vh_task_table *t, const struct vh_task_stack *s, struct vh_inside_lock *out)
{
	uint64_t lock = s->row->blocker & ~UINT64_C(3);
	unsigned kind = s->row->blocker & 3;
	struct form f = kind >= 2 ? rwsem_form(t->k->layout, false) : mutex_form(t->k->layout);

	/* 1: a semaphore, which belongs to nobody. */
	if (!vh_is_kernel_gva(lock) || kind == 1)
		return false;
	tell(t, s, f.kind, lock, owner_of(t, &f, s->row, lock), out);
	return true;
}

/* Of kernels with proxy execution: the mutex. Before them it was the waiter, for debugging, which
 * lies on the stack. */
static bool by_blocked_on(
	struct vh_task_table *t, const struct vh_task_stack *s, struct vh_inside_lock *out)
{
	uint64_t lock = s->row->blocked_on;
	struct form f = mutex_form(t->k->layout);
	const struct vh_task_row *owner;

	if (!vh_is_kernel_gva(lock) || lock % 8 || lock - s->row->stack < t->stack_bytes)
		return false;
	owner = owner_of(t, &f, s->row, lock);
	if (owner)
		tell(t, s, f.kind, lock, owner, out);
	return owner;
}

/* Of rt_mutexes, which are all mutexes of PREEMPT_RT: the waiter names the lock, whose owner has a
 * flag in its lowest bit (kernel/locking/rtmutex_common.h). */
static bool by_rt_mutex(
	struct vh_task_table *t, const struct vh_task_stack *s, struct vh_inside_lock *out)
{
	struct vh_layout *l = t->k->layout;
	struct vh_field lock_field, owner_field;
	uint64_t lock, owner;

	if (!vh_is_kernel_gva(s->row->pi_blocked_on) ||
		!vh_layout_field(l, "rt_mutex_waiter", "lock", &lock_field) ||
		(!vh_layout_field(l, "rt_mutex_base", "owner", &owner_field) &&
			!vh_layout_field(l, "rt_mutex", "owner", &owner_field)) ||
		vh_space_u64(t->k->space, s->row->pi_blocked_on + lock_field.offset, &lock) ||
		!vh_is_kernel_gva(lock) ||
		vh_space_u64(t->k->space, lock + owner_field.offset, &owner))
		return false;
	tell(t, s, VH_BLOCKED_MUTEX, lock, vh_task_table_find(t, owner & ~UINT64_C(1)), out);
	return true;
}

bool vh_task_lock(struct vh_task_table *t, const struct vh_task_stack *s, enum vh_blocked_on kind,
	struct vh_inside_lock *out)
{
	const struct vh_layout *l = t->k->layout;
	struct form mutex = mutex_form(l), rwsem = rwsem_form(l, false);
	struct vh_field f;

	if (by_blocker(t, s, out) || by_rt_mutex(t, s, out) || by_blocked_on(t, s, out))
		return true;
	if (kind != VH_BLOCKED_RWSEM && find_waiter(t, s, &mutex, kind == VH_BLOCKED_MUTEX, out))
		return true;
	if (kind == VH_BLOCKED_MUTEX)
		return false;
	if (vh_layout_field(l, "rw_semaphore", "owner", &f))
		return find_waiter(t, s, &rwsem, kind == VH_BLOCKED_RWSEM, out);
	/* Which form it has the version tells; where that is not known, what makes sense as one of
	 * them is it. */
	bool certain = kind == VH_BLOCKED_RWSEM && t->k->version;

	if (!t->k->version || vh_kernel_since(t->k, 5, 2))
		if (find_waiter(t, s, &rwsem, certain, out))
			return true;
	if (vh_kernel_since(t->k, 5, 2))
		return false;
	rwsem = rwsem_form(l, true);
	return find_waiter(t, s, &rwsem, certain, out);
}

/* --- Names ---------------------------------------------------------------------------------------
 */

/* "runqueues of CPU 1": an address in the part of the per-CPU memory that symbols name. */
static char *per_cpu_name(const struct vh_kernel *k, uint64_t gva)
{
	uint64_t start, end, first;
	struct vh_symbol symbol;

	if (!vh_symbols_address(k->symbols, "__per_cpu_start", &start) ||
		!vh_symbols_address(k->symbols, "__per_cpu_end", &end))
		return NULL;
	int n = (int)vh_task_cpus(k);

	for (int cpu = 0; cpu < n; cpu++) {
		if (!vh_kernel_percpu(k, "__per_cpu_start", cpu, &first))
			return NULL;
		uint64_t at = gva - first;

		if (gva < first || at >= end - start ||
			!vh_symbols_at(k->symbols, start + at, &symbol))
			continue;
		return vh_asprintf("%s of CPU %d", symbol.name, cpu);
	}
	return NULL;
}

char *vh_task_lock_name(const struct vh_kernel *k, uint64_t gva)
{
	struct vh_frame f = {0};
	char *name = NULL;

	vh_kernel_name(k, gva, &f);
	if (f.symbol) {
		vh_auto_free char *at =
			f.offset ? vh_asprintf("+%#llx", (unsigned long long)f.offset) : NULL;

		name = vh_asprintf("%s%s%s%s%s", f.symbol, at ? at : "", f.module ? " [" : "",
			f.module ? f.module : "", f.module ? "]" : "");
	}
	free(f.symbol);
	free(f.module);
	return name ? name : per_cpu_name(k, gva);
}
