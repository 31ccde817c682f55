/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An interval as text: a block in a pipe, or what fits on a screen. */
#include "report/exits_view.h"
#include "report/wrap.h"

/* ECMA-48 SGR. */
#define BOLD  "\033[1m"
#define PLAIN "\033[0m"

#define DEFAULT_WIDTH 100
/* Lines of a screen that notes may take from the table. */
#define NOTE_LINES    5
#define HEAD_LINES    2
#define ROWS_AT_LEAST 4

/* Of a column that there is no room for. */
#define HIDDEN SIZE_MAX

struct writer {
	struct vh_buf *out;
	bool colour;
	unsigned width;
	bool cut; /* at the width, for a screen */
};

/* The first so many columns of a text. */
static struct vh_str columns_of(struct vh_str s, size_t columns)
{
	struct vh_str rest = s;

	while (rest.n && columns--) {
		size_t n = vh_utf8_length(rest, NULL);

		n = VH_MIN(n ? n : 1, rest.n);
		rest.s += n;
		rest.n -= n;
	}
	return (struct vh_str){s.s, s.n - rest.n};
}

static void put_line(const struct writer *w, struct vh_str line, bool bold)
{
	if (w->cut)
		line = columns_of(line, w->width);
	while (line.n && line.s[line.n - 1] == ' ')
		line.n--;
	if (bold && w->colour)
		vh_buf_puts(w->out, BOLD);
	vh_buf_add(w->out, line.s, line.n);
	if (bold && w->colour)
		vh_buf_puts(w->out, PLAIN);
	vh_buf_putc(w->out, '\n');
}

/* One line, however long, for scripts and tickets; on a screen as many as it takes. */
static void put_head(const struct writer *w, const char *text, bool bold)
{
	vh_auto_buf struct vh_buf wrapped = {0};
	struct vh_str rest, line;

	if (!w->cut) {
		put_line(w, vh_str(text), bold);
		return;
	}
	vh_wrap(&wrapped, vh_str(text), w->width, "", "  ");
	rest = vh_str(vh_buf_str(&wrapped));
	for (size_t i = 0; i < HEAD_LINES && vh_next_line(&rest, &line); i++)
		put_line(w, line, bold);
}

static void put_row(const struct writer *w, const struct vh_view_section *s, char *const *cells,
	const size_t *widths)
{
	vh_auto_buf struct vh_buf line = {0};

	for (size_t k = 0; k < s->n_columns; k++) {
		if (widths[k] == HIDDEN)
			continue;
		const char *cell = cells ? cells[k] : s->columns[k].heading;
		struct vh_str shown = columns_of(vh_str(cell), widths[k]);
		int gap = (int)(widths[k] - vh_columns(shown));

		vh_buf_puts(&line, k ? "  " : "");
		if (s->columns[k].right)
			vh_buf_printf(&line, "%*s", gap, "");
		vh_buf_add(&line, shown.s, shown.n);
		if (!s->columns[k].right)
			vh_buf_printf(&line, "%*s", gap, "");
	}
	put_line(w, vh_str(vh_buf_str(&line)), !cells);
}

/* On a screen that is too narrow some numbers can be spared before the names are cut. */
static void fit(const struct writer *w, const struct vh_view_section *s, size_t *widths, size_t all)
{
	static const char *const spared[] = {"+-%", "MIN"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(spared); i++)
		for (size_t k = 1; k < s->n_columns && all > w->width; k++)
			if (vh_streq(s->columns[k].heading, spared[i])) {
				all -= widths[k] + 2;
				widths[k] = HIDDEN;
			}
	if (all > w->width && !s->columns[0].right) {
		size_t spare = widths[0] - strlen(s->columns[0].heading);

		widths[0] -= VH_MIN(spare, all - w->width);
	}
}

