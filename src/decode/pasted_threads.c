/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads as ps and top show them (pasted.ps, pasted.top, pasted.process). Columns after procps
 * src/ps/output.c and src/top/top.c, 3.2 to 4.0, and busybox.
 */
#include "base/clock.h"
#include "base/table.h"
#include "decode/pasted.h"

#define DAY_S 86400.0

static bool number(struct vh_str s, double *value)
{
	return s.n && s.n < 12 && s.s[0] != '-' && vh_parse_double(s, value);
}

static int64_t to_ns(double seconds)
{
	return seconds >= 0 && seconds < 1e9 ? (int64_t)(seconds * VH_NS_PER_S) : -1;
}

/* "31h", "5d", "2w": what top prints where minutes have no room any more (scale_tics). */
static int64_t scaled_unit(struct vh_str s)
{
	static const struct {
		char unit;
		double seconds;
	} units[] = {{'h', 3600}, {'d', DAY_S}, {'w', 7 * DAY_S}};
	double value;

	for (size_t i = 0; i < VH_ARRAY_SIZE(units); i++)
		if (s.s[s.n - 1] == units[i].unit && number((struct vh_str){s.s, s.n - 1}, &value))
			return to_ns(value * units[i].seconds);
	return -1;
}

int64_t vh_pasted_time_ns(struct vh_str s, bool plus)
{
	double days = 0, parts[3], value = 0;
	struct vh_str part, rest = s;
	size_t n = 0;
	const char *comma = s.n ? memchr(s.s, ',', s.n) : NULL;

	if (!s.n || s.n > 24)
		return -1;
	/* "6,44": six hours and 44 minutes. */
	if (plus && comma && !memchr(s.s, ':', s.n)) {
		size_t at = comma - s.s;

		if (!number((struct vh_str){s.s, at}, &parts[0]) || s.n - at != 3 ||
			!number((struct vh_str){comma + 1, 2}, &parts[1]))
			return -1;
		return to_ns(parts[0] * 3600 + parts[1] * 60);
	}
	if (!memchr(s.s, ':', s.n)) {
		int64_t ns = plus ? scaled_unit(s) : -1;

		/* ps -o cputimes: seconds */
		return ns < 0 && number(s, &value) ? to_ns(value) : ns;
	}
	if (memchr(s.s, '-', s.n)) {
		if (!vh_next_part(&rest, '-', &part) || !number(part, &days))
			return -1;
	}
	while (n < 3 && vh_next_part(&rest, ':', &part))
		if (!number(part, &parts[n++]))
			return -1;
	if (rest.n || n < 2)
		return -1;
	for (size_t i = 0; i < n; i++)
		value = value * 60 + parts[i];
	return to_ns(days * DAY_S + value);
}

/* A name as the kernel has it: not a command line, and without busybox's and forest's marks. */
static char *name_of(struct vh_str cell)
{
	const char *end = cell.n && cell.s[0] == '{' ? memchr(cell.s, '}', cell.n) : NULL;

	if (end)
		return vh_str_dup((struct vh_str){cell.s + 1, end - cell.s - 1});
	while (cell.n && strchr("`\\_|- ", cell.s[0]))
		cell.s++, cell.n--;
	if (!cell.n || cell.s[0] == '/' || cell.n > 63 || vh_str_find(cell, " -") > 0)
		return NULL;
	return vh_str_dup(cell);
}

static bool is_state(struct vh_str cell)
{
	return cell.n && strchr("RSDTtZXI", cell.s[0]) != NULL;
}

