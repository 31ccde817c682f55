/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the guest's Linux says on its console about lockups, stalls, tasks that wait and memory that
 * is used up, read line by line: which CPU or task, for how long, where, how often, and how long
 * ago. All of it is the guest's claim.
 */
#pragma once

#include "guest/registers.h"

enum vh_report_kind {
	VH_REPORT_SOFT_LOCKUP, /* kernel/watchdog.c */
	VH_REPORT_HARD_LOCKUP, /* kernel/watchdog.c, kernel/watchdog_hld.c */
	VH_REPORT_RCU_STALL,   /* kernel/rcu/tree_stall.h */
	VH_REPORT_HUNG_TASK,   /* kernel/hung_task.c */
	VH_REPORT_OOM_KILL,    /* mm/oom_kill.c; not of a memory cgroup alone */
	VH_REPORT_OOPS, /* a fault that the kernel survived: lib/bug.c, arch/x86/mm/fault.c */
	VH_N_REPORT
};

/* What a task waits for, by the functions of its stack. */
enum vh_guest_wait {
	VH_GUEST_WAIT_UNKNOWN,
	VH_GUEST_WAIT_STORAGE,
	VH_GUEST_WAIT_FILE_SERVER, /* NFS, 9p, FUSE and virtiofs, SMB, Ceph */
	VH_GUEST_WAIT_FREEZE,      /* a file system that is frozen for a snapshot (fsfreeze) */
	VH_GUEST_WAIT_LOCK,        /* a mutex, a semaphore: another task holds it */
	VH_GUEST_WAIT_RCU,
	VH_GUEST_WAIT_EVENT, /* a completion: a device's answer, another task's end */
	VH_N_GUEST_WAIT
};
const char *vh_guest_wait_name(enum vh_guest_wait wait); /* "storage", "a lock", ... */
/* What a task waits for, as far as frames were read, innermost first, once f is read too; *percpu
 * is false at first, and the reader's own. */
enum vh_guest_wait vh_guest_wait_further(enum vh_guest_wait was, const char *f, bool *percpu);
/* True of those that stand at the top of every stack that sleeps, and say nothing of why. */
bool vh_guest_function_is_common(const char *f);

struct vh_kernel_report {
	enum vh_report_kind kind;
	int cpu;         /* -1: of none, or not told */
	char *task;      /* "name:pid" or "name"; NULL not told; escaped */
	double stuck_s;  /* how long, as the newest report says; NAN not told */
	double period_s; /* the shortest time told: what the kernel waits before it reports */
	bool grows;      /* reported again, each time for longer */
	unsigned times;  /* reports of this kind and CPU or task; kills: in a row, none a minute
			    apart */
	double stamp_s;  /* time of the newest on the guest's clock; NAN not told */
	double age_s;    /* from the newest to the look at the log; NAN unknown */
	char *where;     /* the function that tells most; NULL not told; escaped */
	enum vh_guest_wait wait;
	char *line; /* escaped, cut */
	size_t evidence;
};

struct vh_guest_kernel {
	struct vh_kernel_report *list;
	size_t n;
	bool hung_tasks_suppressed; /* it reports no more of them */
};
