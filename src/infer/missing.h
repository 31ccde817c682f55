/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside of infer: of a pasted text, what else would help most. */
#pragma once

#include "infer/verdict.h"

/* Puts up to three steps in front of v->next: outputs that the text has not, and that would tell
 * the causes that are near from each other, each with the command that prints it. Nothing for a
 * live VM's case, nor where the verdict is certain. */
void vh_missing_steps(const struct vh_facts *facts, struct vh_verdict *v);
/* vCPUs of a pasted text that run all the time, and of which it has no registers. */
size_t vh_undumped_vcpus(const struct vh_facts *facts);
