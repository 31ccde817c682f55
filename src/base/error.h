/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors. A function that can fail returns `struct vh_error *`, NULL for success, or a negative
 * errno where nothing more than the number can be said. Nothing below the cli floor prints.
 */
#pragma once

#include "base/util.h"

struct vh_error {
	int code;      /* an errno value, positive */
	char *message; /* what failed and where, without a trailing stop or newline */
};

/* "opening /x: Permission denied" from (EACCES, "opening %s", "/x"); code 0 adds no strerror. */
struct vh_error *vh_error_new(int code, const char *fmt, ...) VH_PRINTF(2, 3);
/* Puts "fmt: " before the message of err and returns it; NULL stays NULL. */
struct vh_error *vh_error_prefix(struct vh_error *err, const char *fmt, ...) VH_PRINTF(2, 3);
void vh_error_free(struct vh_error *err);
static inline void vh_error_pointer(struct vh_error **err)
{
	vh_error_free(*err);
}
#define vh_auto_error __attribute__((cleanup(vh_error_pointer)))
