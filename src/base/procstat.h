/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/PID/stat and /proc/PID/task/TID/stat (proc(5), kernel fs/proc/array.c do_task_stat), and a
 * process's identity. The name is taken between the first '(' and the last ')', for a thread may
 * be called "CPU 0/KVM" or worse.
 */
#pragma once

#include <sys/types.h>

#include "base/host.h"

struct vh_procstat {
	pid_t id;
	char name[64]; /* comm, unescaped */
	char state;    /* R S D T t Z X I */
	pid_t parent;
	uint64_t minor_faults, major_faults;
	uint64_t user_ticks, system_ticks,
		guest_ticks; /* of sysconf(_SC_CLK_TCK); guest is in user */
	int64_t priority, nice;
	uint64_t threads;
	uint64_t start_ticks; /* since boot */
	uint64_t rss_pages;
	int64_t cpu; /* the CPU that it ran on last; -1 unknown */
	uint64_t rt_priority;
	uint64_t policy; /* SCHED_* of linux/sched.h */
	/* Of a stopped one the signal that stopped it (Linux 5.17; 0 unknown, or not permitted). */
	uint64_t exit_code;
};
bool vh_procstat_parse(struct vh_str text, struct vh_procstat *out);

/* The vCPU's index in a thread's name: "CPU 3/KVM" (QEMU system/cpus.c; cut to 15 bytes), and what
 * other VMMs call theirs. */
bool vh_vcpu_name(const char *name, uint64_t *index);

/* A process that stays the same one: a pid alone is reused. */
struct vh_identity {
	pid_t pid;
	uint64_t start_ticks;
};
/* -ESRCH where there is no such process, another negative errno where it cannot be read. */
int vh_identity_read(struct vh_host *host, pid_t pid, struct vh_identity *out);
/* True while the process lives (a zombie does not). */
bool vh_identity_alive(struct vh_host *host, const struct vh_identity *id);
/* Nanoseconds since the process started, 0 if unknown. */
int64_t vh_identity_uptime_ns(struct vh_host *host, const struct vh_identity *id);
