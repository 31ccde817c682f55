/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the causes share that take the vCPUs' CPU time. */
#pragma once

#include "infer/rules/common.h"

/* Weighs what all of them need: a vCPU that is ready and does not run, and no quota that explains
 * it. Returns the first such vCPU's fact; NULL where there is none. */
const struct vh_fact *vh_weigh_starvation(const struct vh_facts *facts, struct vh_judgement *j);
/* A next step that gives the vCPUs other CPUs. */
void vh_next_move_vcpus(struct vh_judgement *j, const struct vh_facts *facts);
/* True where some starved vCPU may use every CPU of the host, or that is not known. */
bool vh_may_use_all_cpus(const struct vh_facts *facts);
/* The affinity of vCPU n's thread, "?" unknown. */
const char *vh_vcpu_affinity(const struct vh_facts *facts, int vcpu);
