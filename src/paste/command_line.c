/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU command lines: as a shell's history has them, as ps shows them, as libvirt logs them. */
#include <ctype.h>

#include "discover/discover.h"
#include "paste/recogniser.h"

#define MAX_LINES 400

/* QEMU's programs; what follows must be options, for prose names them too. */
static const char *const programs[] = {"qemu-system-", "qemu-kvm", "/usr/libexec/qemu-kvm",
	"/usr/bin/kvm", "/qemu-dm", "$QEMU", "${QEMU"};
/* Options that a VM is hardly started without; two make a command line. */
static const char *const options[] = {" -name ", " -machine ", " -M ", " -m ", " -smp ", " -cpu ",
	" -drive ", " -blockdev ", " -device ", " -accel ", " -enable-kvm", " -object ", " -hda ",
	" -cdrom ", " -kernel ", " -bios ", " -uuid ", " -nodefaults", " -nographic", " -serial ",
	" -monitor ", " -qmp ", " -netdev ", " -chardev ", " -S ", " -display ", " -vnc ", " -id ",
	" -boot ", " -daemonize"};

static size_t count_options(struct vh_str s)
{
	size_t n = 0;

	for (size_t i = 0; i < VH_ARRAY_SIZE(options) && n < 3; i++)
		n += vh_str_find(s, options[i]) >= 0;
	return n;
}

/* The begin of the word at which the program's name stands. */
static ssize_t find_program(struct vh_str line)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(programs); i++) {
		ssize_t at = vh_str_find(line, programs[i]);

		if (at < 0)
			continue;
		while (at > 0 && !isspace((unsigned char)line.s[at - 1]) && line.s[at - 1] != '`')
			at--;
		return at;
	}
	return -1;
}

ssize_t vh_paste_find_qemu(struct vh_str line)
{
	if (line.n > 256 << 10)
		return -1;
	ssize_t at = find_program(line);

	return at >= 0 && count_options((struct vh_str){line.s + at, line.n - at}) >= 2 ? at : -1;
}

/* True where the line goes on in the next one. */
static bool goes_on(struct vh_str line)
{
	return line.n && line.s[line.n - 1] == '\\';
}

/* How many lines a command line at `at` takes; the words in *text unless NULL. */
static size_t span(const struct vh_paste *p, size_t at, struct vh_buf *text)
{
	size_t n = 0;

	for (; n < MAX_LINES && at + n < p->page->n; n++) {
		struct vh_str line =
			n || !vh_is_prompt(p, at) ? vh_at(p, at + n) : p->page->lines[at].command;
		bool more = goes_on(line);
		struct vh_str next = vh_at(p, at + n + 1);

		if (text) {
			vh_buf_add(text, line.s, line.n - more);
			vh_buf_putc(text, ' ');
		}
		/* Cut by a mail program, or a line an option: the next one begins with an option.
		 */
		if (!more && next.n > 2 && next.s[0] == '-' && isalpha((unsigned char)next.s[1]) &&
			!vh_ends_output(p, at + n + 1))
			continue;
		if (!more)
			return n + 1;
	}
	return n;
}

static size_t extent(struct vh_paste *p, size_t at)
{
	struct vh_str line = vh_at(p, at);

	if (at < p->barren || line.n > 256 << 10 || find_program(line) < 0)
		return 0;
	vh_auto_buf struct vh_buf text = {0};
	size_t n = span(p, at, &text);

	if (vh_paste_find_qemu((struct vh_str){text.data, text.len}) >= 0)
		return n;
	/* Nor do the lines that it goes on in: a text of nothing else must not be read over and
	 * over. */
	p->barren = at + n;
	return 0;
}

/* One word of a shell: quotes and backslashes are taken out of it. False at the end. */
static bool next_shell_word(struct vh_str *s, struct vh_buf *out)
{
	char quote = 0;
	bool any = false;

	while (s->n && isspace((unsigned char)s->s[0]))
		s->s++, s->n--;
	for (; s->n; s->s++, s->n--) {
		char c = s->s[0];

		if (!quote && isspace((unsigned char)c))
			break;
		any = true;
		if (quote && c == quote)
			quote = 0;
		else if (!quote && (c == '\'' || c == '"'))
			quote = c;
		else if (c == '\\' && quote != '\'' && s->n > 1)
			s->s++, s->n--, vh_buf_putc(out, s->s[0]);
		else
			vh_buf_putc(out, c);
	}
	return any;
}

