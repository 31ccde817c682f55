/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpf(2), as far as vmhang needs it. Functions return a negative errno where they fail; descriptors
 * are closed on exec. */
#pragma once

#include <stdint.h>

#include "base/host.h"

/* Attaches a program to a tracepoint ("kvm_pio") until the descriptor is closed. */
int vh_bpf_attach_raw(int program, const char *tracepoint);
/* The same with a classic tracepoint's id. */
int vh_bpf_attach_classic(int program, uint32_t id);

/* An iterator over the files of a process (BPF_PROG_TYPE_TRACING, iter/task_file): its link, and of
 * a link a descriptor that runs it when it is read. */
int vh_bpf_link_iter(int program, pid_t pid);
int vh_bpf_open_iter(int link);

int vh_bpf_update(int map, const void *key, const void *value);
int vh_bpf_lookup(int map, const void *key, void *value);
int vh_bpf_delete(int map, const void *key);
/* key NULL: the first one. -ENOENT behind the last. */
int vh_bpf_next_key(int map, const void *key, void *next);
/* How often the program did not run because it was running on that CPU; 0 before Linux 5.12. */
uint64_t vh_bpf_misses(int program);

/* Old kernels (before 5.11) count BPF memory as locked: takes what can be had. */
void vh_bpf_raise_memlock(void);
/* Why this process may not load a tracing program, as a clause that the caller frees; NULL: it may.
 * Loads one, and forgets it. */
char *vh_bpf_refused(struct vh_host *host);
