/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"

#include <stdarg.h>
#include <stdio.h>

static void *must(void *p)
{
	if (!p) {
		static const char text[] = "vmhang: the host has no memory left\n";
		ssize_t ignored VH_UNUSED = write(STDERR_FILENO, text, sizeof(text) - 1);
		abort();
	}
	return p;
}

void *vh_alloc(size_t size)
{
	return must(calloc(1, size ? size : 1));
}

void *vh_realloc_array(void *old, size_t n, size_t size)
{
	return must(reallocarray(old, n ? n : 1, size ? size : 1));
}

char *vh_strdup(const char *s)
{
	return s ? must(strdup(s)) : NULL;
}

char *vh_strndup(const char *s, size_t n)
{
	return must(strndup(s, n));
}

char *vh_vasprintf(const char *fmt, va_list args)
{
	char *s = NULL;

	return must(vasprintf(&s, fmt, args) < 0 ? NULL : s);
}

char *vh_asprintf(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	char *s = vh_vasprintf(fmt, args);

	va_end(args);
	return s;
}

void vh_replace(char **where, const char *s)
{
	char *copy = vh_strdup(s);

	free(*where);
	*where = copy;
}

void *vh_grow(void *array, size_t n, size_t size)
{
	/* Full exactly when n is 0 or a power of two: the capacities that were handed out. */
	if ((n & (n - 1)) == 0) {
		size_t capacity = n ? 2 * n : 1;

		array = vh_realloc_array(array, capacity, size);
	}
	memset((char *)array + n * size, 0, size);
	return array;
}
