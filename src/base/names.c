/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/names.h"

const char *vh_name_of(const char *const names[], size_t n, int value)
{
	return value >= 0 && (size_t)value < n && names[value] ? names[value] : "?";
}

int vh_name_find(const char *const names[], size_t n, const char *name)
{
	for (size_t i = 0; name && i < n; i++)
		if (names[i] && strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}
