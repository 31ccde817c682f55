/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was typed: prompts of shells, virsh and QEMU's monitor, and bare commands in prose. */
#include "paste/page.h"

#define MAX_COMMAND 4096

/* Commands whose output is evidence: behind a bare "# " or "$ ", or at the start of a line, only
 * these are taken for something typed ("# " is a heading in Markdown). */
static const char *const commands[] = {"ps", "top", "virsh", "perf", "cat", "tail", "head", "less",
	"grep", "egrep", "zcat", "dmesg", "journalctl", "kvm_stat", "trace-cmd", "sudo", "info",
	"qemu-img", "qmp-shell", "socat", "echo", "pidstat", "taskset", "ls", "uname", "numastat",
	"gdb", "strace", "for", "watch", "crictl", "kubectl", "docker", "qm", "lsof", "pgrep"};

static struct vh_str skip(struct vh_str s, size_t n)
{
	return (struct vh_str){s.s + n, s.n - n};
}

static bool is_command(struct vh_str s)
{
	struct vh_str word;

	if (!vh_next_word(&s, &word))
		return false;
	for (size_t i = 0; i < VH_ARRAY_SIZE(commands); i++)
		if (vh_str_is(word, commands[i]))
			return true;
	return false;
}

/* A command in a line of its own must look like one: prose begins with "top" and "perf", too. */
static struct vh_str bare(struct vh_str line)
{
	static const char *const starts[] = {"virsh ", "ps -", "ps aux", "ps ax", "top -",
		"perf kvm ", "cat /", "tail -", "dmesg", "journalctl -", "kvm_stat", "trace-cmd ",
		"sudo ", "grep "};

	if (line.n && line.s[0] == '`') {
		line = skip(line, 1);
		const char *end = memchr(line.s, '`', line.n);

		line.n = end ? (size_t)(end - line.s) : line.n;
	}
	for (size_t i = 0; i < VH_ARRAY_SIZE(starts); i++)
		if (vh_str_starts(line, starts[i]))
			return line;
	return (struct vh_str){"", 0};
}

/* "[root@host 19:47:13 ~]# ", "root@host:~# ", "sh-4.2# ": where the prompt ends, 0 for none. */
static size_t shell_prompt(struct vh_str line)
{
	size_t limit = VH_MIN(line.n, 160), at = 0;
	bool named = false;

	if (vh_str_starts(line, "sh-") || vh_str_starts(line, "bash-"))
		named = true;
	if (line.n && line.s[0] == '[') {
		const char *end = memchr(line.s, ']', limit);

		if (!end || !memchr(line.s, '@', end - line.s))
			return 0;
		at = end + 1 - line.s;
		if (at < line.n && (line.s[at] == '#' || line.s[at] == '$'))
			return at + 1;
		return 0;
	}
	for (; at < limit; at++) {
		named |= line.s[at] == '@';
		if ((line.s[at] == '#' || line.s[at] == '$') && named &&
			(at + 1 == line.n || line.s[at + 1] == ' '))
			return at + 1;
		if ((line.s[at] == ' ' && named && at > 64) || (line.s[at] == ' ' && !named))
			return 0;
	}
	return 0;
}

struct vh_str vh_prompt_command(struct vh_str line)
{
	static const char *const monitors[] = {"(qemu)", "(QEMU)", "QEMU>", "hmp>"};
	static const char *const marks[] = {"# ", "$ ", "% ", "~ # ", "/ # ", "> $ ", "-> "};

	line = vh_str_trim(line);
	line.n = VH_MIN(line.n, MAX_COMMAND);
	if (vh_str_starts(line, "virsh #")) /* as if typed in a shell */
		return line;
	for (size_t i = 0; i < VH_ARRAY_SIZE(monitors); i++)
		if (vh_str_starts(line, monitors[i]))
			return vh_str_trim(skip(line, strlen(monitors[i])));
	for (size_t i = 0; i < VH_ARRAY_SIZE(marks); i++)
		if (vh_str_starts(line, marks[i]) && is_command(skip(line, strlen(marks[i]))))
			return vh_str_trim(skip(line, strlen(marks[i])));
	size_t prompt = shell_prompt(line);

	if (prompt)
		return vh_str_trim(skip(line, prompt));
	return bare(line);
}

static int64_t number_at(struct vh_str s)
{
	size_t n = 0;
	uint64_t value = 0;

	while (n < s.n && n < 10 && s.s[n] >= '0' && s.s[n] <= '9')
		n++;
	if (!n || !vh_parse_u64((struct vh_str){s.s, n}, 10, &value) || value > INT32_MAX)
		return 0;
	return (int64_t)value;
}

static int64_t number_behind(struct vh_str command, const char *mark)
{
	ssize_t at = vh_str_find(command, mark);

	return at < 0 ? 0 : number_at(skip(command, at + strlen(mark)));
}

int64_t vh_command_pid(struct vh_str command)
{
	static const char *const marks[] = {"/proc/", " --pid=", " --pid ", " -p", " -p ", " -Tp ",
		" -Lp ", " -Hp ", "-LTp ", " -q "};

	for (size_t i = 0; i < VH_ARRAY_SIZE(marks); i++) {
		int64_t pid = number_behind(command, marks[i]);

		if (pid > 1)
			return pid;
	}
	return 0;
}

int64_t vh_command_tid(struct vh_str command)
{
	int64_t tid = number_behind(command, "/task/");

	return tid ? tid : number_behind(command, "/proc/");
}

struct vh_str vh_command_domain(struct vh_str command)
{
	struct vh_str word, none = {"", 0};
	bool virsh = false, verb = false, value = false;

	while (vh_next_word(&command, &word)) {
		if (!virsh) {
			virsh = vh_str_is(word, "virsh");
			continue;
		}
		if (vh_str_is(word, "#"))
			continue;
		if (value) {
			value = false;
			continue;
		}
		if (vh_str_is(word, "-c") || vh_str_is(word, "--connect")) {
			value = true;
			continue;
		}
		if (vh_str_is(word, "--domain") && vh_next_word(&command, &word))
			return word;
		if (word.s[0] == '-')
			continue;
		if (!verb) {
			verb = true;
			if (vh_str_is(word, "list") || vh_str_starts(word, "net-") ||
				vh_str_starts(word, "node") || vh_str_is(word, "capabilities"))
				return none;
			continue;
		}
		if (word.n >= 2 && (word.s[0] == '\'' || word.s[0] == '"'))
			word = (struct vh_str){
				word.s + 1, word.n - 1 - (word.s[word.n - 1] == word.s[0])};
		return word.n <= 256 && word.s[0] != '$' && word.s[0] != '{' ? word : none;
	}
	return none;
}

bool vh_command_has(struct vh_str command, const char *words)
{
	ssize_t at = vh_str_find(command, words);
	size_t n = strlen(words);

	if (at < 0)
		return false;
	char before = at ? command.s[at - 1] : ' ';
	char after = at + n < command.n ? command.s[at + n] : ' ';

	return strchr(" '\"/|;", before) && strchr(" '\"`|;-", after);
}
