/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls with a deadline. Some reads can block for ever in the kernel: /proc/PID/cmdline behind a
 * held mmap lock, a serial log on dead NFS, a socket's path on a stalled FUSE. A guard runs such a
 * call on a thread of its own and gives up waiting at the deadline; the thread is then left to
 * itself (it cannot be cancelled) and a new one serves the next call.
 */
#pragma once

#include "base/clock.h"
#include "base/util.h"

struct vh_job {
	void (*run)(struct vh_job *job);
	void (*destroy)(struct vh_job *job); /* frees the job itself too */
};

struct vh_guard;
struct vh_guard *vh_guard_create(void);
void vh_guard_destroy(struct vh_guard *guard);

/*
 * Runs the job and returns true: the caller reads the result and destroys the job. Returns false at
 * the deadline: the job then belongs to the guard, which destroys it should it ever end. Once
 * VH_GUARD_MAX_LOST calls were given up every further one fails at once. (Each costs a thread; a
 * host whose storage is gone may have many processes whose memory map is locked.)
 */
bool vh_guard_call(struct vh_guard *guard, struct vh_job *job, struct vh_deadline deadline);
#define VH_GUARD_MAX_LOST 256
