/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Exits, counted by others: perf kvm stat (tools/perf/builtin-kvm.c: report and live, 3.x to 6.x),
 * kvm_stat (tools/kvm/kvm_stat), and lines of kvm events by ftrace, trace-cmd and perf script.
 */
#include <ctype.h>

#include "paste/recogniser.h"

/* --- perf kvm stat -----------------------------------------------------------------------------
 */

/* The heading of its table: the key's name, then Samples. */
static bool is_perf_heading(struct vh_str line)
{
	static const char *const keys[] = {
		"VM-EXIT", "IO Port Access", "MMIO Access", "MSR Access", "Event name"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(keys); i++)
		if (vh_str_starts(line, keys[i]))
			return vh_str_find(line, "Samples") > 0;
	return false;
}

/* "name  152  97.44% ...": a name, a count, a percentage. */
static bool is_perf_row(struct vh_str line)
{
	struct vh_str word;
	uint64_t count;
	bool counted = false;

	if (line.n > 400)
		return false;
	for (int i = 0; i < 8 && vh_next_word(&line, &word); i++) {
		if (counted && word.s[word.n - 1] == '%')
			return true;
		counted = i > 0 && vh_parse_u64(word, 10, &count);
	}
	return false;
}

/* What a mail program has put on a line of its own: the rest of a heading, or of a row. */
static bool is_perf_rest(struct vh_str line)
{
	static const char *const names[] = {
		"Min", "Max", "Avg", "Mean", "Time", "time", "Time%", "Samples%", "(ns)"};
	struct vh_str word;
	bool any = false, ok = line.n <= 200;

	for (; ok && vh_next_word(&line, &word); any = true) {
		ok = vh_str_is(word, ")") ||
		     (any && (vh_str_is(word, "(") || vh_str_is(word, "+-"))) ||
		     (word.n > 1 && isdigit((unsigned char)word.s[0]) &&
			     strchr("%s", word.s[word.n - 1]));
		for (size_t i = 0; i < VH_ARRAY_SIZE(names); i++)
			ok |= vh_str_is(word, names[i]);
	}
	return any && ok;
}

static bool is_perf_intro(struct vh_str line)
{
	return vh_str_starts(line, "Analyze events for");
}

/* "19:49:57.094070": what perf kvm stat live begins a screen with. */
static bool is_perf_time(struct vh_str line)
{
	if (line.n < 12 || line.n > 16 || line.s[2] != ':' || line.s[5] != ':' || line.s[8] != '.')
		return false;
	for (size_t i = 0; i < line.n; i++)
		if (!isdigit((unsigned char)line.s[i]) && !strchr(":.", line.s[i]))
			return false;
	return true;
}

/* The heading of a table behind the time of a screen; 0: there is none. */
static size_t intro_behind_time(const struct vh_paste *p, size_t at)
{
	for (size_t n = 1; n <= 3; n++)
		if (is_perf_intro(vh_at(p, at + n)))
			return n;
	return 0;
}

static size_t perf_table(struct vh_paste *p, size_t at)
{
	size_t i = at, end;

	for (; i < at + 6 && !is_perf_heading(vh_at(p, i)); i++)
		if (i > at && vh_ends_output(p, i))
			return 0;
	if (!is_perf_heading(vh_at(p, i)))
		return 0;
	end = i + 1;
	for (i = end; i < end + 400 && i < p->page->n; i++) {
		struct vh_str line = vh_at(p, i);

		if (vh_is_prompt(p, i))
			break;
		if (is_perf_row(line) || (i == end && is_perf_rest(line)))
			end = i + 1;
		else if (vh_str_starts(line, "Total Samples:"))
			return i + 1 - at;
		else if (line.n && !vh_line_is_rule(line))
			break;
	}
	return end - at;
}
static size_t extent_perf(struct vh_paste *p, size_t at)
{
	struct vh_str line = vh_at(p, at);

	size_t before = is_perf_time(line) ? intro_behind_time(p, at) : 0;

	if (!before && !is_perf_intro(line) && !is_perf_heading(line))
		return 0;
	size_t n = perf_table(p, at + before);

	return n ? before + n : 0;
}

