/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a kernel's variables mean to people: a command line without its secrets, taint as letters.
 */
#include <ctype.h>

#include "guest/kernel_search.h"

#define MASK "***"

/* --- Command line --------------------------------------------------------------------------------
 */

/* Keys that sound like secrets, and are none. */
static const char *const harmless[] = {"secretmem.enable"};
/* Anywhere in a key. */
static const char *const parts[] = {
	"password", "passwd", "passphrase", "secret", "token", "credential"};
/* Words of a key, between dots, dashes and underscores. "keyboard", "keymap" are none. */
static const char *const words[] = {"pass", "pw", "pwd", "psk", "keyfile"};

static bool is_word(struct vh_str w)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(words); i++)
		if (vh_str_is(w, words[i]))
			return true;
	/* "key", "apikey", "cryptkey"; "hotkey" is about keyboards. */
	return w.n >= 3 && memcmp(w.s + w.n - 3, "key", 3) == 0 && !vh_str_is(w, "hotkey");
}

static bool is_secret(struct vh_str key)
{
	char lower[128];
	size_t n = VH_MIN(key.n, sizeof(lower) - 1), word = 0;

	for (size_t i = 0; i < n; i++)
		lower[i] = (char)tolower((unsigned char)key.s[i]);
	lower[n] = '\0';
	for (size_t i = 0; i < VH_ARRAY_SIZE(harmless); i++)
		if (vh_streq(lower, harmless[i]))
			return false;
	for (size_t i = 0; i < VH_ARRAY_SIZE(parts); i++)
		if (strstr(lower, parts[i]))
			return true;
	for (size_t i = 0; i <= n; i++) {
		if (i < n && !strchr("._-", lower[i]))
			continue;
		if (is_word((struct vh_str){lower + word, i - word}))
			return true;
		word = i + 1;
	}
	return false;
}

/* The line as it may be told, and what was left out of it. */
struct masking {
	struct vh_buf out;
	struct vh_secrets *secrets; /* NULL: nobody asks */
};

static void mask(struct masking *m, struct vh_str secret)
{
	vh_buf_puts(&m->out, MASK);
	if (m->secrets)
		vh_secrets_add(m->secrets, secret);
}

/* "http://user:pass@host", dracut's "iscsi:user:pass@host": what stands before the "@". */
static void add_without_login(struct masking *m, struct vh_str value)
{
	ssize_t scheme = vh_str_find(value, "://"), from = scheme + 3, at;
	struct vh_str rest;

	if (scheme < 0)
		from = vh_str_starts(value, "iscsi:") ? 6 : -1;
	if (from >= 0) {
		rest = (struct vh_str){value.s + from, value.n - (size_t)from};
		at = vh_str_find(rest, "@");
		rest.n = at < 0 ? 0 : (size_t)at;
		if (vh_str_find(rest, ":") >= 0 && vh_str_find(rest, "/") < 0) {
			vh_buf_add(&m->out, value.s, (size_t)from);
			mask(m, rest);
			value.s += from + at;
			value.n -= (size_t)(from + at);
		}
	}
	vh_buf_add(&m->out, value.s, value.n);
}

/* A value may hold keys of its own: "rootflags=vers=3.0,password=x", "systemd.setenv=TOKEN=x". From
 * a secret on, all of it is masked, for that may hold commas. */
static void add_value(struct masking *m, struct vh_str value)
{
	struct vh_str part;

	for (bool first = true; value.n; first = false) {
		bool more = memchr(value.s, ',', value.n);
		ssize_t equals;

		vh_next_part(&value, ',', &part);
		if (!first)
			vh_buf_putc(&m->out, ',');
		equals = vh_str_find(part, "=");
		if (equals >= 0 && is_secret((struct vh_str){part.s, (size_t)equals})) {
			vh_buf_add(&m->out, part.s, (size_t)equals + 1);
			part.s += equals + 1;
			part.n -= (size_t)equals + 1;
			if (value.n) /* up to the end of it */
				part.n = (size_t)(value.s + value.n - part.s);
			mask(m, part);
			return;
		}
		add_without_login(m, part);
		if (more && !value.n)
			vh_buf_putc(&m->out, ',');
	}
}

static void add_argument(struct masking *m, struct vh_str a)
{
	ssize_t equals = vh_str_find(a, "=");
	struct vh_str key;

	if (equals < 0) {
		vh_buf_add(&m->out, a.s, a.n);
		return;
	}
	key = (struct vh_str){a.s, (size_t)equals};
	if (key.n && key.s[0] == '"')
		key = (struct vh_str){key.s + 1, key.n - 1};
	vh_buf_add(&m->out, a.s, (size_t)equals + 1);
	a = (struct vh_str){a.s + equals + 1, a.n - (size_t)equals - 1};
	if (!is_secret(key))
		add_value(m, a);
	else if (a.n)
		mask(m, a);
}

char *vh_kernel_masked(const char *command_line, struct vh_secrets *secrets)
{
	struct masking m = {.secrets = secrets};

	while (*command_line) {
		size_t n = 0;
		bool quoted = false;

		/* As the kernel cuts it (lib/cmdline.c, next_arg()): quotes protect blanks. */
		for (; command_line[n]; n++) {
			if (!quoted && isspace((unsigned char)command_line[n]))
				break;
			quoted ^= command_line[n] == '"';
		}
		add_argument(&m, (struct vh_str){command_line, n});
		command_line += n;
		if (*command_line)
			vh_buf_putc(&m.out, *command_line++);
	}
	return vh_buf_steal(&m.out);
}

/* --- Taint ---------------------------------------------------------------------------------------
 */

char *vh_kernel_taint_text(uint64_t taint)
{
	static const char letters[] = "PFSRMBUDAWCIOELKXTNJ";
	struct vh_buf out = {0};

	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(taint >> bit & 1))
			continue;
		if (out.len)
			vh_buf_putc(&out, ' ');
		if (bit < sizeof(letters) - 1)
			vh_buf_putc(&out, letters[bit]);
		else
			vh_buf_printf(&out, "bit%u", bit);
	}
	return vh_buf_steal(&out);
}
