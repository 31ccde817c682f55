/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vCPUs in one text of HMP "info registers -a". */
#pragma once

#include "guest/kernel.h"

#define VH_MAX_CPUS      1024u
#define VH_MAX_CPUS_TEXT (4u << 20)

/* Rows "CPU#N" and what is behind each; one that cannot be read has neither x86.valid nor
 * arm.valid. How many, up to most. */
size_t vh_cpus_parse(struct vh_str text, struct vh_cpu *out, size_t most);
/* Linear address of the instruction, stack pointer, frame pointer, root of the page tables. */
struct vh_cpu_place {
	uint64_t ip, sp, bp, root;
};
struct vh_cpu_place vh_cpu_place(const struct vh_cpu *c);
bool vh_cpu_valid(const struct vh_cpu *c);
