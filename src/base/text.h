/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading text that is not ours: views, a line cursor, strict numbers, escaping. */
#pragma once

#include "base/buf.h"

/* A piece of somebody else's text; not NUL-terminated. */
struct vh_str {
	const char *s;
	size_t n;
};
static inline struct vh_str vh_str(const char *s)
{
	return (struct vh_str){s, s ? strlen(s) : 0};
}
bool vh_str_is(struct vh_str a, const char *b);
bool vh_str_starts(struct vh_str a, const char *prefix);
/* Position of needle in hay or -1. */
ssize_t vh_str_find(struct vh_str hay, const char *needle);
/* Like vh_str_find without regard to ASCII case. */
ssize_t vh_str_find_nocase(struct vh_str hay, const char *needle);
struct vh_str vh_str_trim(struct vh_str s);
char *vh_str_dup(struct vh_str s);

/*
 * Cuts the next line (without its newline and a carriage return before it) or the next word
 * (between blanks) off *rest. False when nothing is left.
 */
bool vh_next_line(struct vh_str *rest, struct vh_str *line);
bool vh_next_word(struct vh_str *rest, struct vh_str *word);
/* Cuts the part before the first `sep` off *rest; without one, all of it. False when empty. */
bool vh_next_part(struct vh_str *rest, char sep, struct vh_str *part);
/* Value of the "Key:\tvalue" line of a /proc status-like text; false where absent. */
bool vh_status_field(struct vh_str text, const char *key, struct vh_str *value);
/* Value of the "key value" line of a flat keyed file (cgroup cpu.stat, memory.events). */
bool vh_keyed_u64(struct vh_str text, const char *key, uint64_t *value);

/* Whole-string numbers: no sign for unsigned, no blanks, no overflow; base 10 or 16, or 0 for C
 * prefixes. Return false and leave *value alone otherwise. */
bool vh_parse_u64(struct vh_str s, int base, uint64_t *value);
bool vh_parse_i64(struct vh_str s, int base, int64_t *value);
bool vh_parse_double(struct vh_str s, double *value);

/*
 * Appends s so that a terminal only sees printable text: control bytes, DEL, C1 controls, bidi
 * controls and bytes that are not UTF-8 become \xNN or \u{NNNN}; a backslash stays. With `newlines`
 * newline and tab stay too.
 */
void vh_escape(struct vh_buf *out, struct vh_str s, bool newlines);
char *vh_escaped(const char *s); /* NULL becomes "" */
/* True for valid UTF-8 without NUL (RFC 3629: no surrogates, no overlong forms). */
bool vh_is_utf8(struct vh_str s);
/* Length in bytes of the valid UTF-8 sequence that s starts with, 0 for an invalid one; its code
 * point in *point unless NULL. */
size_t vh_utf8_length(struct vh_str s, uint32_t *point);
