/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tasks and run queues of a guest's kernel, and who waits for whom. */
#pragma once

#include "guest/kernel.h"

/*
 * Reads the task list (and threads) into in->tasks: all of them, up to VH_INSIDE_MAX_TASKS, with
 * stacks of those that matter: in state D, runnable but not on a CPU, holders of locks that others
 * wait for, init, and the user processes that ran last; how long each has waited (run queue clock
 * minus se.exec_start); what a blocked one waits for, and who holds it (mutex and rwsem by the
 * waiter on its stack, whose list leads to the lock, whose owner is a task of the list). Without
 * BTF, offsets are inferred. 0, or a negative errno with a note.
 */
int vh_tasks_read(struct vh_kernel *k, struct vh_inside *in);

/* The current task of a CPU, and its run queue: fills pid, tgid, comm, nr_running and clock_lag_ns
 * of the vCPUs that are in in->vcpus already. */
void vh_tasks_of_vcpus(struct vh_kernel *k, struct vh_inside *in);

/* User mode: what is mapped at v->rip in the current task's memory map (maple tree of 6.1 on,
 * before it the list of vm_area_structs): fills mapping and mapping_offset. */
void vh_tasks_mapping(struct vh_kernel *k, struct vh_inside_vcpu *v);

/* What a vCPU that spins in a lock's slow path waits for, by its frames and registers. */
void vh_tasks_spin(struct vh_kernel *k, const struct vh_registers *regs, struct vh_inside_vcpu *v);

/*
 * Tasks of which each waits for a lock that the next one holds, the last for one of the first:
 * their pids from the lowest on, at most most of them. How many they are; 0: nobody waits so.
 */
size_t vh_inside_deadlock(const struct vh_inside *in, int64_t *pids, size_t most);
