/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "paste/page.h"

/* The length of the terminal escape sequence that s starts with (ECMA-48), 0 for none. A sequence
 * that moves the cursor to the right stands for blanks: *blanks is how many. */
static size_t escape_length(struct vh_str s, unsigned *blanks)
{
	size_t i = 2;

	*blanks = 0;
	if (s.n < 2 || s.s[0] != '\033')
		return 0;
	if (s.s[1] == ']' || s.s[1] == 'P' || s.s[1] == '_' || s.s[1] == '^') {
		while (i < s.n && i < 512 && s.s[i] != '\a' && s.s[i] != '\n' && s.s[i] != '\033')
			i++;
		if (i + 1 < s.n && s.s[i] == '\033' && s.s[i + 1] == '\\')
			return i + 2;
		return i < s.n && s.s[i] == '\a' ? i + 1 : i;
	}
	if (s.s[1] == '(' || s.s[1] == ')' || s.s[1] == '#')
		return VH_MIN(s.n, 3);
	if (s.s[1] != '[')
		return 2;
	while (i < s.n && i < 64 && ((unsigned char)s.s[i] < 0x40 || s.s[i] == '['))
		i++;
	if (i >= s.n)
		return s.n;
	uint64_t n = 1;

	if (s.s[i] == 'C' && i > 2)
		vh_parse_u64((struct vh_str){s.s + 2, i - 2}, 10, &n);
	*blanks = s.s[i] == 'C' ? (unsigned)VH_MIN(n, i + 1) : 0;
	return i + 1;
}

/* What a character of the text becomes: kept, a blank, or nothing. Blanks of mail and web pages are
 * no blanks to a parser. */
static size_t clean_point(struct vh_str s, char *out, size_t *written)
{
	uint32_t point = 0;
	size_t n = vh_utf8_length(s, &point);

	*written = 0;
	if (!n || (point >= 0x20 && point < 0x7f)) {
		out[(*written)++] = s.s[0];
		return 1;
	}
	if (point == '\t' || point == 0xa0 || point == 0x3000 ||
		(point >= 0x2000 && point <= 0x200a)) {
		out[(*written)++] = point == '\t' ? '\t' : ' ';
		return n;
	}
	if (point < 0x20 || point == 0x7f || point == 0xfeff ||
		(point >= 0x200b && point <= 0x200f))
		return n;
	memcpy(out, s.s, n);
	*written = n;
	return n;
}

/* Without the marks of a quotation: "> > ", and "&gt; " as trackers have it that took in another's
 * texts. */
static struct vh_str unquote(struct vh_str line)
{
	while (line.n) {
		size_t n = line.s[0] == '>' ? 1 : vh_str_starts(line, "&gt;") ? 4 : 0;

		if (!n || (line.n > n && !strchr(" >&", line.s[n])))
			break;
		n += line.n > n && line.s[n] == ' ';
		line.s += n, line.n -= n;
	}
	return line;
}

/* Without the bars of a Markdown table. */
static void unbar(char *s, size_t n)
{
	struct vh_str t = vh_str_trim((struct vh_str){s, n});

	if (t.n < 3 || t.s[0] != '|' || t.s[t.n - 1] != '|')
		return;
	for (size_t i = 0; i < n; i++)
		s[i] = s[i] == '|' ? ' ' : s[i];
}

/* Appends the cleaned line at *used of the page's bytes, which have room for it. */
static void add_line(struct vh_page *page, size_t *used, struct vh_str raw, unsigned number)
{
	char *begin = page->bytes + *used, *to = begin;

	while (raw.n) {
		unsigned blanks;
		size_t n = escape_length(raw, &blanks), written;

		if (n) {
			memset(to, ' ', blanks);
			to += blanks;
		} else if (raw.s[0] == '\b') { /* typed over: what it stands behind goes */
			to -= to > begin;
			n = 1;
		} else {
			n = clean_point(raw, to, &written);
			to += written;
		}
		raw.s += n;
		raw.n -= n;
	}
	unbar(begin, to - begin);
	struct vh_str text = unquote((struct vh_str){begin, to - begin});

	*used += to - begin;
	VH_PUSH(page->lines, page->n) = (struct vh_page_line){
		.text = text, .command = vh_prompt_command(text), .number = number};
}

/* A carriage return within a line is where something was written anew (progress, a screen). */
static void add_parts(struct vh_page *page, size_t *used, struct vh_str line, unsigned number)
{
	while (line.n && line.s[line.n - 1] == '\r')
		line.n--;
	if (!line.n)
		add_line(page, used, line, number);
	while (line.n && page->n < VH_PASTE_MAX_LINES) {
		const char *cr = memchr(line.s, '\r', line.n);
		size_t n = cr ? (size_t)(cr - line.s) : line.n;

		if (n)
			add_line(page, used, (struct vh_str){line.s, n}, number);
		line.s += VH_MIN(n + 1, line.n);
		line.n -= VH_MIN(n + 1, line.n);
	}
}

/* Which lines stand between two fences. */
static void mark_fenced(struct vh_page *page)
{
	bool in = false;

	for (size_t i = 0; i < page->n; i++) {
		bool fence = vh_line_is_fence(page->lines[i].text);

		in = in != fence;
		page->lines[i].fenced = in && !fence;
	}
}

void vh_page_init(struct vh_page *page, const char *name, struct vh_str text)
{
	size_t used = 0;
	unsigned number = 0;

	*page = (struct vh_page){.name = vh_strdup(name), .cut = text.n > VH_PASTE_MAX_BYTES};
	text.n = VH_MIN(text.n, VH_PASTE_MAX_BYTES);
	page->bytes = vh_alloc(text.n + 1);
	while (text.n) {
		const char *newline = memchr(text.s, '\n', text.n);
		size_t n = newline ? (size_t)(newline - text.s) : text.n;

		if (page->n >= VH_PASTE_MAX_LINES) {
			page->cut = true;
			break;
		}
		add_parts(page, &used, (struct vh_str){text.s, n}, ++number);
		text.s += VH_MIN(n + 1, text.n);
		text.n -= VH_MIN(n + 1, text.n);
	}
	mark_fenced(page);
}

void vh_page_free(struct vh_page *page)
{
	free(page->name);
	free(page->bytes);
	free(page->lines);
	*page = (struct vh_page){0};
}

char *vh_page_text(const struct vh_page *page, size_t from, size_t n)
{
	struct vh_buf out = {0};

	for (size_t i = from; i < from + n && i < page->n; i++) {
		vh_buf_add(&out, page->lines[i].text.s, page->lines[i].text.n);
		vh_buf_putc(&out, '\n');
	}
	return vh_buf_steal(&out);
}

struct vh_str vh_page_at(const struct vh_page *page, size_t at)
{
	return at < page->n ? vh_str_trim(page->lines[at].text) : (struct vh_str){"", 0};
}

bool vh_line_is_fence(struct vh_str line)
{
	line = vh_str_trim(line);
	return vh_str_starts(line, "```") || vh_str_starts(line, "~~~") ||
	       vh_str_starts(line, "{code") || vh_str_starts(line, "{noformat") ||
	       vh_str_starts(line, "[code") || vh_str_starts(line, "[/code");
}

bool vh_line_is_rule(struct vh_str line)
{
	line = vh_str_trim(line);
	if (vh_line_is_fence(line))
		return true;
	for (size_t i = 0; i < line.n; i++)
		if (!strchr("-=_*+| ", line.s[i]))
			return false;
	return line.n >= 3;
}
