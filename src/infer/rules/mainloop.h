/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rules of a main loop that does not answer share. */
#pragma once

#include "infer/rules/common.h"

/* False where somebody outside holds the whole process, or the monitor answers: then the main loop
 * is not what hangs. */
bool vh_main_loop_may_hang(const struct vh_facts *facts);
/* Weighs a fact that tells what the main loop waits in: with a monitor that does not answer it is
 * the proof. */
void vh_for_main_loop(
	struct vh_judgement *j, const struct vh_facts *facts, const struct vh_fact *why);
/* The step that shows all threads' user-level stacks. */
void vh_next_backtraces(struct vh_judgement *j);
