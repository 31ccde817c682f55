/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest wrote to a serial console, as lines; and how often it began to boot there. */
#pragma once

#include "base/text.h"

/*
 * A console's text without terminal escapes (ECMA-48): what moves the cursor to another place or
 * clears a part of the screen, and a carriage return alone, begins a new line, for what is written
 * there is no more of the same. Hostile input; the result is as long as the text at most.
 */
void vh_console_lines(struct vh_str text, struct vh_buf *out);

/* The lives of a guest that one console's tail shows: from one boot to the next. */
struct vh_boots {
	unsigned begun;   /* how often a boot began in it */
	unsigned alike;   /* boots in a row, up to the newest that ended, that ended with the same
			     words */
	char *last_words; /* with which they ended: escaped, cut; NULL without any */
	bool fatal;       /* these words are of a panic or of an error that ends a boot */
	double lasted_s; /* the guest's own clock at the end of the longest of them; NAN not told */
	double now_s;    /* its clock now, in the boot that goes on; NAN not told */
	size_t evidence; /* of the log */
};
/* text: of vh_console_lines. */
struct vh_boots vh_boots_of(struct vh_str text);
