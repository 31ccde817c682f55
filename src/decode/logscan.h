/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "decode/model.h"

/* Adds what is recognised in a text to the model's hits. */
void vh_log_scan(struct vh_model *m, struct vh_str text, enum vh_log_kind kind, size_t evidence);
/* The same of a kernel's own log: its hits are as those of a console. */
void vh_log_scan_kernel(struct vh_model *m, struct vh_str text, size_t evidence);
/* Drops the hits of that evidence (the screen) whose lines a serial log has as well, but only
 * before its last boot banner: a kernel that was started behind a panic (kdump) may never touch the
 * screen.
 */
void vh_log_forget_earlier_lives(struct vh_model *m, size_t evidence);
