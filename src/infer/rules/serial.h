/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rules of consoles that nobody reads share. */
#pragma once

#include "infer/rules/common.h"

/* Who should read, and how to read in his place. The fact's value is the channel's index. */
void vh_next_read(struct vh_judgement *j, const struct vh_facts *f, const struct vh_fact *not_read);
