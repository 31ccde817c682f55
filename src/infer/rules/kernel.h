/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the causes in a guest's kernel share. */
#pragma once

#include "infer/rules/common.h"

/* The task that waits longest, not to be killed, by the guest's own task list; NULL: none for long.
 */
const struct vh_fact *vh_longest_wait(const struct vh_facts *f);
/* That the backtrace of a vCPU (-1: of any) was in one place of its kernel at all looks; NULL where
 * it was not read, or was not. */
const struct vh_fact *vh_backtrace_of_spin(const struct vh_facts *f, int vcpu);
/* Weighs what vCPUs do that are said to be stuck in their kernel: the one the text names, else all.
 * True where one of them runs all the time in one small piece of the kernel. */
bool vh_weigh_lockup(
	const struct vh_facts *facts, struct vh_judgement *j, const struct vh_fact *text);
void vh_next_of_lockup(struct vh_judgement *j, const struct vh_facts *facts);
/* Weighs that the guest waits: its vCPUs are mostly at rest. */
void vh_weigh_waiting(const struct vh_facts *facts, struct vh_judgement *j);
void vh_next_of_hung_task(struct vh_judgement *j, const struct vh_facts *facts);
/* Weighs that the guest stands where its last words say: at a prompt, or in the midst of its start.
 */
void vh_weigh_shell(
	const struct vh_facts *facts, struct vh_judgement *j, const struct vh_fact *text);
void vh_next_of_drive_errors(struct vh_judgement *j, const struct vh_facts *facts);
