/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Collecting: passive first, then the monitor, then passive again. Collectors put evidence into the
 * case as docs/evidence.md lists it, and never judge it. docs/HOWTO-collector.md tells how to add
 * one.
 */
#pragma once

#include "case/case.h"

struct vh_collect_options {
	int64_t window_ns;  /* 0: VH_WINDOW_NS */
	bool passive;       /* never touch the VM */
	int64_t step_ns;    /* deadline of one question to the monitor; 0: VH_STEP_NS */
	int64_t monitor_ns; /* deadline of all questions together; 0: VH_MONITOR_NS */
	bool no_trace;      /* do not count its exits over the window */
	bool no_libvirt;
	const char *libvirt_uri; /* NULL: the VM's, else qemu:///system */
};
#define VH_WINDOW_NS  (1000 * VH_NS_PER_MS)
#define VH_STEP_NS    (500 * VH_NS_PER_MS)
#define VH_MONITOR_NS (3000 * VH_NS_PER_MS)

/* Observes vm (which is copied) and returns the case; NULL and *err only where there is nothing to
 * observe at all, as when the process was gone before the first look. */
struct vh_case *vh_collect(struct vh_host *host, const struct vh_vm *vm,
	const struct vh_collect_options *options, struct vh_error **err);

/* The passive collectors: each adds its evidence for one round. */
struct vh_collector {
	const char *name; /* "threads" */
	bool of_process;  /* reads /proc/PID: not called once the VM's process has gone */
	void (*collect)(struct vh_host *host, struct vh_case *c, enum vh_round round);
};
extern const struct vh_collector *const vh_passive_collectors[]; /* NULL-terminated, in order */

/* Everything that touches the VM: QMP, or QMP through libvirt. In src/collect/monitor.c. */
void vh_collect_monitor(
	struct vh_host *host, struct vh_case *c, const struct vh_collect_options *options);

/*
 * Asks the VM's monitor for its devices alone (evidence hmp.info-mtree, hmp.info-mtree-flat), where
 * a quick look at its threads says that asking cannot hang, and where trace (evidence trace.exits)
 * has exits that go to a device. Within the deadlines of the options.
 */
struct vh_case *vh_collect_device_map(struct vh_host *host, const struct vh_vm *vm,
	struct vh_str trace, const struct vh_collect_options *options);