/* ps cuts WCHAN to six characters unless told otherwise: what is meant by the common ones. */
static char *wchan_of(struct vh_str cell)
{
	static const char *const functions[] = {"kvm_vcpu_block", "poll_schedule_timeout",
		"do_sys_poll", "do_poll", "futex_wait_queue", "ep_poll", "do_signal_stop",
		"ptrace_stop", "request_wait_answer", "handle_userfault", "io_schedule",
		"do_epoll_wait", "hrtimer_nanosleep", "sigtimedwait", "do_sigtimedwait",
		"__refrigerator", "pipe_write"};

	if (!cell.n || vh_str_is(cell, "-") || vh_str_is(cell, "?") || vh_str_is(cell, "*"))
		return NULL;
	for (size_t i = 0; cell.n == 6 && i < VH_ARRAY_SIZE(functions); i++)
		if (strncmp(functions[i], cell.s, cell.n) == 0)
			return vh_strdup(functions[i]);
	return vh_str_dup((struct vh_str){cell.s, VH_MIN(cell.n, 80)});
}

static bool first_u64(const struct vh_table *t, const struct vh_str *cells,
	const char *const names[], size_t n, uint64_t *value)
{
	for (size_t i = 0; i < n; i++)
		if (vh_table_u64(t, cells, names[i], value))
			return true;
	return false;
}

static void take_times(
	const struct vh_table *t, const struct vh_str *cells, bool top, struct vh_pasted_row *r)
{
	static const char *const times[] = {"TIME+", "TIME", "CPUTIME", "TIMES"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(times) && r->cpu_ns < 0; i++) {
		int at = vh_table_column(t, times[i]);

		if (at >= 0)
			r->cpu_ns = vh_pasted_time_ns(cells[at], i == 0);
	}
	/* top: since its last screen. ps: CPU time over life time, which "C" rounds (pcpu). */
	double *share = top ? &r->share : &r->life_share;

	if (!vh_table_share(t, cells, "%CPU", share) && !top)
		vh_table_share(t, cells, "C", share);
}

static void take_row(struct vh_pasted_rows *rows, const struct vh_table *t, struct vh_str line,
	const char *source)
{
	static const char *const ids[] = {"TID", "LWP", "SPID", "PID"};
	static const char *const cpus[] = {"PSR", "P", "CPUID", "LastP"};
	static const char *const states[] = {"S", "STAT", "STATE"};
	struct vh_str cells[VH_TABLE_MAX_COLUMNS];
	bool process = vh_streq(source, "pasted.process");
	uint64_t tid, cpu;

	if (rows->n >= 4 * VH_MAX_THREADS || !vh_table_row(t, line, cells) ||
		!first_u64(t, cells, ids, VH_ARRAY_SIZE(ids), &tid) || !tid || tid > INT32_MAX)
		return;
	struct vh_pasted_row r = {.tid = (pid_t)tid,
		.cpu = -1,
		.cpu_ns = -1,
		.share = NAN,
		.life_share = NAN,
		.name = name_of(cells[t->text])};

	for (size_t i = 0; i < VH_ARRAY_SIZE(states) && !r.state; i++) {
		int at = vh_table_column(t, states[i]);

		if (at >= 0 && is_state(cells[at]))
			r.state = cells[at].s[0];
	}
	if (first_u64(t, cells, cpus, VH_ARRAY_SIZE(cpus), &cpu) && cpu < 8192)
		r.cpu = (int64_t)cpu;
	/* What a process used is what all its threads used. */
	if (!process)
		take_times(t, cells, vh_streq(source, "pasted.top"), &r);
	for (size_t i = 0; i < t->n; i++)
		if (vh_str_starts(t->columns[i], "WCHAN") && !r.wchan)
			r.wchan = wchan_of(cells[i]);
	VH_PUSH(rows->list, rows->n) = r;
}

static void read_table(struct vh_pasted_rows *rows, struct vh_str text, const char *source)
{
	struct vh_table t;
	struct vh_str line;

	if (!vh_next_line(&text, &line) || !vh_table_heading(line, &t))
		return;
	while (vh_next_line(&text, &line))
		take_row(rows, &t, line, source);
}