/* The seconds behind a word of a command: "sleep 10", "-d 5", "--display 5"; 0: none. */
static uint64_t seconds_behind(struct vh_str command, const char *mark)
{
	ssize_t at = vh_str_find(command, mark);
	struct vh_str word;
	uint64_t value = 0;

	if (at < 0)
		return 0;
	command = (struct vh_str){command.s + at + strlen(mark), command.n - at - strlen(mark)};
	return vh_next_word(&command, &word) && vh_parse_u64(word, 10, &value) && value <= 86400
		       ? value
		       : 0;
}

/* How long was counted: live shows a table a second (--display), record what its command ran. */
static uint64_t perf_seconds(const struct vh_paste *p, size_t from)
{
	struct vh_str command = vh_command_of(p, from, 60);
	uint64_t s = seconds_behind(command, " -d ");

	s = s ? s : seconds_behind(command, "--display ");
	s = s ? s : seconds_behind(command, "--display=");
	if (is_perf_time(vh_at(p, from)))
		return s ? s : 1;
	s = seconds_behind(command, "sleep ");
	for (size_t i = 0; !s && i < from; i++)
		if (vh_command_has(p->page->lines[i].command, "perf kvm"))
			s = seconds_behind(p->page->lines[i].command, "sleep ");
	return s;
}
/* The table, a row a line. */
static char *perf_text(const struct vh_paste *p, size_t from, size_t n)
{
	struct vh_buf out = {0};

	for (size_t i = from; i < from + n; i++) {
		struct vh_str line = p->page->lines[i].text;

		if (i > from)
			vh_buf_putc(&out, is_perf_rest(vh_at(p, i)) ? ' ' : '\n');
		vh_buf_add(&out, line.s, line.n);
	}
	vh_buf_putc(&out, '\n');
	return vh_buf_steal(&out);
}

static void take_perf(struct vh_paste *p, size_t from, size_t n)
{
	static const char *const marks[] = {"pid(s) ", "VCPU "};
	size_t before = is_perf_time(vh_at(p, from)) ? intro_behind_time(p, from) : 0;
	struct vh_str line = vh_at(p, from + before);
	uint64_t value[2] = {0, UINT64_MAX}, seconds = perf_seconds(p, from);

	for (size_t k = 0; k < VH_ARRAY_SIZE(marks); k++) {
		ssize_t at = vh_str_find(line, marks[k]);
		size_t digits = 0;

		if (at < 0)
			continue;
		struct vh_str rest = {
			line.s + at + strlen(marks[k]), line.n - at - strlen(marks[k])};

		while (digits < rest.n && digits < 9 && isdigit((unsigned char)rest.s[digits]))
			digits++;
		if (digits)
			vh_parse_u64((struct vh_str){rest.s, digits}, 10, &value[k]);
	}
	vh_paste_identify(p, (int64_t)value[0], (struct vh_str){"", 0});
	vh_auto_free char *subject =
		value[1] < 4096 ? vh_asprintf("vcpu:%u", (unsigned)value[1]) : vh_strdup("");

	vh_auto_free char *text = perf_text(p, from, n);
	struct vh_evidence *e =
		vh_paste_put(p, from, n, VH_LAST, "pasted.perf-kvm-stat", subject, vh_str(text));

	if (e && seconds)
		vh_evidence_set_number(e, "span_ns", (int64_t)seconds * VH_NS_PER_S);
	vh_paste_note(p, from, n, "perf kvm stat%s",
		seconds ? ""
			: ", of which no rate is known: for how long it counted is not told "
			  "(the command that recorded it, with its sleep, tells)");
}
const struct vh_recogniser vh_recognise_perf_kvm_stat = {
	.name = "perf-kvm-stat", .sure = VH_SURE_OF_NAME, .extent = extent_perf, .take = take_perf};

/* --- kvm_stat ----------------------------------------------------------------------------------
 */

