/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text in lines of a terminal's width. */
#pragma once

#include "base/text.h"

/*
 * Appends text, broken between words into lines of at most `width` columns (a code point is one),
 * each with a newline. The first line begins with `first`, all others with `rest`. A newline in the
 * text ends a line; a word that is wider than a line is kept whole, so that it can be copied.
 */
void vh_wrap(struct vh_buf *out, struct vh_str text, unsigned width, const char *first,
	const char *rest);
/* Code points in valid UTF-8; a byte that is not counts as one. */
size_t vh_columns(struct vh_str s);
