/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all panics of a guest's kernel have in common. */
#pragma once

#include "infer/rules/common.h"

/* Weighs that the guest's kernel panicked: its text, and what the vCPUs do. Nothing where the text
 * is not there, or does not hold any more. */
bool vh_weigh_panic(const struct vh_facts *facts, struct vh_judgement *j);
/* The same for the reason that the fact stands for (VH_FACT_PANIC_*); sets the title: what, and the
 * kernel's words. False, and nothing weighed, where that was not the reason. */
bool vh_judge_panic(const struct vh_facts *facts, struct vh_judgement *j, enum vh_fact_id reason,
	const char *what);
/* Last steps: keep it, dump it, reset it. */
void vh_next_after_panic(struct vh_judgement *j, const struct vh_facts *facts);
/* The reason in the kernel's words: the fact of the reason, else that of the panic; NULL: none.
 * *page: the cause that explains it. */
const struct vh_fact *vh_panic_reason(const struct vh_facts *facts, const char **page);
/* All of them, for what says more than any: NULL-terminated. */
extern const char *const vh_panics[];
/* What a panicked kernel shows as well, or reported on its way there. */
extern const char *const vh_panic_includes[];
