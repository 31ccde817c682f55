/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attributes, allocation and clean-up shared by every floor. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VH_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define VH_UNUSED            __attribute__((unused))
#define VH_ARRAY_SIZE(a)     (sizeof(a) / sizeof((a)[0]))
#define VH_MIN(a, b)         ((a) < (b) ? (a) : (b))
#define VH_MAX(a, b)         ((a) > (b) ? (a) : (b))

/*
 * Memory. Everything vmhang allocates is capped where its size comes from outside, so a failure
 * means that the host has no memory left at all; these abort then instead of returning NULL.
 */
void *vh_alloc(size_t size); /* zeroed */
void *vh_realloc_array(void *old, size_t n, size_t size);
char *vh_strdup(const char *s); /* NULL stays NULL */
char *vh_strndup(const char *s, size_t n);
char *vh_asprintf(const char *fmt, ...) VH_PRINTF(1, 2);
char *vh_vasprintf(const char *fmt, va_list args) VH_PRINTF(1, 0);
/* Replaces *where with a copy of s. */
void vh_replace(char **where, const char *s);

/*
 * Makes room for one more element in a growing array of n elements: VH_PUSH(list->items,
 * list->n) is an lvalue for the new, zeroed element. Capacity doubles; it is derived from n, so
 * the array must only be grown with this.
 */
#define VH_PUSH(array, n)                                                                          \
	(*((array) = vh_grow((array), (n), sizeof(*(array))), (n)++, &(array)[(n)-1]))
void *vh_grow(void *array, size_t n, size_t size);

/* Scope-bound clean-up: `vh_auto_free char *s = ...;` */
static inline void vh_free_pointer(void *p)
{
	free(*(void **)p);
}
static inline void vh_close_pointer(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define vh_auto_free  __attribute__((cleanup(vh_free_pointer)))
#define vh_auto_close __attribute__((cleanup(vh_close_pointer)))

static inline bool vh_streq(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}
static inline bool vh_prefix(const char *s, const char *prefix)
{
	return s && strncmp(s, prefix, strlen(prefix)) == 0;
}
