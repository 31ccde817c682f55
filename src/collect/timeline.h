/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every event of one VM, as it happens: perf's records of all its threads. */
#pragma once

#include "case/vm.h"
#include "collect/perf_ring.h"

struct vh_timeline;
struct vh_timeline_thread {
	pid_t tid;
	int vcpu;      /* index; -1: no vCPU's, or nothing tells which */
	char name[16]; /* comm, unescaped */
};

struct vh_timeline *vh_timeline_open(
	struct vh_host *host, const struct vh_vm *vm, struct vh_error **err);
void vh_timeline_close(struct vh_timeline *t); /* accepts NULL */
/* The threads that are recorded; a taker's index names one. */
const struct vh_timeline_thread *vh_timeline_threads(const struct vh_timeline *t, size_t *n);
int64_t vh_timeline_began_ns(const struct vh_timeline *t);

/* Calls `take` for what happened up to a time: thread by thread, each one's in order. Returns when
 * to call it next. */
typedef void (*vh_timeline_taker)(void *data, size_t thread, const struct vh_perf_record *record);
int64_t vh_timeline_drain(
	struct vh_timeline *t, int64_t until_ns, vh_timeline_taker take, void *data);
/* When kvm_emulate_insn was stopped because it comes too often; 0: it was not. */
int64_t vh_timeline_stopped_ns(const struct vh_timeline *t);
