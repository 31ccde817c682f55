/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a kernel that is looked at again and again is still the one that runs: after a reset its
 * memory may hold it for long, while another one runs elsewhere. */
#pragma once

#include "guest/kernel.h"

struct vh_kernel_watch {
	uint64_t banner; /* gva of linux_banner; 0: it is not known where */
	vh_gpa at;
	char text[256];
	uint64_t next_seq;
	int64_t uptime_ns;
	int64_t moved_ns; /* when one of these two moved last */
};

void vh_kernel_watch_begin(struct vh_kernel_watch *w, const struct vh_kernel *k);
/*
 * NULL while it goes on; else a clause: why it does not, or may not. seq: of the next record that
 * is wanted of its log. Clock and log may stand for stands_ns; longer is a hang, an idle guest, or
 * what a reset left, and memory alone cannot tell which. 0: for as long as they like.
 */
const char *vh_kernel_watch_look(
	struct vh_kernel_watch *w, const struct vh_kernel *k, uint64_t seq, int64_t stands_ns);
