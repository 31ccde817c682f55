/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keys of docs/inside-format.md as a table, which writing and reading share: what one writes
 * the other takes. */
#pragma once

#include "guest/inside.h"

enum vh_inside_type {
	VH_KEY_TEXT,    /* char *; null for NULL */
	VH_KEY_BYTES,   /* char * and a size_t of its length */
	VH_KEY_LETTER,  /* char */
	VH_KEY_HEX,     /* uint64_t, as "0x1f" */
	VH_KEY_HEX_HAS, /* the same; null where the bool at `extra` is false */
	VH_KEY_COUNT,   /* uint64_t */
	VH_KEY_SIZE,    /* size_t */
	VH_KEY_SIGNED,  /* int64_t; null for -1, which stands for unknown */
	VH_KEY_INT,     /* int; null for -1 */
	VH_KEY_UINT,    /* unsigned */
	VH_KEY_BOOL,
	VH_KEY_BOOL_UNLESS, /* null where the bool at `extra` is true */
	VH_KEY_ENUM,        /* an enumeration with names */
	VH_KEY_OBJECT,      /* a struct in its place */
	VH_KEY_ARRAY,       /* a pointer, and a size_t at `extra` */
};

struct vh_inside_key {
	const char *name;
	enum vh_inside_type type;
	bool must; /* be there: other keys may be left out, which is null or 0 */
	size_t at, extra;
	uint64_t most; /* of a number; of a text in bytes; elements of an array */
	const struct vh_inside_shape *shape;
	const char *(*name_of)(int);
	int (*parse)(const char *);
};

struct vh_inside_shape {
	const struct vh_inside_key *keys;
	size_t n, size;
};

/* Bytes of one text, and how many vCPUs. */
#define VH_INSIDE_MAX_TEXT  (64u << 10)
#define VH_INSIDE_MAX_VCPUS 4096u

extern const struct vh_inside_shape vh_inside_shape_root;
