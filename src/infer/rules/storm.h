/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rules on storms (of a port, an address, an MSR) have in common. */
#pragma once

#include "infer/rules/common.h"

/* Weighs the storm facts of that id. False where there is none. */
bool vh_weigh_storm(const struct vh_facts *f, struct vh_judgement *j, enum vh_fact_id storm);

/* The step that leads to the device. */
void vh_next_device(struct vh_judgement *j, const struct vh_facts *f);

/* What a vCPU in a storm is as well. */
extern const char *const vh_storm_includes[];
