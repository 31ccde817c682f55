/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is likely a secret on a guest's command line, for it stands elsewhere too: the kernel's log
 * begins with the line, and the pages that a case keeps hold both. */
#pragma once

#include "base/text.h"

struct vh_secrets;

struct vh_secrets *vh_secrets_new(void);
void vh_secrets_free(struct vh_secrets *s); /* NULL is fine */
/* Copies the value; what is empty, or one more than a command line can hold, is left out. */
void vh_secrets_add(struct vh_secrets *s, struct vh_str value);
/* Overwrites them in data with as many "*": wherever they stand, and one so short that it may be a
 * part of any word only behind a "=". */
void vh_secrets_hide(const struct vh_secrets *s, void *data, size_t n);
