/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sets of the host's CPUs, as the kernel lists them. */
#pragma once

#include "decode/model.h"

/* "0-3,8" as CPU numbers. */
struct vh_cpu_set {
	uint8_t bits[1024]; /* 8192 CPUs: CONFIG_NR_CPUS at its largest */
};
bool vh_cpu_set_parse(struct vh_str list, struct vh_cpu_set *set);
void vh_cpu_set_add(struct vh_cpu_set *set, int64_t cpu);
bool vh_cpu_set_has(const struct vh_cpu_set *set, int64_t cpu);
int vh_cpu_set_count(const struct vh_cpu_set *set);
/* hostview.c: the CPUs where vCPUs may run; those they ran on last where the affinity was not told.
 * False where neither is known. */
bool vh_vcpu_cpus(const struct vh_model *m, struct vh_cpu_set *set);
