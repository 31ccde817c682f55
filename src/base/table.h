/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tables as ps and top print them: a heading of words, then a row a line. One column, the command,
 * may hold blanks ("CPU 0/KVM") and may stand anywhere; the others are one word each.
 */
#pragma once

#include "base/text.h"

#define VH_TABLE_MAX_COLUMNS 48

struct vh_table {
	struct vh_str columns[VH_TABLE_MAX_COLUMNS]; /* live in the heading's text */
	size_t n;
	size_t text; /* index of the column with blanks; n: none has */
};

/* True for a line that names a process's or thread's id and its command. */
bool vh_table_heading(struct vh_str line, struct vh_table *t);
/* The column of that name, or -1. */
int vh_table_column(const struct vh_table *t, const char *name);
/* Cuts a line into cells[t->n]; false where it has too few words, or text where an id belongs. */
bool vh_table_row(const struct vh_table *t, struct vh_str line, struct vh_str cells[]);
/* A cell as a number; false where there is no such column or no number in it. */
bool vh_table_u64(
	const struct vh_table *t, const struct vh_str cells[], const char *name, uint64_t *value);
/* The same of a percentage, with a point or a comma ("99.9", "99,9"), as a share of one. */
bool vh_table_share(
	const struct vh_table *t, const struct vh_str cells[], const char *name, double *value);
