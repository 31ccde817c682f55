/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of /proc/PID and /proc/PID/task/TID: stat, status, stack, wchan. */
#include <ctype.h>

#include "base/procstat.h"
#include "paste/recogniser.h"

static char *tid_subject(int64_t tid)
{
	return vh_asprintf("tid:%lld", (long long)tid);
}

/* The thread of which a file that does not name it is: by the command that showed it. */
static int64_t tid_of_command(const struct vh_paste *p, size_t at)
{
	return vh_command_tid(vh_command_of(p, at, 60));
}

/* --- stat --------------------------------------------------------------------------------------
 */

static bool parse_stat(struct vh_str line, struct vh_procstat *out)
{
	if (line.n < 40 || line.n > 2048 || !isdigit((unsigned char)line.s[0]) ||
		vh_str_find(line, " (") < 0)
		return false;
	vh_auto_free char *text = vh_str_dup(line);

	return vh_procstat_parse(vh_str(text), out) && out->id > 0;
}
static size_t extent_stat(struct vh_paste *p, size_t at)
{
	struct vh_procstat s;

	return parse_stat(vh_at(p, at), &s);
}
static void take_stat(struct vh_paste *p, size_t from, size_t n)
{
	struct vh_procstat s;

	if (!parse_stat(vh_at(p, from), &s))
		return;
	vh_auto_free char *subject = tid_subject(s.id);
	/* A process's own file is its main thread's in all that matters here. */
	vh_paste_put_lines(p, from, n, VH_LAST, "task.stat", subject);
	vh_paste_note(p, from, n, "/proc stat of thread %d", (int)s.id);
}
const struct vh_recogniser vh_recognise_proc_stat = {
	.name = "proc-stat", .sure = VH_SURE_OF_NAME, .extent = extent_stat, .take = take_stat};

/* --- status ------------------------------------------------------------------------------------
 */

/* "VmRSS:   1 kB": a word and a colon */
static bool is_status_line(struct vh_str line)
{
	size_t n = 0;

	while (n < line.n && n < 40 && (isalnum((unsigned char)line.s[n]) || line.s[n] == '_'))
		n++;
	return n >= 3 && n < line.n && line.s[n] == ':' && line.n < 1024;
}
static size_t extent_status(struct vh_paste *p, size_t at)
{
	size_t n = 0;
	unsigned known = 0;

	if (!vh_str_starts(vh_at(p, at), "Name:"))
		return 0;
	for (; n < 100 && is_status_line(vh_at(p, at + n)) && !vh_is_prompt(p, at + n); n++) {
		struct vh_str line = vh_at(p, at + n);

		known += vh_str_starts(line, "State:") || vh_str_starts(line, "Tgid:") ||
			 vh_str_starts(line, "Pid:") || vh_str_starts(line, "TracerPid:");
	}
	return known >= 3 ? n : 0;
}
static void take_status(struct vh_paste *p, size_t from, size_t n)
{
	vh_auto_free char *text = vh_page_text(p->page, from, n);
	struct vh_str value;
	uint64_t pid = 0, tgid = 0;

	if (vh_status_field(vh_str(text), "Pid", &value))
		vh_parse_u64(value, 10, &pid);
	if (vh_status_field(vh_str(text), "Tgid", &value))
		vh_parse_u64(value, 10, &tgid);
	if (!pid || pid > INT32_MAX || tgid > INT32_MAX)
		return;
	vh_auto_free char *subject = tid_subject((int64_t)pid);

	vh_paste_identify(p, (int64_t)tgid, (struct vh_str){"", 0});
	vh_paste_put_lines(p, from, n, VH_LAST, "task.status", subject);
	if (pid == tgid)
		vh_paste_put_lines(p, from, n, VH_LAST, "proc.status", "");
	vh_paste_note(p, from, n, "/proc status of thread %u", (unsigned)pid);
}
const struct vh_recogniser vh_recognise_proc_status = {.name = "proc-status",
	.sure = VH_SURE_OF_NAME,
	.extent = extent_status,
	.take = take_status};

/* --- stack -------------------------------------------------------------------------------------
 */

/* "[<0>] kvm_vcpu_block+0x5e/0xc0 [kvm]", before 4.16 "[<ffffffff810b3c11>] ..." */
static bool is_frame(struct vh_str line)
{
	if (!vh_str_starts(line, "[<"))
		return false;
	const char *end = memchr(line.s, ']', VH_MIN(line.n, 40));

	return end && end[-1] == '>';
}
static size_t extent_stack(struct vh_paste *p, size_t at)
{
	size_t n = 0;

	while (n < 200 && is_frame(vh_at(p, at + n)))
		n++;
	return n >= 2 || (n && vh_command_has(vh_command_of(p, at, 60), "stack")) ? n : 0;
}

