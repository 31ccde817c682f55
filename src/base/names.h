/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables between enumerators and their stable names. */
#pragma once

#include "base/util.h"

/* names[value] for a table indexed by the enumerator; "?" outside of it or in a gap. */
const char *vh_name_of(const char *const names[], size_t n, int value);
/* The index of name in such a table, or -1. */
int vh_name_find(const char *const names[], size_t n, const char *name);

/* Declares vh_X_name(value) and vh_X_parse(name) (-1 for an unknown name). */
#define VH_NAMES_DECLARE(prefix, type)                                                             \
	const char *prefix##_name(type value);                                                     \
	int prefix##_parse(const char *name)

/* Defines both from a designated table. */
#define VH_NAMES_DEFINE(prefix, type, table)                                                       \
	const char *prefix##_name(type value)                                                      \
	{                                                                                          \
		return vh_name_of(table, VH_ARRAY_SIZE(table), (int)value);                        \
	}                                                                                          \
	int prefix##_parse(const char *name)                                                       \
	{                                                                                          \
		return vh_name_find(table, VH_ARRAY_SIZE(table), name);                            \
	}
