/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/console.h"

#include <math.h>

#include "base/names.h"

#define MAX_SEQUENCE 64
#define MAX_WORDS    160
#define LINUX_BANNER "Linux version "

/* The length of the escape sequence at the start of s, 0 for none; *moves: the cursor goes to
 * another place. H and f set it, A to G but C move it, J clears. */
static size_t escape_length(struct vh_str s, bool *moves)
{
	size_t i = 2;

	*moves = false;
	if (s.n < 2 || s.s[0] != '\033')
		return 0;
	if (s.s[1] != '[')
		return s.s[1] == '(' || s.s[1] == ')' || s.s[1] == '#' ? VH_MIN(s.n, 3) : 2;
	while (i < s.n && i < MAX_SEQUENCE && (unsigned char)s.s[i] < 0x40)
		i++;
	if (i >= s.n)
		return s.n;
	*moves = s.s[i] != 'C' && ((s.s[i] >= 'A' && s.s[i] <= 'J') || s.s[i] == 'f');
	return i + 1;
}

void vh_console_lines(struct vh_str text, struct vh_buf *out)
{
	for (size_t i = 0; i < text.n;) {
		bool moves;
		size_t n = escape_length((struct vh_str){text.s + i, text.n - i}, &moves);
		char c = text.s[i];

		if (n) {
			if (moves)
				vh_buf_putc(out, '\n');
			i += n;
			continue;
		}
		i++;
		if (c != '\r')
			vh_buf_putc(out, c);
		else if (i < text.n && text.s[i] != '\n' && i >= 2 && text.s[i - 2] != '\n')
			vh_buf_putc(out, '\n');
	}
}

/* "[    3.421937] text": the text, and the seconds. */
static struct vh_str without_stamp(struct vh_str line, double *seconds)
{
	struct vh_str rest = line, stamp;

	*seconds = NAN;
	if (!vh_str_starts(line, "["))
		return line;
	rest = (struct vh_str){line.s + 1, line.n - 1};
	if (!vh_next_part(&rest, ']', &stamp) || !vh_parse_double(vh_str_trim(stamp), seconds)) {
		*seconds = NAN;
		return line;
	}
	return vh_str_trim(rest);
}

/* The line with which a boot begins, by what the console shows: a kernel's where there is one, for
 * firmware may say several things of its own in one boot. */
static const char *banner_of(struct vh_str text)
{
	static const char *const banners[] = {LINUX_BANNER, "SeaBIOS (version ",
		"SecCoreStartupWithStack(", "BdsDxe: starting Boot", "iPXE (http"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(banners); i++)
		if (vh_str_find(text, banners[i]) >= 0)
			return banners[i];
	return NULL;
}

/* Addresses, process ids and times differ from boot to boot. */
static bool same_words(struct vh_str a, struct vh_str b)
{
	size_t i = 0, k = 0;

	for (;;) {
		while (i < a.n && ((a.s[i] >= '0' && a.s[i] <= '9') || a.s[i] == ' '))
			i++;
		while (k < b.n && ((b.s[k] >= '0' && b.s[k] <= '9') || b.s[k] == ' '))
			k++;
		if (i >= a.n || k >= b.n)
			return i >= a.n && k >= b.n;
		if (a.s[i++] != b.s[k++])
			return false;
	}
}

static bool is_fatal(struct vh_str line)
{
	static const char *const needles[] = {"Kernel panic", "Rebooting in ", "Fatal", "fatal",
		"ailed", "rror", "Unable to", "not found", "Oops"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(needles); i++)
		if (vh_str_find(line, needles[i]) >= 0)
			return true;
	return false;
}

/* What a life ended with: its panic where it had one, else its last line. */
struct life {
	struct vh_str words;
	bool panicked, fatal, reboots;
	double seconds;
};

static void add_line(struct life *life, struct vh_str line)
{
	double seconds;
	struct vh_str words = without_stamp(vh_str_trim(line), &seconds);

	if (!isnan(seconds))
		life->seconds = seconds;
	life->reboots |= vh_str_find(words, "Rebooting in ") >= 0 ||
			 vh_str_find(words, "reboot: Restarting system") >= 0;
	if (!words.n || life->panicked)
		return;
	life->words = words;
	life->fatal = is_fatal(words);
	life->panicked = vh_str_find(words, "Kernel panic - not syncing") >= 0;
}

/* A kernel that is told to be quiet does not say that it begins; but its clock does, or it is what
 * speaks after another said that it ends. */
static bool begins(struct vh_str line, const char *banner, const struct life *life)
{
	double seconds;

	if (banner && vh_str_find(line, banner) >= 0)
		return true;
	if (vh_streq(banner, LINUX_BANNER) || !vh_str_trim(line).n)
		return false;
	without_stamp(vh_str_trim(line), &seconds);
	return life->reboots || seconds < life->seconds - 1;
}

static void end_life(struct vh_boots *b, const struct life *life, const struct life *before)
{
	if (!life->words.n)
		return;
	if (before->words.n && same_words(life->words, before->words)) {
		b->alike++;
		b->lasted_s = fmax(b->lasted_s, life->seconds);
	} else {
		b->alike = 1;
		b->lasted_s = life->seconds;
	}
	b->fatal = life->fatal;
}

struct vh_boots vh_boots_of(struct vh_str text)
{
	struct vh_boots b = {.lasted_s = NAN, .now_s = NAN};
	const char *banner = banner_of(text);
	struct life life = {.seconds = NAN}, before = {.seconds = NAN};
	struct vh_str line;

	while (vh_next_line(&text, &line)) {
		if (begins(line, banner, &life)) {
			end_life(&b, &life, &before);
			before = life;
			life = (struct life){.seconds = NAN};
			b.begun++;
		}
		add_line(&life, line);
	}
	b.now_s = life.seconds;
	if (b.alike) {
		vh_auto_buf struct vh_buf words = {0};

		vh_escape(&words,
			(struct vh_str){before.words.s, VH_MIN(before.words.n, MAX_WORDS)}, false);
		b.last_words = vh_buf_steal(&words);
	}
	return b;
}
