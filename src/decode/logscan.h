/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "decode/model.h"

/* Adds what is recognised in a text to the model's hits. */
void vh_log_scan(struct vh_model *m, struct vh_str text, enum vh_log_kind kind, size_t evidence);
