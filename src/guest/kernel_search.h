/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of vh_kernel_find() (kernel_*.c). */
#pragma once

#include "guest/btf.h"
#include "guest/kernel.h"
#include "guest/vmcoreinfo.h"

/* Page tables that are tried; how many of them may be searched for symbols. */
#define VH_KERNEL_ROOTS    64u
#define VH_KERNEL_SEARCHES 6u

struct vh_kernel_search {
	struct vh_memory *m;
	const struct vh_kernel_options *options;
	struct vh_inside *in;
	struct vh_kernel *k;
	const struct vh_vmcoreinfo *note; /* that is tried; NULL: none */
	vh_gpa roots[VH_KERNEL_ROOTS];
	size_t n_roots;
	unsigned searches;
	/* How far it came. */
	unsigned unreadable; /* tables that could not be read */
	int error;           /* of the last of these */
	vh_gpa bad_root;
	bool early_image; /* an image all of which is writable and executable */
	char *release;    /* of the one that was found */
	char *why;        /* of the last one that was searched; NULL: nothing was mapped */
};

/* Where one page table leads to a kernel: takes it, and true. */
bool vh_kernel_try(struct vh_kernel_search *s, const struct vh_root *root);
/* The root of swapper's tables, by a note. */
bool vh_kernel_root_of_note(const struct vh_vmcoreinfo *note, struct vh_root *root);
/* Outcome, stage and why, where no kernel was found. */
void vh_kernel_why_not(const struct vh_kernel_search *s, const struct vh_cpu *cpus, size_t n);
/* kernel_text.c. A command line with the values of what is likely a secret masked; they are added
 * to secrets, where there is one. */
char *vh_kernel_masked(const char *command_line, struct vh_secrets *secrets);
/* "P W O": letters of Documentation/admin-guide/tainted-kernels.rst. */
char *vh_kernel_taint_text(uint64_t taint);
/* kernel_uptime.c. Nanoseconds since boot, -1 unknown. */
int64_t vh_kernel_uptime(const struct vh_kernel *k);
