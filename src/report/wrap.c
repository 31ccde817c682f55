/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/wrap.h"

size_t vh_columns(struct vh_str s)
{
	size_t columns = 0;

	while (s.n) {
		size_t n = vh_utf8_length(s, NULL);

		s.s += n ? n : 1;
		s.n -= n ? n : 1;
		columns++;
	}
	return columns;
}

/* One line of the text; returns with the output at the start of a line. */
static void wrap_line(
	struct vh_buf *out, struct vh_str line, size_t width, const char *first, const char *rest)
{
	size_t column = vh_columns(vh_str(first));
	bool empty = true;
	struct vh_str word;

	vh_buf_puts(out, first);
	while (vh_next_word(&line, &word)) {
		size_t n = vh_columns(word);

		if (!empty && column + 1 + n > width) {
			vh_buf_printf(out, "\n%s", rest);
			column = vh_columns(vh_str(rest));
			empty = true;
		}
		if (!empty) {
			vh_buf_putc(out, ' ');
			column++;
		}
		vh_buf_add(out, word.s, word.n);
		column += n;
		empty = false;
	}
	vh_buf_putc(out, '\n');
}

void vh_wrap(
	struct vh_buf *out, struct vh_str text, unsigned width, const char *first, const char *rest)
{
	struct vh_str line;

	while (vh_next_part(&text, '\n', &line)) {
		if (vh_str_trim(line).n)
			wrap_line(out, line, width, first, rest);
		else
			vh_buf_putc(out, '\n');
		first = rest;
	}
}
