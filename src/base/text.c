/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>

bool vh_str_is(struct vh_str a, const char *b)
{
	return a.n == strlen(b) && memcmp(a.s, b, a.n) == 0;
}

bool vh_str_starts(struct vh_str a, const char *prefix)
{
	size_t n = strlen(prefix);

	return a.n >= n && memcmp(a.s, prefix, n) == 0;
}

ssize_t vh_str_find(struct vh_str hay, const char *needle)
{
	const char *at = hay.n ? memmem(hay.s, hay.n, needle, strlen(needle)) : NULL;

	return at ? at - hay.s : -1;
}

ssize_t vh_str_find_nocase(struct vh_str hay, const char *needle)
{
	size_t n = strlen(needle);

	for (size_t i = 0; i + n <= hay.n; i++)
		if (strncasecmp(hay.s + i, needle, n) == 0)
			return i;
	return -1;
}

struct vh_str vh_str_trim(struct vh_str s)
{
	while (s.n && isspace((unsigned char)s.s[0]))
		s.s++, s.n--;
	while (s.n && isspace((unsigned char)s.s[s.n - 1]))
		s.n--;
	return s;
}

char *vh_str_dup(struct vh_str s)
{
	return vh_strndup(s.s ? s.s : "", s.n);
}

bool vh_next_part(struct vh_str *rest, char sep, struct vh_str *part)
{
	if (!rest->n)
		return false;
	const char *end = memchr(rest->s, sep, rest->n);
	size_t n = end ? (size_t)(end - rest->s) : rest->n;

	*part = (struct vh_str){rest->s, n};
	rest->s += end ? n + 1 : n;
	rest->n -= end ? n + 1 : n;
	return true;
}

bool vh_next_line(struct vh_str *rest, struct vh_str *line)
{
	if (!vh_next_part(rest, '\n', line))
		return false;
	if (line->n && line->s[line->n - 1] == '\r')
		line->n--;
	return true;
}

bool vh_next_word(struct vh_str *rest, struct vh_str *word)
{
	while (rest->n && isspace((unsigned char)rest->s[0]))
		rest->s++, rest->n--;
	if (!rest->n)
		return false;
	word->s = rest->s;
	while (rest->n && !isspace((unsigned char)rest->s[0]))
		rest->s++, rest->n--;
	word->n = rest->s - word->s;
	return true;
}

bool vh_status_field(struct vh_str text, const char *key, struct vh_str *value)
{
	size_t n = strlen(key);
	struct vh_str line;

	while (vh_next_line(&text, &line)) {
		if (line.n > n && memcmp(line.s, key, n) == 0 && line.s[n] == ':') {
			*value = vh_str_trim((struct vh_str){line.s + n + 1, line.n - n - 1});
			return true;
		}
	}
	return false;
}

bool vh_keyed_u64(struct vh_str text, const char *key, uint64_t *value)
{
	struct vh_str line, word;

	while (vh_next_line(&text, &line))
		if (vh_next_word(&line, &word) && vh_str_is(word, key))
			return vh_parse_u64(vh_str_trim(line), 10, value);
	return false;
}

bool vh_parse_u64(struct vh_str s, int base, uint64_t *value)
{
	char digits[72];
	char *end;

	if (!s.n || s.n >= sizeof(digits) || !isalnum((unsigned char)s.s[0]))
		return false;
	memcpy(digits, s.s, s.n);
	digits[s.n] = 0;
	errno = 0;
	unsigned long long v = strtoull(digits, &end, base);

	if (errno || end != digits + s.n)
		return false;
	*value = v;
	return true;
}

bool vh_parse_i64(struct vh_str s, int base, int64_t *value)
{
	bool negative = s.n && s.s[0] == '-';
	uint64_t v;

	if (negative)
		s.s++, s.n--;
	if (!vh_parse_u64(s, base, &v) || v > (uint64_t)INT64_MAX + negative)
		return false;
	*value = negative ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

bool vh_parse_double(struct vh_str s, double *value)
{
	char digits[72];
	char *end;

	if (!s.n || s.n >= sizeof(digits) || (!isdigit((unsigned char)s.s[0]) && s.s[0] != '-'))
		return false;
	memcpy(digits, s.s, s.n);
	digits[s.n] = 0;
	errno = 0;
	double v = strtod(digits, &end);

	if (errno || end != digits + s.n)
		return false;
	*value = v;
	return true;
}

size_t vh_utf8_length(struct vh_str s, uint32_t *point)
{
	if (!s.n)
		return 0;
	const unsigned char *u = (const unsigned char *)s.s;
	size_t n = u[0] < 0x80   ? 1
		   : u[0] < 0xc2 ? 0
		   : u[0] < 0xe0 ? 2
		   : u[0] < 0xf0 ? 3
		   : u[0] < 0xf5 ? 4
				 : 0;

	if (!n || n > s.n)
		return 0;
	uint32_t p = n == 1 ? u[0] : u[0] & (0x7f >> n);

	for (size_t i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		p = p << 6 | (u[i] & 0x3f);
	}
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};

	if (p < smallest[n] || p > 0x10ffff || (p >= 0xd800 && p < 0xe000))
		return 0;
	if (point)
		*point = p;
	return n;
}

bool vh_is_utf8(struct vh_str s)
{
	while (s.n) {
		size_t n = vh_utf8_length(s, NULL);

		if (!n || !s.s[0])
			return false;
		s.s += n;
		s.n -= n;
	}
	return true;
}

/* Code points that change how the text around them is shown, or are not text at all. */
static bool is_harmful(uint32_t p)
{
	return p < 0x20 || (p >= 0x7f && p < 0xa0) || p == 0x061c || (p >= 0x200b && p <= 0x200f) ||
	       (p >= 0x2028 && p <= 0x202e) || (p >= 0x2060 && p <= 0x206f) || p == 0xfeff ||
	       (p >= 0xe0000 && p <= 0xe007f);
}

void vh_escape(struct vh_buf *out, struct vh_str s, bool newlines)
{
	while (s.n) {
		uint32_t point = 0;
		size_t n = vh_utf8_length(s, &point);

		if (!n) {
			vh_buf_printf(out, "\\x%02x", (unsigned char)s.s[0]);
			n = 1;
		} else if (newlines && (point == '\n' || point == '\t')) {
			vh_buf_putc(out, (char)point);
		} else if (is_harmful(point)) {
			vh_buf_printf(out, point < 0x80 ? "\\x%02x" : "\\u{%x}", point);
		} else {
			vh_buf_add(out, s.s, n);
		}
		s.s += n;
		s.n -= n;
	}
}

char *vh_escaped(const char *s)
{
	struct vh_buf out = {0};

	vh_escape(&out, vh_str(s), false);
	return vh_buf_steal(&out);
}
