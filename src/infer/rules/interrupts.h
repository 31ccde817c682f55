/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rules of interrupts that do not reach a halted vCPU share. */
#pragma once

#include "infer/verdict.h"

/* Weighs that an interrupt is pending for a vCPU that sleeps with interrupts on, and stays pending.
 * False where there is nothing to say. */
bool vh_weigh_held_interrupt(
	const struct vh_facts *facts, struct vh_judgement *j, const struct vh_fact *held);
