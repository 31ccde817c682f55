/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pasted text as lines: without terminal escapes, quoting, carriage returns and what mail and
 * chat put around them, but with the numbers that the lines have in the file. Prompts are told
 * apart from output, and nothing of what was typed behind them is ever run.
 */
#pragma once

#include "base/text.h"

/* More than this of a text is not looked at, and that is said. */
#define VH_PASTE_MAX_BYTES (16U << 20)
#define VH_PASTE_MAX_LINES 400000U

struct vh_page_line {
	struct vh_str text;    /* cleaned; a prompt is still in it */
	struct vh_str command; /* what was typed, where the line is a prompt; n 0: it is none */
	unsigned number;       /* of the line in the file, from 1 */
	bool fenced;           /* within a Markdown fence */
};
struct vh_page {
	char *name; /* of the file */
	char *bytes;
	struct vh_page_line *lines;
	size_t n;
	bool cut; /* there was more than the caps allow */
};
void vh_page_init(struct vh_page *page, const char *name, struct vh_str text);
void vh_page_free(struct vh_page *page);

/* The lines [from, from + n) as one text, a newline behind each. The caller frees it. */
char *vh_page_text(const struct vh_page *page, size_t from, size_t n);
/* The trimmed line, or an empty string beyond the end. */
struct vh_str vh_page_at(const struct vh_page *page, size_t at);
bool vh_line_is_fence(struct vh_str line);
/* True for a Markdown fence, or a rule of dashes or equal signs. */
bool vh_line_is_rule(struct vh_str line);

/* prompt.c: what was typed in a line that is a prompt or a bare command; n 0 where it is neither.
 */
struct vh_str vh_prompt_command(struct vh_str line);
/* The process that a command names (-p N, --pid=N, /proc/N/...), the thread (/proc/N/task/T), 0. */
int64_t vh_command_pid(struct vh_str command);
int64_t vh_command_tid(struct vh_str command);
/* The domain that a virsh command names; n 0: none. */
struct vh_str vh_command_domain(struct vh_str command);
/* True where it has this word, or these words one behind the other. */
bool vh_command_has(struct vh_str command, const char *words);
