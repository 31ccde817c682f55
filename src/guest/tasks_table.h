/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files that read tasks share: where the members of a task are, and all tasks by address.
 */
#pragma once

#include "guest/tasks.h"

enum vh_task_field { /* of struct task_struct */
	VH_TASK_TASKS,
	VH_TASK_THREAD_NODE,
	VH_TASK_SIGNAL,
	VH_TASK_PID,
	VH_TASK_TGID,
	VH_TASK_COMM,
	VH_TASK_STACK,
	VH_TASK_SP,
	VH_TASK_STATE,
	VH_TASK_EXIT_STATE,
	VH_TASK_FLAGS,
	VH_TASK_ON_CPU,
	VH_TASK_CPU,
	VH_TASK_MM,
	VH_TASK_EXEC_START,
	VH_TASK_IN_IOWAIT,
	VH_TASK_BLOCKER,
	VH_TASK_BLOCKED_ON,
	VH_TASK_PI_BLOCKED_ON,
	VH_N_TASK_FIELD
};

#define VH_MAX_CPUS      1024
#define VH_TASK_COMM_LEN 16u
/* Pieces of a task_struct that are read: what lies near each other is read at once. */
#define VH_TASK_PIECES 8

struct vh_task_row {
	uint64_t gva, stack, sp, signal, mm, exec_start;
	uint64_t thread_next, thread_before, tasks_next;
	uint64_t blocker, blocked_on, pi_blocked_on;
	uint64_t flags;
	int64_t pid, tgid, cpu;
	uint64_t state, exit_state;
	bool on_cpu, in_iowait;
	bool visited; /* its stack was read */
	char comm[VH_TASK_COMM_LEN + 1];
};

struct vh_cpu_queue {               /* of a CPU of the guest */
	uint64_t current;           /* task; 0 unknown */
	uint64_t clock, clock_task; /* of its run queue; 0 unknown */
	int64_t nr_running;         /* -1 unknown */
};

struct vh_task_table {
	struct vh_kernel *k;
	struct vh_inside *in;
	struct vh_field f[VH_N_TASK_FIELD];
	bool has[VH_N_TASK_FIELD];
	struct {
		uint32_t from, to;
	} pieces[VH_TASK_PIECES];
	size_t n_pieces;
	uint32_t thread_head, stack_bytes;
	bool has_threads;
	struct vh_task_row *rows; /* of in->tasks, in the same order */
	size_t n;
	uint32_t *slots; /* by address: row + 1 */
	struct vh_cpu_queue *cpus;
	size_t n_cpus;
	uint64_t newest; /* clock of a run queue, or of the log; 0 unknown */
	unsigned steps;  /* that may still be taken in lists of waiters */
};

/* Where the members are; infers them where there is no BTF. False, with a note, where what is
 * needed at least is not known. The table is empty. */
bool vh_task_table_open(struct vh_task_table *t, struct vh_kernel *k, struct vh_inside *in);
void vh_task_table_close(struct vh_task_table *t);
/* One task_struct, copied once. 0, or as vh_space_read(); -EBADMSG: it is none. */
int vh_task_table_row(struct vh_task_table *t, uint64_t gva, struct vh_task_row *out);
/* All tasks and threads but the idle ones. 0, or a negative errno with a note. */
int vh_task_table_fill(struct vh_task_table *t);
/* The row of a task at that address; NULL: none. */
struct vh_task_row *vh_task_table_find(const struct vh_task_table *t, uint64_t gva);

/* The run queues of the guest's CPUs, and the newest clock (tasks_cpu.c). */
void vh_task_table_cpus(struct vh_task_table *t);
size_t vh_task_cpus(const struct vh_kernel *k); /* that it may have; 0 unknown */
uint64_t vh_task_current(const struct vh_kernel *k, int cpu);
/* Nanoseconds since a task ran last; -1 unknown. */
int64_t vh_task_waited(const struct vh_task_table *t, const struct vh_task_row *row);

/* A copy of a sleeping task's stack, from its stack pointer on. */
struct vh_task_stack {
	const struct vh_task_row *row;
	uint64_t sp;
	const uint8_t *bytes;
	size_t n;
	const struct vh_backtrace *frames;
};
/* What it waits for (tasks_waits.c): by its frames, and the structures on its stack. */
void vh_task_wait(
	struct vh_task_table *t, const struct vh_task_stack *s, struct vh_inside_lock *out);
/* The lock that it waits for, of the kind that its frames tell (UNKNOWN: any), and who holds it;
 * false: none was found (tasks_locks.c). */
bool vh_task_lock(struct vh_task_table *t, const struct vh_task_stack *s, enum vh_blocked_on kind,
	struct vh_inside_lock *out);
/* The head of the queue that an entry on its stack waits in, where the entry's task pointer is
 * `task` bytes and its list_head `list` bytes into the entry; 0: none. */
uint64_t vh_task_queue(
	struct vh_task_table *t, const struct vh_task_stack *s, uint32_t task, uint32_t list);
/* "rtnl_mutex", "first [trouble]", "mmap_lock"; NULL: nothing is known of that address. */
char *vh_task_lock_name(const struct vh_kernel *k, uint64_t gva);

/* Infers the members of task_struct from init_task and its neighbours, and enters them into the
 * kernel's layout (tasks_infer.c). False, with a note, where they cannot be told. */
bool vh_tasks_infer(struct vh_kernel *k, struct vh_inside *in);

/* Addresses in the upper half. */
static inline bool vh_is_kernel_gva(uint64_t gva)
{
	return gva >= UINT64_C(0xff00000000000000);
}
