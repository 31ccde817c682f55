/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The threads of a VM whose exits are counted. */
#pragma once

#include "base/procstat.h"
#include "bpf/exits.h"

struct vh_trace_thread {
	pid_t tid;
	int vcpu;  /* index; -1: it may be one, but nothing tells which */
	bool runs; /* on a CPU or waiting for one, when it was read */
};
struct vh_trace_threads {
	struct vh_trace_thread *list; /* by vcpu, then tid */
	size_t n;
};
/*
 * vCPU threads by their names ("CPU 3/KVM"). Where none has such a name (QEMU without
 * debug-threads=on) those that are in KVM_RUN, and every other thread as one that may be a vCPU:
 * only its events can tell.
 */
void vh_trace_threads_read(struct vh_host *host, pid_t pid, struct vh_trace_threads *out);
void vh_trace_threads_free(struct vh_trace_threads *t);

/* The index of the vCPU that KVM calls so: APIC ids have gaps, indices have none. The ids are those
 * of the vCPU descriptors that the process holds. */
struct vh_vcpu_ids {
	uint32_t *list; /* ascending */
	size_t n;
};
void vh_vcpu_ids_read(struct vh_host *host, pid_t pid, struct vh_vcpu_ids *out);
int vh_vcpu_index_of(const struct vh_vcpu_ids *ids, uint32_t id); /* the id itself where unknown */
