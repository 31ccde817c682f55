/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A growing string. Always NUL-terminated, may hold NULs, grows only as far as its cap. */
#pragma once

#include "base/util.h"

struct vh_buf {
	char *data; /* NULL while empty: use vh_buf_str() */
	size_t len;
	size_t capacity;
};

void vh_buf_add(struct vh_buf *b, const void *data, size_t n);
void vh_buf_puts(struct vh_buf *b, const char *s);
void vh_buf_putc(struct vh_buf *b, char c);
void vh_buf_printf(struct vh_buf *b, const char *fmt, ...) VH_PRINTF(2, 3);
const char *vh_buf_str(const struct vh_buf *b);
/* Hands the string over to the caller and leaves b empty; never NULL. */
char *vh_buf_steal(struct vh_buf *b);
void vh_buf_free(struct vh_buf *b);
#define vh_auto_buf __attribute__((cleanup(vh_buf_free)))
