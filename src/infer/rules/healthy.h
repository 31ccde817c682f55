/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rules of guests that are well share: the general ones (guest-busy, guest-idle) weigh all
 * that speaks for and against, and the more exact ones say more of the same. */
#pragma once

#include "infer/rules/common.h"

/* Weighs that the guest works; false where no vCPU does, and nothing was weighed but what refutes
 * it. */
bool vh_weigh_work(const struct vh_facts *facts, struct vh_judgement *j);
/* Weighs that the guest waits for work. */
void vh_weigh_idleness(const struct vh_facts *facts, struct vh_judgement *j);
/* The one of the two that the load of the vCPUs speaks for, with its state. */
void vh_weigh_health(const struct vh_facts *facts, struct vh_judgement *j);
/* The vCPU at full load that gets the least CPU time, or NULL where all get most of what they ask
 * for. */
const struct vh_fact *vh_slowed_vcpu(const struct vh_facts *facts);
