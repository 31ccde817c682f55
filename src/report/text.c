/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The view as text for a terminal. */
#include "report/view.h"
#include "report/wrap.h"

/* ECMA-48 SGR. */
#define BOLD   "\033[1m"
#define RED    "\033[1;31m"
#define GREEN  "\033[1;32m"
#define YELLOW "\033[1;33m"
#define PLAIN  "\033[0m"

struct writer {
	struct vh_buf *out;
	bool colour;
	unsigned width;
};

static void put(const struct writer *w, const char *colour, const char *text)
{
	if (w->colour)
		vh_buf_printf(w->out, "%s%s%s", colour, text, PLAIN);
	else
		vh_buf_puts(w->out, text);
}

static void put_answer(const struct writer *w, const struct vh_view *v)
{
	const char *colour = v->hung == VH_HUNG_YES ? RED : v->hung == VH_HUNG_NO ? GREEN : YELLOW;

	/* One line, however long: it is what scripts and ticket systems cut out. */
	put(w, BOLD, v->name);
	vh_buf_puts(w->out, ": ");
	put(w, colour, v->answer);
	vh_buf_printf(w->out, ": %s", v->headline);
	if (v->confidence)
		vh_buf_printf(w->out, " (%s)", v->confidence);
	if (v->changed)
		vh_buf_printf(w->out, "; %s", v->changed);
	if (v->also)
		vh_buf_printf(w->out, "; also: %s", v->also);
	vh_buf_putc(w->out, '\n');
	vh_wrap(w->out, vh_str(v->identity), w->width, "", "  ");
}

static void put_item(const struct writer *w, const struct vh_view_item *item, const char *first,
	const char *rest)
{
	vh_auto_buf struct vh_buf text = {0};

	vh_buf_puts(&text, item->text);
	if (item->sources)
		vh_buf_printf(&text, " [%s]", item->sources);
	vh_wrap(w->out, vh_str(vh_buf_str(&text)), w->width, first, rest);
}

/* With the lines that prove it, as they are. */
static void put_fact(const struct writer *w, const struct vh_view_item *item)
{
	put_item(w, item, "  - ", "    ");
	for (size_t i = 0; i < item->n_lines; i++)
		vh_buf_printf(w->out, "      | %s\n", item->lines[i]);
}

static void put_steps(const struct writer *w, const struct vh_view_section *s)
{
	for (size_t i = 0; i < s->n_items; i++) {
		vh_auto_free char *first = vh_asprintf("  %zu. ", i + 1);

		put_item(w, &s->items[i], first, "     ");
		if (!s->items[i].command)
			continue;
		/* Never wrapped: it is there to be copied. */
		vh_buf_puts(w->out, "       ");
		put(w, BOLD, s->items[i].command);
		vh_buf_putc(w->out, '\n');
	}
}

static void put_row(
	const struct writer *w, const struct vh_view_section *s, char *const *cells, size_t *widths)
{
	for (size_t k = 0; k < s->n_columns; k++) {
		const char *cell = cells ? cells[k] : s->columns[k].heading;
		size_t columns = vh_columns(vh_str(cell));
		int gap = (int)(widths[k] - VH_MIN(columns, widths[k]));
		bool last = k + 1 == s->n_columns;

		vh_buf_puts(w->out, "  ");
		if (s->columns[k].right)
			vh_buf_printf(w->out, "%*s%s", gap, "", cell);
		else
			vh_buf_printf(w->out, "%s%*s", cell, last ? 0 : gap, "");
	}
	vh_buf_putc(w->out, '\n');
}

static void put_table(const struct writer *w, const struct vh_view_section *s)
{
	size_t *widths = vh_alloc(s->n_columns * sizeof(*widths));

	for (size_t k = 0; k < s->n_columns; k++)
		widths[k] = strlen(s->columns[k].heading);
	for (size_t i = 0; i < s->n_cells; i++) {
		size_t columns = vh_columns(vh_str(s->cells[i])), k = i % s->n_columns;

		widths[k] = VH_MAX(widths[k], columns);
	}
	put_row(w, s, NULL, widths);
	for (size_t i = 0; i + s->n_columns <= s->n_cells; i += s->n_columns)
		put_row(w, s, s->cells + i, widths);
	free(widths);
}

static void put_section(const struct writer *w, const struct vh_view_section *s)
{
	vh_buf_putc(w->out, '\n');
	put(w, BOLD, s->heading);
	vh_buf_putc(w->out, '\n');
	switch (s->kind) {
	case VH_VIEW_ITEMS:
		for (size_t i = 0; i < s->n_items; i++)
			put_fact(w, &s->items[i]);
		break;
	case VH_VIEW_STEPS:
		put_steps(w, s);
		break;
	case VH_VIEW_LINES:
		for (size_t i = 0; i < s->n_items; i++)
			vh_buf_printf(w->out, "  %s\n", s->items[i].text);
		break;
	case VH_VIEW_TABLE:
		put_table(w, s);
		break;
	}
}

void vh_report_text(
	const struct vh_report *r, const struct vh_text_options *options, struct vh_buf *out)
{
	struct writer w = {.out = out,
		.colour = options && options->colour,
		.width = options && options->width ? options->width : VH_DEFAULT_WIDTH};
	struct vh_view *v = vh_view_build(r, options && options->verbose);

	put_answer(&w, v);
	for (size_t i = 0; i < v->n_sections; i++)
		put_section(&w, v->sections[i]);
	vh_view_free(v);
}