/* "== 1347739 CPU 0/KVM ==", "/proc/1/task/2/stack", "TID 1347739:" above it, as loops print it. */
static int64_t tid_above(const struct vh_paste *p, size_t from)
{
	for (size_t back = 1; back <= 2 && back <= from; back++) {
		struct vh_str line = vh_at(p, from - back);
		int64_t tid = vh_command_tid(line);
		uint64_t number;

		if (tid)
			return tid;
		for (size_t i = 0; i < line.n && line.n < 200; i++) {
			size_t n = 0;

			while (i + n < line.n && isdigit((unsigned char)line.s[i + n]))
				n++;
			if (n >= 3 && n <= 9 &&
				vh_parse_u64((struct vh_str){line.s + i, n}, 10, &number))
				return (int64_t)number;
			i += n;
		}
	}
	return 0;
}
static void take_stack(struct vh_paste *p, size_t from, size_t n)
{
	int64_t tid = tid_above(p, from);

	tid = tid ? tid : tid_of_command(p, from);
	vh_auto_free char *subject = tid ? tid_subject(tid) : vh_strdup("");

	vh_paste_put_lines(p, from, n, VH_LAST, tid ? "task.stack" : "pasted.stack", subject);
	if (tid)
		vh_paste_note(p, from, n, "kernel stack of thread %lld", (long long)tid);
	else
		vh_paste_note(p, from, n, "a kernel stack, of which thread is not clear");
}
const struct vh_recogniser vh_recognise_proc_stack = {
	.name = "proc-stack", .sure = VH_SURE_OF_NAME, .extent = extent_stack, .take = take_stack};

/* --- wchan -------------------------------------------------------------------------------------
 */

/* One name of a kernel function behind `cat /proc/N/wchan`, which has no newline at its end: the
 * next prompt may follow it in the same line. */
static struct vh_str wchan_of(struct vh_str line)
{
	size_t n = 0;

	while (n < line.n &&
		(isalnum((unsigned char)line.s[n]) || line.s[n] == '_' || line.s[n] == '.'))
		n++;
	bool ends = n == line.n || line.s[n] == '[' || isspace((unsigned char)line.s[n]);

	return (struct vh_str){line.s, n > 1 && n < 80 && ends ? n : 0};
}
/* "/proc/1/task/2/wchan:kvm_vcpu_block", as grep -H prints it: where the name begins, 0 for no such
 * line. */
static size_t wchan_mark(struct vh_str line)
{
	static const char mark[] = "/wchan:";
	ssize_t at = line.n < 256 && vh_str_starts(line, "/proc/") ? vh_str_find(line, mark) : -1;

	return at < 0 ? 0 : (size_t)at + strlen(mark);
}
static size_t extent_wchan(struct vh_paste *p, size_t at)
{
	size_t n = 0;

	while (n < 8192 && wchan_mark(vh_at(p, at + n)))
		n++;
	if (n)
		return n;
	struct vh_str command = vh_command_of(p, at, 1);

	return vh_str_find(command, "/wchan") > 0 && tid_of_command(p, at) > 0 &&
	       wchan_of(vh_at(p, at)).n > 0;
}
static void take_wchan(struct vh_paste *p, size_t from, size_t n)
{
	if (wchan_mark(vh_at(p, from))) {
		for (size_t i = from; i < from + n; i++) {
			struct vh_str line = vh_at(p, i);
			size_t mark = wchan_mark(line);
			vh_auto_free char *subject = tid_subject(vh_command_tid(line));

			vh_paste_identify(p, vh_command_pid(line), (struct vh_str){"", 0});
			vh_paste_put(p, i, 1, VH_LAST, "task.wchan", subject,
				wchan_of((struct vh_str){line.s + mark, line.n - mark}));
		}
		vh_paste_note(p, from, n, "wchan of %zu threads", n);
		return;
	}
	vh_auto_free char *subject = tid_subject(tid_of_command(p, from));

	vh_paste_put(p, from, n, VH_LAST, "task.wchan", subject, wchan_of(vh_at(p, from)));
	vh_paste_note(p, from, n, "wchan of thread %s", subject + 4);
}
const struct vh_recogniser vh_recognise_proc_wchan = {.name = "proc-wchan",
	.sure = VH_SURE_OF_COMMAND,
	.extent = extent_wchan,
	.take = take_wchan};
