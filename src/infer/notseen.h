/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside of infer: what could not be seen, and how to see it next time. */
#pragma once

#include "infer/verdict.h"

/* Appends to v->not_seen: evidence that was denied, timed out, was skipped, ..., grouped, so that a
 * reason that holds for many threads is said once. Evidence that is absent by nature is not named.
 */
void vh_not_seen_list(const struct vh_model *model, struct vh_verdict *v);