/* An option's JSON (-blockdev '{"driver": ...}') as ps shows it has lost its quotes, not its
 * braces: blanks within them do not end the word. */
static bool is_open_json(const struct vh_buf *word)
{
	int depth = 0;
	bool string = false;

	if (!word->len || word->data[0] != '{')
		return false;
	for (size_t i = 0; i < word->len; i++) {
		if (word->data[i] == '"' && (!i || word->data[i - 1] != '\\'))
			string = !string;
		depth += string ? 0 : word->data[i] == '{' ? 1 : word->data[i] == '}' ? -1 : 0;
	}
	return depth > 0 && word->len < 8192;
}

static bool is_raw_json(struct vh_str s)
{
	s = vh_str_trim(s);
	return s.n > 1 && s.s[0] == '{';
}

/* A word of JSON that nothing quotes: up to its closing brace, quotes kept. */
static void next_json_word(struct vh_str *s, struct vh_buf *out)
{
	*s = vh_str_trim(*s);
	while (s->n) {
		vh_buf_putc(out, s->s[0]);
		s->s++, s->n--;
		if ((!s->n || isspace((unsigned char)s->s[0])) && !is_open_json(out))
			return;
	}
}

void vh_paste_words(struct vh_str text, struct vh_buf *out)
{
	while (text.n) {
		vh_auto_buf struct vh_buf word = {0};
		bool any = true;

		if (is_raw_json(text))
			next_json_word(&text, &word);
		else
			any = next_shell_word(&text, &word);
		/* What a shell would do with the rest is no option of QEMU. */
		if (!any || vh_streq(vh_buf_str(&word), "&") || vh_streq(vh_buf_str(&word), "|") ||
			vh_str_starts(vh_str(vh_buf_str(&word)), "2>"))
			return;
		vh_buf_add(out, word.data, word.len);
		vh_buf_putc(out, 0);
	}
}

/* The pid in front of it, as ps shows it without its heading: "root 4711 1 99 ...", "4711 ?". */
static int64_t pid_before(struct vh_str line, size_t program)
{
	struct vh_str rest = {line.s, program}, word;
	uint64_t pid;

	for (int i = 0; i < 2 && vh_next_word(&rest, &word); i++)
		if (vh_parse_u64(word, 10, &pid) && pid > 1 && pid <= INT32_MAX)
			return (int64_t)pid;
	return 0;
}

void vh_paste_put_command_line(
	struct vh_paste *p, size_t from, size_t n, struct vh_str text, int64_t pid)
{
	vh_auto_buf struct vh_buf words = {0};
	struct vh_vm *vm = vh_vm_new();

	vh_paste_words(text, &words);
	struct vh_str args = {words.data, words.len};
	bool parsed = vh_qemu_cmdline_parse(args, vm);

	vh_paste_identify(p, pid, vh_str(parsed && vm->name ? vm->name : ""));
	vh_paste_put(p, from, n, VH_ONCE, "proc.cmdline", "", args);
	vh_vm_free(vm);
}

static void take(struct vh_paste *p, size_t from, size_t n)
{
	vh_auto_buf struct vh_buf text = {0};

	span(p, from, &text);
	struct vh_str line = {text.data, text.len};
	ssize_t at = vh_paste_find_qemu(line);

	if (at < 0)
		return;
	int64_t pid = pid_before(line, at);
	struct vh_str typed = vh_command_of(p, from, 2);

	/* cat /proc/PID/cmdline */
	if (!pid && vh_str_find(typed, "/cmdline") >= 0)
		pid = vh_command_pid(typed);
	vh_paste_put_command_line(p, from, n, (struct vh_str){line.s + at, line.n - at}, pid);
	vh_paste_note(p, from, n, "a QEMU command line");
}

const struct vh_recogniser vh_recognise_command_line = {
	.name = "command-line", .sure = VH_SURE_OF_NAME, .extent = extent, .take = take};
