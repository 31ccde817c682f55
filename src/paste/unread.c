/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was not understood, but may be evidence: the reader should know what the report does not
 * stand on. Prose, prompts, blank lines and rules are not told. */
#include <ctype.h>

#include "paste/recogniser.h"

#define MAX_RANGES 64

/* Mostly numbers, signs and short words in columns: something that a program printed. */
static bool looks_printed(struct vh_str line)
{
	size_t digits = 0, others = 0, high = 0;
	bool columns = vh_str_find(line, "   ") > 0;

	if (line.n < 8 || line.n > 4096)
		return line.n > 4096;
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.s[i];

		digits += isdigit(c) != 0;
		high += c >= 0x80;
		others += ispunct(c) != 0;
	}
	if (high * 3 > line.n)
		return false;
	return digits * 4 > line.n || (columns && digits >= 3) ||
	       (others * 4 > line.n && digits >= 2) ||
	       (vh_str_find(line, "=") > 0 && digits >= 4 && others >= 3);
}

static bool is_worth_telling(const struct vh_paste *p, size_t at)
{
	struct vh_str line = vh_at(p, at);

	if (!line.n || vh_is_prompt(p, at) || vh_line_is_rule(line))
		return false;
	/* Within a fence everything was copied from somewhere. */
	return p->page->lines[at].fenced ? line.n >= 3 : looks_printed(line);
}

void vh_paste_unread(struct vh_paste *p, const bool *taken)
{
	struct json_object *ranges = vh_json_at(p->index, "unread", NULL);

	for (size_t at = 0; at < p->page->n; at++) {
		size_t end = at, lines = 0;

		/* A range may go over blank lines; one odd line outside of a fence is prose with
		 * numbers. */
		while (end < p->page->n && !taken[end] && !vh_is_prompt(p, end) &&
			(is_worth_telling(p, end) || (lines && !vh_at(p, end).n)))
			lines += is_worth_telling(p, end++);
		if (!lines || (lines < 2 && !p->page->lines[at].fenced)) {
			at = VH_MAX(end, at + 1) - 1;
			continue;
		}
		while (end > at && !vh_at(p, end - 1).n)
			end--;
		if (json_object_array_length(ranges) >= MAX_RANGES) {
			p->overflow = true;
			return;
		}
		struct json_object *row = json_object_new_object();

		vh_json_put_i64(row, "from", vh_line_number(p, at));
		vh_json_put_i64(row, "to", vh_line_number(p, end - 1));
		json_object_array_add(ranges, row);
		at = end - 1;
	}
}