/* "kvm_exit  1234  33.1  56", " kvm_exit(HLT)  5  1", "halt_exits  12  0": a name and numbers. */
static bool is_kvm_stat_row(struct vh_str line)
{
	struct vh_str word;
	size_t numbers = 0;
	double value;

	if (line.n > 200 || !vh_next_word(&line, &word) || !islower((unsigned char)word.s[0]))
		return false;
	for (size_t i = 0; i < word.n; i++)
		if (!isalnum((unsigned char)word.s[i]) && !strchr("_()-+ ", word.s[i]))
			return false;
	for (; vh_next_word(&line, &word); numbers++)
		if (!vh_parse_double(word, &value))
			return false;
	return numbers >= 1 && numbers <= 3;
}
static size_t extent_kvm_stat(struct vh_paste *p, size_t at)
{
	struct vh_str line = vh_at(p, at);
	size_t n = 1, rows = 0;
	bool named = vh_str_starts(line, "kvm statistics");

	if (!named &&
		!(vh_str_starts(line, "Event") && vh_str_find(line, "Total") > 0 &&
			vh_str_find(line, "CurAvg/s") > 0) &&
		!(vh_command_has(vh_command_of(p, at, 3), "kvm_stat") && is_kvm_stat_row(line)))
		return 0;
	for (size_t i = at; i < at + 400 && i < p->page->n; i++) {
		line = vh_at(p, i);
		if (i > at && vh_is_prompt(p, i))
			break;
		if (is_kvm_stat_row(line))
			rows++, n = i - at + 1;
		else if (line.n && i > at && !vh_str_starts(line, "Event") &&
			 !vh_str_starts(line, "Total"))
			break;
	}
	return rows >= 2 ? n : 0;
}
static void take_kvm_stat(struct vh_paste *p, size_t from, size_t n)
{
	struct vh_str line = vh_at(p, from);
	ssize_t at = vh_str_find(line, "pid ");
	uint64_t pid = 0;
	struct vh_str word,
		rest = at < 0 ? vh_str("") : (struct vh_str){line.s + at + 4, line.n - at - 4};

	if (vh_next_word(&rest, &word))
		vh_parse_u64(word, 10, &pid);
	vh_paste_identify(p, pid <= INT32_MAX ? (int64_t)pid : 0, (struct vh_str){"", 0});
	vh_paste_put_lines(p, from, n, VH_LAST, "pasted.kvm-stat", "");
	vh_paste_note(p, from, n, "kvm_stat");
}
const struct vh_recogniser vh_recognise_kvm_stat = {.name = "kvm-stat",
	.sure = VH_SURE_OF_NAME,
	.extent = extent_kvm_stat,
	.take = take_kvm_stat};

/* --- traced events -----------------------------------------------------------------------------
 */

/* " CPU 0/KVM-4711  [003] d..1. 3136.489008: kvm_exit: reason HLT rip 0x..."; perf script has
 * "CPU 0/KVM  4711 [003]  3136.489008: kvm:kvm_exit: ...". */
static bool is_event(struct vh_str line)
{
	if (line.n < 20 || line.n > 1024 || line.s[0] == '#')
		return false;
	ssize_t cpu = vh_str_find(line, "[0");
	ssize_t event = vh_str_find(line, ": kvm");

	return event > 0 && cpu > 0 && cpu < event;
}
static size_t extent_trace(struct vh_paste *p, size_t at)
{
	size_t n = 0;

	while (n < 100000 && at + n < p->page->n &&
		(is_event(vh_at(p, at + n)) || (n && vh_str_is(vh_at(p, at + n), "..."))))
		n++;
	return n;
}
static void take_trace(struct vh_paste *p, size_t from, size_t n)
{
	vh_paste_put_lines(p, from, n, VH_LAST, "pasted.trace", "");
	vh_paste_note(p, from, n, "%zu lines of kvm events", n);
}
const struct vh_recogniser vh_recognise_trace = {
	.name = "trace", .sure = VH_SURE_OF_NAME, .extent = extent_trace, .take = take_trace};
