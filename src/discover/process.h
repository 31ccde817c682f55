/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first look at every process of the host: only what can never block for long. Internal to
 * discover. */
#pragma once

#include "base/procstat.h"

struct process {
	pid_t pid;
	pid_t thread; /* a thread that is left where the first one has ended; else 0 */
	int err;      /* errno value where it cannot be looked at: EACCES for other users' */
	bool kernel_thread;
	struct vh_procstat stat; /* id 0 where it could not be read */
	char *exe;               /* target of exe without " (deleted)"; NULL where denied */
	bool fds_read;
	bool kvm_vm;    /* holds a VM descriptor */
	unsigned vcpus; /* different vCPU descriptors */
	bool in_other_mount_ns;
	/* Only of what looks like a VMM: */
	char *cwd;    /* as the process names it */
	char *stdout; /* target of descriptor 1 */
};
struct processes {
	struct process *list;
	size_t n;
	size_t lost; /* could not be looked at in time */
};

/* All of them, or one (pid > 0). */
struct vh_error *processes_look(struct vh_host *host, pid_t pid, struct processes *out);
void processes_free(struct processes *p);