/* A thread of which /proc/PID/task/TID/status, stack or wchan alone was pasted. */
static void read_files(const struct vh_decoder *d, struct vh_pasted_rows *rows, const char *source)
{
	size_t begin, end;

	vh_lookup_source(&d->in, source, &begin, &end);
	for (size_t i = begin; i < end && rows->n < 4 * VH_MAX_THREADS; i++) {
		const struct vh_evidence *e = d->in.list[i].e;
		struct vh_str state;
		uint64_t tid;

		if (!vh_subject_number("tid:", e->subject, &tid) || !tid || tid > INT32_MAX)
			continue;
		struct vh_pasted_row r = {.tid = (pid_t)tid,
			.cpu = -1,
			.cpu_ns = -1,
			.share = NAN,
			.life_share = NAN};

		if (vh_streq(source, "task.status")) {
			if (vh_status_field(vh_evidence_text(e), "State", &state) &&
				is_state(state))
				r.state = state.s[0];
			if (vh_status_field(vh_evidence_text(e), "Name", &state))
				r.name = name_of(state);
		}
		VH_PUSH(rows->list, rows->n) = r;
	}
}

static int by_tid(const void *a, const void *b)
{
	const struct vh_pasted_row *x = a, *y = b;

	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* What a later table tells takes the place of what an earlier one told, cell by cell. */
static void merge(struct vh_pasted_row *to, struct vh_pasted_row *from)
{
	/* A name that is one of a vCPU tells more than a program's. */
	if (from->name && (!to->name || !vh_prefix(to->name, "CPU ")))
		vh_replace(&to->name, from->name);
	if (from->wchan)
		vh_replace(&to->wchan, from->wchan);
	to->state = from->state ? from->state : to->state;
	to->cpu = from->cpu >= 0 ? from->cpu : to->cpu;
	to->cpu_ns = VH_MAX(from->cpu_ns, to->cpu_ns);
	to->share = isnan(from->share) ? to->share : from->share;
	to->life_share = isnan(from->life_share) ? to->life_share : from->life_share;
	free(from->name);
	free(from->wchan);
}

static void sort_and_merge(struct vh_pasted_rows *rows)
{
	size_t kept = 0;

	for (size_t i = 0; i < rows->n; i++)
		rows->list[i].order = i;
	if (rows->n)
		qsort(rows->list, rows->n, sizeof(*rows->list), by_tid);
	for (size_t i = 0; i < rows->n; i++)
		if (kept && rows->list[kept - 1].tid == rows->list[i].tid)
			merge(&rows->list[kept - 1], &rows->list[i]);
		else
			rows->list[kept++] = rows->list[i];
	rows->n = kept;
}

struct vh_pasted_rows *vh_pasted_rows_read(const struct vh_decoder *d)
{
	static const char *const tables[] = {"pasted.process", "pasted.ps", "pasted.top"};
	static const char *const files[] = {"task.status", "task.stack", "task.wchan"};
	struct vh_pasted_rows *rows = vh_alloc(sizeof(*rows));

	/* A live VM has all of them, with stat. */
	if (!vh_case_find(d->in.c, "pasted.index", NULL, VH_N_ROUND)) {
		free(rows);
		return NULL;
	}
	for (size_t i = 0; i < VH_ARRAY_SIZE(tables); i++) {
		size_t begin, end;

		vh_lookup_source(&d->in, tables[i], &begin, &end);
		for (size_t k = begin; k < end; k++)
			read_table(rows, vh_evidence_text(d->in.list[k].e), tables[i]);
	}
	for (size_t i = 0; i < VH_ARRAY_SIZE(files); i++)
		read_files(d, rows, files[i]);
	sort_and_merge(rows);
	return rows;
}

void vh_pasted_rows_free(struct vh_pasted_rows *rows)
{
	if (!rows)
		return;
	for (size_t i = 0; i < rows->n; i++) {
		free(rows->list[i].name);
		free(rows->list[i].wchan);
	}
	free(rows->list);
	free(rows);
}

const struct vh_pasted_row *vh_pasted_row_find(const struct vh_pasted_rows *rows, int64_t tid)
{
	size_t low = 0, high = rows ? rows->n : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (rows->list[middle].tid < tid)
			low = middle + 1;
		else
			high = middle;
	}
	return rows && low < rows->n && rows->list[low].tid == tid ? &rows->list[low] : NULL;
}
