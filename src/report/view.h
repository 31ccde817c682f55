/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a report says, in order, before it is known how it is written down. All strings are escaped:
 * a writer only has to lay them out. Nothing empty is in here.
 */
#pragma once

#include "report/report.h"

enum vh_view_kind {
	VH_VIEW_ITEMS, /* statements, each with its sources */
	VH_VIEW_STEPS, /* things to do, in order, some with a command */
	VH_VIEW_LINES, /* to be shown line by line, as they are */
	VH_VIEW_TABLE,
};

struct vh_view_item {
	char *text;
	char *sources; /* "task.schedstat, hmp.info-registers"; NULL for none */
	char *command; /* to paste; NULL for none */
	char **lines;  /* of a log or a backtrace, that prove it */
	size_t n_lines;
};

struct vh_view_column {
	const char *heading;
	bool right; /* numbers */
};

struct vh_view_section {
	const char *id; /* stable: "because" */
	char *heading;
	enum vh_view_kind kind;
	struct vh_view_item *items; /* for lines only the text */
	size_t n_items;
	const struct vh_view_column *columns; /* of a table */
	size_t n_columns;
	struct vh_view_column *own_columns; /* where they are made for this table; else NULL */
	char **cells;                       /* row by row */
	size_t n_cells;
};

struct vh_view {
	char *name;
	enum vh_hung hung;
	const char *answer; /* "hung", "healthy", "could not tell" */
	char *headline;
	char *also, *changed;   /* behind it, in the first line; NULL */
	const char *confidence; /* NULL: the cause is unknown */
	char *identity;         /* pid, size, accelerator, ... */
	struct vh_view_section **sections;
	size_t n_sections;
};

struct vh_view *vh_view_build(const struct vh_report *r, bool verbose);
void vh_view_free(struct vh_view *v);

/* The distinct sources behind a fact, "task.stat, task.wchan", at most four; NULL for none. */
char *vh_view_sources(const struct vh_case *c, const struct vh_fact *f);

/* For the builders: a new section at the end; one that stays empty is dropped. */
struct vh_view_section *vh_view_add(struct vh_view *v, const char *id, enum vh_view_kind kind,
	const char *fmt, ...) VH_PRINTF(4, 5);
/* Adds a line; the text is escaped. */
void vh_view_line(struct vh_view_section *s, const char *fmt, ...) VH_PRINTF(2, 3);
/* Adds a cell; the text is escaped, NULL and "" are "-". */
void vh_view_cell(struct vh_view_section *s, const char *fmt, ...) VH_PRINTF(2, 3);
/* The same for a share of one as a percentage, or "-". */
void vh_view_percent(struct vh_view_section *s, double share);
/* The tables of --verbose: tables.c, exits_report.c, registers.c. */
void vh_view_add_tables(struct vh_view *v, const struct vh_report *r);
void vh_view_add_exits(struct vh_view *v, const struct vh_exits *e);
void vh_view_add_inside(struct vh_view *v, const struct vh_report *r);
void vh_view_add_registers(struct vh_view *v, const struct vh_vcpu *cpu);
