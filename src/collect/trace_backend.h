/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between trace.c and the backends. */
#pragma once

#include "collect/trace.h"

struct vh_trace_ops {
	/* NULL and *why, a clause that the caller frees, where it cannot count here. */
	void *(*open)(struct vh_host *host, const struct vh_vm *vm,
		const struct vh_trace_options *options, char **why);
	int64_t (*refresh)(void *backend);
	/* All but "backend", "not" and "attach_ns". */
	struct json_object *(*read)(void *backend);
	void (*close)(void *backend);
	char *(*why_not)(struct vh_host *host); /* NULL: it can */
};
extern const struct vh_trace_ops vh_trace_bpf, vh_trace_perf, vh_trace_statistics;
