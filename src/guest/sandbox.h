/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process that parses what an attacker wrote, and can do nothing else: no file system, no
 * network, no new descriptor, no other process, no code that was not there before. It reads the
 * descriptors that it was given, and talks to us over one socket. What it says is checked by
 * whoever asked; how it ended is evidence.
 */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"

#define VH_SANDBOX_FDS 4

struct vh_sandbox_plan {
	/* Runs in the child once every right is gone; the wire is for vh_sandbox_put() and
	 * vh_sandbox_get(). It shares nothing with us: what it writes to memory is its own. */
	void (*run)(void *self, int wire);
	void *self;
	int fds[VH_SANDBOX_FDS]; /* that it may pread(); their numbers stay as they are */
	size_t n_fds;
	uint64_t memory_bytes; /* that it may allocate; 0: VH_SANDBOX_MEMORY */
	int64_t cpu_ns;        /* of CPU time, in whole seconds; 0: VH_SANDBOX_CPU_NS */
};
#define VH_SANDBOX_MEMORY (UINT64_C(768) << 20)
#define VH_SANDBOX_CPU_NS (20 * VH_NS_PER_S)

struct vh_sandbox {
	pid_t pid; /* 0: it has ended */
	int wire;  /* -1: closed */
};

struct vh_error *vh_sandbox_start(const struct vh_sandbox_plan *plan, struct vh_sandbox *out);
/* Ends it, kindly where it has closed its end already. How it ended, as a clause: "it made a system
 * call that it must not make (SIGSYS)". The caller frees it. */
char *vh_sandbox_end(struct vh_sandbox *s);

/* --- The wire: frames of a kind, a length and bytes --------------------------------------------
 */

struct vh_sandbox_head {
	uint32_t kind, size;
};

/* In the child: waits for as long as it takes. False: there is nobody any more. */
bool vh_sandbox_put(int wire, uint32_t kind, const void *data, size_t n);
/* The caller frees *data, which has a NUL behind it. NULL where nobody is there or the frame is
 * longer than most. */
char *vh_sandbox_get(int wire, uint32_t *kind, size_t *n, size_t most);

/* Outside: 0, -ETIMEDOUT, -ECONNRESET (it has ended, maybe within a frame), -EMSGSIZE (longer than
 * most). Memory is taken only as bytes come in. */
int vh_sandbox_send(
	struct vh_sandbox *s, uint32_t kind, const void *data, size_t n, struct vh_deadline d);
int vh_sandbox_receive(struct vh_sandbox *s, uint32_t *kind, char **data, size_t *n, size_t most,
	struct vh_deadline d);

/* --- Within ---------------------------------------------------------------------------------- */

/* Gives up all rights of this process, for good: 0 or a negative errno. wire and fds are all that
 * is left (src/guest/sandbox_filter.c). */
int vh_sandbox_filter(int wire, const int *fds, size_t n_fds);
/* Built with AddressSanitizer or the like: it maps terabytes, and reports on standard error. */
#if defined(__SANITIZE_ADDRESS__)
#define VH_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer) ||             \
	__has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define VH_SANITIZED 1
#endif
#endif
#ifndef VH_SANITIZED
#define VH_SANITIZED 0
#endif
