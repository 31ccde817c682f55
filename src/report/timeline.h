/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every event of one VM for a bounded time, as a file for people who want to look: JSON of the
 * Trace Event Format, which https://ui.perfetto.dev and chrome://tracing show. One process is the
 * VM, a thread each vCPU (and each other thread that raised an interrupt). Complete slices ("X"):
 * "guest", "KVM: hlt" (by exit reason), "inside" (in KVM_RUN, where no kvm_exit tells guest from
 * KVM), "user space: KVM_EXIT_IO"; within them "halted", "asleep" and "waits for a CPU". All other
 * events are instants ("i") named as the tracepoint, with their fields in args. otherData holds the
 * tool, the VM, the span, how many events were lost, and why it ended early.
 */
#pragma once

#include "case/vm.h"

#define VH_TIMELINE_BYTES (256u << 20)

struct vh_timeline_options {
	const char *path;         /* written beside it, and renamed to it when all is there */
	int64_t for_ns;           /* 0: 2 s */
	uint64_t max_bytes;       /* the file ends early there; 0: VH_TIMELINE_BYTES */
	const volatile int *stop; /* ends early, but well, when it is not 0; NULL: never */
};
struct vh_timeline_result {
	int64_t span_ns;
	uint64_t events, lost;
	uint64_t bytes;
	bool full; /* it ended early: max_bytes */
};

/* An error where nothing could be recorded (its message tells what is missing) or the file cannot
 * be written (no space left): there is no file then. */
struct vh_error *vh_timeline_record(struct vh_host *host, const struct vh_vm *vm,
	const struct vh_timeline_options *options, struct vh_timeline_result *result);
