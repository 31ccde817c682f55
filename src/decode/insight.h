/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What follows from what was found inside a guest (guest/inside.h), for facts and reports alike:
 * what each vCPU does, where a task waits, who waits for whom. By the names of Linux's functions,
 * 4.18 to 7.x.
 */
#pragma once

#include "decode/guestkernel.h"
#include "guest/inside.h"

enum vh_doing {
	VH_DOING_UNKNOWN,
	VH_DOING_IDLE,     /* the idle task, outside of interrupts */
	VH_DOING_USER,     /* user space */
	VH_DOING_PANIC,    /* in panic() */
	VH_DOING_PARKED,   /* stopped for a panic or a reboot: stop_this_cpu() and the like */
	VH_DOING_LOCK,     /* spins for a spin lock or a read-write lock */
	VH_DOING_IPI,      /* waits until other CPUs have answered */
	VH_DOING_IRQS_OFF, /* in kernel code at one place, interrupts off, whenever it was looked at
			    */
	VH_DOING_ONE_PLACE, /* the same with interrupts on */
	VH_DOING_KERNEL,    /* works in the kernel */
	VH_N_DOING
};
const char *vh_doing_name(enum vh_doing doing); /* stable: "irqs-off" */
enum vh_doing vh_inside_doing(const struct vh_inside_vcpu *v);
/* False where its current task was read at another moment than its registers: programs are never
 * run by the idle task. */
bool vh_inside_knows_task(const struct vh_inside_vcpu *v);
/* It fills or copies memory: one instruction of it may last for long, and is work (arch/x86/lib).
 */
bool vh_inside_copies_memory(const struct vh_inside_vcpu *v);
/* It was met at the same place whenever it was looked at, at least twice. */
bool vh_inside_stays(const struct vh_inside_vcpu *v);

/* The frame that tells most of where a vCPU spins (lock primitives and delays left out), and where
 * a task waits (schedule() and the like left out); NULL without a name. */
const struct vh_frame *vh_inside_spin_frame(const struct vh_backtrace *b);
const struct vh_frame *vh_inside_wait_frame(const struct vh_backtrace *b);
/* What a sleeping task waits for, by its stack. */
enum vh_guest_wait vh_inside_wait(const struct vh_inside_task *t);
/* True where a frame, not a guessed one, is in that function ("panic" of "panic+0x1/0x2",
 * "panic.cold"). */
bool vh_inside_is_in(const struct vh_backtrace *b, const char *function);
bool vh_frame_is(const struct vh_frame *f, const char *function);

/* "spin [trouble]", "0xffffffff81000000"; escaped. */
char *vh_frame_where(const struct vh_frame *f);
/* "cat (pid 17)", "pid 17"; escaped. */
char *vh_task_name(const char *comm, int64_t pid);
/* "the mutex first [trouble]", "a lock at 0xffff..."; escaped. */
char *vh_lock_name(const struct vh_inside_lock *l);

/* State D, as the kernel's own detector of hung tasks counts it: not one that a signal ends, nor
 * one that a freezer stopped (a container that is paused, a suspend). */
bool vh_inside_is_blocked(const struct vh_inside_task *t);
/* True where it is known to have run at some time in the last so many seconds. */
bool vh_inside_ran_since(const struct vh_inside_task *t, double seconds);

/* Its first process is still in the kernel, and waits there for the root device
 * (init/do_mounts.c). */
bool vh_inside_waits_for_root(const struct vh_inside *in);
bool vh_inside_any_blocked(const struct vh_inside *in);
/* Of the programs that sleep, and whose stack was read: the one that ran last (after NULL), or the
 * one that ran before `after`; NULL: no more. */
const struct vh_inside_task *vh_inside_ran_last(
	const struct vh_inside *in, const struct vh_inside_task *after);

#define VH_MAX_CYCLE 8
struct vh_inside_cycle { /* each waits for a lock that the next holds, the last for the first */
	const struct vh_inside_task *tasks[VH_MAX_CYCLE];
	size_t n; /* 1: for a lock that it holds itself */
};
bool vh_inside_find_cycle(const struct vh_inside *in, struct vh_inside_cycle *out);
/* "cat (pid 17) waits for mutex b, which dd (pid 18) holds; ..."; escaped. */
char *vh_inside_cycle_text(const struct vh_inside_cycle *c);
