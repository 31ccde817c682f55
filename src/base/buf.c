/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

static void reserve(struct vh_buf *b, size_t more)
{
	size_t need = b->len + more + 1;

	if (need <= b->capacity)
		return;
	b->capacity = VH_MAX(need, VH_MAX((size_t)64, 2 * b->capacity));
	b->data = vh_realloc_array(b->data, b->capacity, 1);
}

void vh_buf_add(struct vh_buf *b, const void *data, size_t n)
{
	reserve(b, n);
	if (n)
		memcpy(b->data + b->len, data, n);
	b->len += n;
	b->data[b->len] = 0;
}

void vh_buf_puts(struct vh_buf *b, const char *s)
{
	if (s)
		vh_buf_add(b, s, strlen(s));
}

void vh_buf_putc(struct vh_buf *b, char c)
{
	vh_buf_add(b, &c, 1);
}

void vh_buf_printf(struct vh_buf *b, const char *fmt, ...)
{
	char *s = NULL;
	va_list args;

	va_start(args, fmt);
	int n = vasprintf(&s, fmt, args);
	va_end(args);
	if (n > 0)
		vh_buf_add(b, s, n);
	if (n >= 0)
		free(s);
}

const char *vh_buf_str(const struct vh_buf *b)
{
	return b->data ? b->data : "";
}

char *vh_buf_steal(struct vh_buf *b)
{
	char *s = b->data ? b->data : vh_strdup("");

	*b = (struct vh_buf){0};
	return s;
}

void vh_buf_free(struct vh_buf *b)
{
	free(b->data);
	*b = (struct vh_buf){0};
}
