/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of `vmhang inside` share. */
#pragma once

#include "collect/inside.h"
#include "report/inside.h"

struct vh_inside_command {
	const char *what, *save, *vmlinux;
	bool follow, folded, json, anew;
	int64_t window_ns, interval_ns;
	struct vh_inside_show show;
	struct vh_inside_options look;
};

/* Prints the log and what is added to it; the exit status. */
int vh_cli_follow(struct vh_host *host, const struct vh_vm *vm, const struct vh_inside_command *o);
