/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The spin lock that a vCPU waits for. */
#include "guest/tasks_table.h"

#define NEAR_FRAMES 6u   /* from the innermost on, up to an interrupt */
#define NODES_BYTES 128u /* of a CPU: four of 32 bytes, up to 4.19 eight of 16 */

enum lock_form { NO_LOCK, SPIN_LOCK, RW_LOCK };

static const struct {
	const char *name; /* of a function, or how it begins */
	enum lock_form form;
} loops[] = {
	{"native_queued_spin_lock_slowpath", SPIN_LOCK},
	{"queued_spin_lock_slowpath", SPIN_LOCK},
	{"__pv_queued_spin_lock_slowpath", SPIN_LOCK},
	{"pv_wait_head_or_lock", SPIN_LOCK},
	{"_raw_spin_lock", SPIN_LOCK},
	{"__raw_spin_lock", SPIN_LOCK},
	{"do_raw_spin_lock", SPIN_LOCK},
	{"queued_read_lock_slowpath", RW_LOCK},
	{"queued_write_lock_slowpath", RW_LOCK},
	{"_raw_read_lock", RW_LOCK},
	{"_raw_write_lock", RW_LOCK},
};

/* The kind of lock whose function the vCPU is in: what it was interrupted in does not count, for
 * the registers are no longer of that. */
static enum lock_form form_of(const struct vh_backtrace *b)
{
	for (size_t i = 0; i < b->n && i < NEAR_FRAMES; i++) {
		const struct vh_frame *f = &b->frames[i];

		if (f->kind != VH_FRAME_TOP && f->kind != VH_FRAME_CALL)
			return NO_LOCK;
		for (size_t k = 0; f->symbol && k < VH_ARRAY_SIZE(loops); k++)
			if (vh_prefix(f->symbol, loops[k].name) && !strstr(f->symbol, "unlock") &&
				!strstr(f->symbol, "trylock"))
				return loops[k].form;
	}
	return NO_LOCK;
}

/* A word that a lock has which is taken: of a queued spin lock, locked (1, or 3 of the
 * paravirtual one), pending, and a tail of a CPU that there is (asm-generic/qspinlock_types.h); of
 * a queued rwlock, a writer or readers (qrwlock_types.h). */
static bool is_taken(enum lock_form form, uint32_t value, size_t cpus)
{
	uint32_t low = value & 0xff;

	if (form == RW_LOCK)
		return low == 0xff || (!low && value >> 9 && value >> 9 < 65536);
	return (low == 1 || low == 3) && (value >> 8 & 0xff) <= 1 && value >> 18 <= cpus;
}

/* True for what a CPU queues with, which is no lock, though a byte of it may look like one that is
 * taken: it waits for that to change (kernel/locking/qspinlock.c; "mcs_nodes" up to 4.19). */
static bool is_queue_node(const struct vh_kernel *k, uint64_t gva, size_t cpus)
{
	static const char *const names[] = {"qnodes", "mcs_nodes"};
	uint64_t first;

	for (size_t i = 0; i < VH_ARRAY_SIZE(names); i++)
		for (size_t cpu = 0; cpu < cpus; cpu++) {
			if (!vh_kernel_percpu(k, names[i], (int)cpu, &first))
				break;
			if (gva - first < NODES_BYTES)
				return true;
		}
	return false;
}

/* The lock is the function's first argument, in RDI; once the function needs that register, in one
 * that calls preserve. RDI alone is enough; of the others only a single one. */
static uint64_t find_lock(
	const struct vh_kernel *k, const struct vh_registers *r, enum lock_form form)
{
	const uint64_t candidates[] = {r->rdi, r->rbx, r->rbp, r->r[4], r->r[5], r->r[6], r->r[7]};
	size_t cpus = vh_task_cpus(k);
	uint64_t found = 0;

	for (size_t i = 0; i < VH_ARRAY_SIZE(candidates); i++) {
		uint64_t at = candidates[i];
		uint32_t value;

		if (!vh_is_kernel_gva(at) || at % 4 || vh_kernel_is_text(k, at) ||
			vh_space_u32(k->space, at, &value) ||
			!is_taken(form, value, cpus ? cpus : VH_MAX_CPUS) ||
			is_queue_node(k, at, cpus))
			continue;
		if (i == 0)
			return at;
		if (found && found != at)
			return 0;
		found = at;
	}
	return found;
}

/* Only a kernel that debugs its spin locks keeps who holds one. */
static void find_holder(struct vh_kernel *k, struct vh_inside_lock *lock)
{
	struct vh_task_table t;
	struct vh_task_row row;
	struct vh_inside *scratch;
	struct vh_field f;
	uint64_t owner;

	if (!vh_layout_field(k->layout, "raw_spinlock", "owner", &f) ||
		vh_space_u64(k->space, lock->gva + f.offset, &owner) || !vh_is_kernel_gva(owner))
		return;
	scratch = vh_inside_new(VH_INSIDE_LINUX);
	if (vh_task_table_open(&t, k, scratch)) {
		if (!vh_task_table_row(&t, owner, &row)) {
			lock->holder_pid = row.pid;
			lock->holder_comm = vh_strdup(row.comm);
		}
		vh_task_table_close(&t);
	}
	vh_inside_free(scratch);
}

void vh_tasks_spin(struct vh_kernel *k, const struct vh_registers *regs, struct vh_inside_vcpu *v)
{
	/* Halted or not: with paravirtual locks it is, until it is kicked. */
	enum lock_form form = v->cpl == 0 ? form_of(&v->stack) : NO_LOCK;

	if (form == NO_LOCK)
		return;
	free(v->lock.symbol);
	free(v->lock.holder_comm);
	v->lock = (struct vh_inside_lock){.kind = VH_BLOCKED_SPINLOCK, .holder_pid = -1};
	if (!regs)
		return;
	v->lock.gva = find_lock(k, regs, form);
	if (!v->lock.gva)
		return;
	v->lock.symbol = vh_task_lock_name(k, v->lock.gva);
	if (form == SPIN_LOCK)
		find_holder(k, &v->lock);
}
