/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/table.h"

/* What ps (procps 3 and 4, busybox) and top call the columns that make a line a heading. */
static const char *const ids[] = {"PID", "TID", "LWP", "SPID"};
static const char *const commands[] = {"COMMAND", "CMD", "COMM", "UCMD", "UCOMM"};

static bool is_one_of(struct vh_str word, const char *const list[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (vh_str_is(word, list[i]))
			return true;
	return false;
}

bool vh_table_heading(struct vh_str line, struct vh_table *t)
{
	struct vh_str word;
	bool has_id = false;

	*t = (struct vh_table){.text = VH_TABLE_MAX_COLUMNS};
	if (line.n > 1024)
		return false;
	while (vh_next_word(&line, &word)) {
		if (t->n == VH_TABLE_MAX_COLUMNS)
			return false;
		has_id |= is_one_of(word, ids, VH_ARRAY_SIZE(ids));
		if (is_one_of(word, commands, VH_ARRAY_SIZE(commands)))
			t->text = t->n;
		t->columns[t->n++] = word;
	}
	return has_id && t->text < t->n && t->n >= 2;
}

int vh_table_column(const struct vh_table *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (vh_str_is(t->columns[i], name))
			return (int)i;
	return -1;
}

/* Cuts the last word off *line. */
static bool last_word(struct vh_str *line, struct vh_str *word)
{
	*line = vh_str_trim(*line);
	size_t at = line->n;

	while (at && line->s[at - 1] != ' ' && line->s[at - 1] != '\t')
		at--;
	*word = (struct vh_str){line->s + at, line->n - at};
	line->n = at;
	return word->n > 0;
}

bool vh_table_row(const struct vh_table *t, struct vh_str line, struct vh_str cells[])
{
	uint64_t number;

	for (size_t i = 0; i < t->text; i++)
		if (!vh_next_word(&line, &cells[i]))
			return false;
	for (size_t i = t->n; i-- > t->text + 1;)
		if (!last_word(&line, &cells[i]))
			return false;
	cells[t->text] = vh_str_trim(line);
	if (!cells[t->text].n)
		return false;
	for (size_t i = 0; i < t->n; i++)
		if (is_one_of(t->columns[i], ids, VH_ARRAY_SIZE(ids)) &&
			!vh_parse_u64(cells[i], 10, &number) && !vh_str_is(cells[i], "-"))
			return false;
	return true;
}

bool vh_table_u64(
	const struct vh_table *t, const struct vh_str cells[], const char *name, uint64_t *value)
{
	int at = vh_table_column(t, name);

	return at >= 0 && vh_parse_u64(cells[at], 10, value);
}

bool vh_table_share(
	const struct vh_table *t, const struct vh_str cells[], const char *name, double *value)
{
	int at = vh_table_column(t, name);
	char text[32];
	double percent;

	if (at < 0 || !cells[at].n || cells[at].n >= sizeof(text))
		return false;
	memcpy(text, cells[at].s, cells[at].n);
	text[cells[at].n] = 0;
	for (char *p = text; *p; p++)
		*p = *p == ',' ? '.' : *p;
	if (!vh_parse_double(vh_str(text), &percent) || !(percent >= 0 && percent <= 1e6))
		return false;
	*value = percent / 100;
	return true;
}