/* As wide as the widest cell. */
static size_t *column_widths(const struct writer *w, const struct vh_view_section *s)
{
	size_t *widths = vh_alloc(s->n_columns * sizeof(*widths)), all = 0;

	for (size_t k = 0; k < s->n_columns; k++)
		widths[k] = strlen(s->columns[k].heading);
	for (size_t i = 0; i < s->n_cells; i++) {
		size_t columns = vh_columns(vh_str(s->cells[i])), k = i % s->n_columns;

		widths[k] = VH_MAX(widths[k], columns);
	}
	for (size_t k = 0; k < s->n_columns; k++)
		all += widths[k] + (k ? 2 : 0);
	if (w->cut)
		fit(w, s, widths, all);
	return widths;
}

/* lines: the heading's too; 0: all. */
static void put_table(const struct writer *w, const struct vh_view_section *s, size_t lines)
{
	size_t *widths = column_widths(w, s), rows = s->n_cells / s->n_columns, shown = rows;

	if (lines && rows + 1 > lines)
		shown = lines > 2 ? lines - 2 : 0;
	vh_buf_putc(w->out, '\n');
	put_row(w, s, NULL, widths);
	for (size_t i = 0; i < shown; i++)
		put_row(w, s, s->cells + i * s->n_columns, widths);
	if (shown < rows) {
		vh_auto_free char *more = vh_asprintf("... %zu more rows", rows - shown);

		put_line(w, vh_str(more), false);
	}
	free(widths);
}

static void put_notes(struct vh_buf *out, const struct vh_view *v, unsigned width)
{
	for (size_t i = 0; i < v->n_sections; i++) {
		const struct vh_view_section *s = v->sections[i];

		for (size_t k = 0; s->kind == VH_VIEW_LINES && k < s->n_items; k++)
			vh_wrap(out, vh_str(s->items[k].text), width, "- ", "  ");
	}
}

static size_t count_lines(const struct vh_buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++)
		n += b->data[i] == '\n';
	return n;
}

/* At most so many lines of the notes. */
static void add_notes(const struct writer *w, const struct vh_buf *notes, size_t lines)
{
	struct vh_str rest = vh_str(vh_buf_str(notes)), line;

	if (!lines || !rest.n)
		return;
	vh_buf_putc(w->out, '\n');
	for (size_t i = 0; i < lines && vh_next_line(&rest, &line); i++)
		put_line(w, line, false);
}

void vh_exits_text(const struct vh_exits *e, const struct vh_exits_about *about,
	const struct vh_exits_options *o, struct vh_buf *out)
{
	const struct writer w = {.out = out,
		.colour = o->colour,
		.width = o->width ? o->width : DEFAULT_WIDTH,
		.cut = o->height > 0};
	struct vh_exits_view *view = vh_exits_view(e, about, o);
	vh_auto_free char *answer = vh_asprintf("%s: %s", view->v->name, view->v->headline);
	vh_auto_buf struct vh_buf notes = {0};
	size_t began = count_lines(out);

	put_notes(&notes, view->v, w.width);
	size_t note_lines = count_lines(&notes), left = 0;

	put_head(&w, answer, true);
	put_head(&w, view->v->identity, false);
	for (size_t i = 0; i < view->v->n_sections; i++) {
		const struct vh_view_section *s = view->v->sections[i];

		if (s->kind != VH_VIEW_TABLE || !s->n_cells)
			continue;
		if (o->height && vh_streq(s->id, "table")) {
			size_t used = count_lines(out) - began + 1;

			left = o->height > used ? o->height - used : 0;
			note_lines = VH_MIN(note_lines, (size_t)NOTE_LINES);
			if (left < note_lines + 1 + ROWS_AT_LEAST)
				note_lines = 0;
			left -= note_lines ? note_lines + 1 : 0;
			if (left >= 3)
				put_table(&w, s, left);
		} else {
			put_table(&w, s, 0);
		}
	}
	add_notes(&w, &notes, note_lines);
	vh_exits_view_free(view);
}
