/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists of threads and processes: ps -T, -L, -eLo, aux, -ef (procps 3 and 4, busybox) and top, with
 * -H and without, in batch mode and copied off a screen. A table is cut by VM: other processes in
 * it are left out.
 */
#include "base/table.h"
#include "paste/recogniser.h"

#define MAX_ROWS 8192
/* top's summary is at most so long: a line a CPU and a NUMA node may be switched on. */
#define MAX_SUMMARY 40

struct row {
	char *line;
	int64_t pid, tid; /* 0: not told */
	struct vh_str name;
	struct vh_str command; /* the cell that the name is from: it may be a command line */
};
struct threads {
	char *heading;
	struct vh_table table;
	struct row *rows;
	size_t n;
	size_t lines;   /* of the page, from the heading on */
	bool by_thread; /* a row is a thread, not a process */
	bool wrapped;   /* a mail program has cut the heading, so it has cut the rows */
};

static void threads_free(struct threads *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->rows[i].line);
	free(t->rows);
	free(t->heading);
}

/* The line, or where `parses` does not accept it the line and the next one, which a mail program
 * may have cut off. 0: neither; else how many lines. */
static size_t unwrapped(const struct vh_paste *p, size_t at,
	bool (*parses)(struct threads *t, struct vh_str line), struct threads *t, char **out)
{
	struct vh_str line = vh_at(p, at), next = vh_at(p, at + 1);

	if (!line.n || line.n > 64 << 10 || vh_is_prompt(p, at))
		return 0;
	bool fits = parses(t, line);

	/* What was cut off the end of a row, the command, leaves a row. */
	if (fits && !(t->wrapped && next.n && !vh_ends_output(p, at + 1) && !parses(t, next))) {
		*out = vh_str_dup(line);
		return 1;
	}
	if (!next.n || next.n > 64 << 10 || vh_ends_output(p, at + 1) ||
		(!fits && line.n + next.n < 40))
		return 0;
	char *both = vh_asprintf("%.*s %.*s", (int)line.n, line.s, (int)next.n, next.s);

	if (parses(t, vh_str(both))) {
		*out = both;
		return 2;
	}
	free(both);
	return 0;
}

static bool parses_heading(struct threads *t, struct vh_str line)
{
	return vh_table_heading(line, &t->table);
}

static bool parses_row(struct threads *t, struct vh_str line)
{
	struct vh_str cells[VH_TABLE_MAX_COLUMNS];

	return vh_table_row(&t->table, line, cells);
}

static bool is_top(const struct vh_table *t)
{
	return vh_table_column(t, "TIME+") >= 0 || vh_table_column(t, "%VSZ") >= 0 ||
	       (vh_table_column(t, "PR") >= 0 && vh_table_column(t, "VIRT") >= 0);
}

/* Where the heading is that belongs to the line, which may be top's summary; SIZE_MAX: nowhere. */
static size_t heading_of(const struct vh_paste *p, size_t at)
{
	struct vh_table t;
	struct vh_str line = vh_at(p, at);

	if (vh_str_find(line, "PID") >= 0 || vh_str_find(line, "LWP") >= 0 ||
		vh_str_find(line, "TID") >= 0) {
		struct threads try = {0};
		char *heading = NULL;
		size_t n = unwrapped(p, at, parses_heading, &try, &heading);

		free(heading);
		return n ? at : SIZE_MAX;
	}
	bool procps = vh_str_starts(line, "top - "),
	     busybox = vh_str_starts(line, "Mem: ") && vh_str_find(line, " used, ") >= 0;

	if (!procps && !busybox)
		return SIZE_MAX;
	for (size_t i = at + 1; i < at + MAX_SUMMARY && i < p->page->n; i++)
		if (vh_is_prompt(p, i) || vh_str_starts(vh_at(p, i), "top - ") ||
			vh_str_starts(vh_at(p, i), "Mem: "))
			return SIZE_MAX; /* another summary */
		else if (vh_table_heading(vh_at(p, i), &t))
			return i;
	return SIZE_MAX;
}

/* A thread's name as busybox shows it: "{CPU 0/KVM} qemu-system-x86_64 -name ..." */
static struct vh_str plain_name(struct vh_str cell)
{
	const char *end = cell.n && cell.s[0] == '{' ? memchr(cell.s, '}', cell.n) : NULL;

	if (end)
		return (struct vh_str){cell.s + 1, end - cell.s - 1};
	/* top's forest view, ps -H */
	while (cell.n && (cell.s[0] == '`' || cell.s[0] == '\\' || cell.s[0] == '|' ||
				 cell.s[0] == '_' || cell.s[0] == '-' || cell.s[0] == ' '))
		cell.s++, cell.n--;
	return cell;
}

static void take_row(struct threads *t, char *line)
{
	static const char *const thread_ids[] = {"TID", "LWP", "SPID"};
	struct vh_str cells[VH_TABLE_MAX_COLUMNS];
	struct row *r = &VH_PUSH(t->rows, t->n);
	uint64_t pid = 0, tid = 0;

	vh_table_row(&t->table, vh_str(line), cells);
	vh_table_u64(&t->table, cells, "PID", &pid);
	vh_table_u64(&t->table, cells, "TGID", &pid);
	for (size_t i = 0; i < VH_ARRAY_SIZE(thread_ids); i++)
		vh_table_u64(&t->table, cells, thread_ids[i], &tid);
	*r = (struct row){line, pid <= INT32_MAX ? (int64_t)pid : 0,
		tid <= INT32_MAX ? (int64_t)tid : 0, plain_name(cells[t->table.text]),
		cells[t->table.text]};
}

static bool is_vcpu(struct vh_str name)
{
	return vh_str_starts(name, "CPU ") &&
	       (vh_str_find(name, "/KVM") > 0 || vh_str_find(name, "/TCG") > 0 ||
		       vh_str_find(name, "/K") > 0);
}

static bool has_thread_ids(const struct vh_table *t)
{
	return vh_table_column(t, "TID") >= 0 || vh_table_column(t, "LWP") >= 0 ||
	       vh_table_column(t, "SPID") >= 0;
}

static void read_threads(const struct vh_paste *p, size_t heading, struct threads *t)
{
	size_t at = heading, n;

	n = unwrapped(p, at, parses_heading, t, &t->heading);
	t->wrapped = n == 2;
	at += n;
	if (vh_line_is_rule(vh_at(p, at)) && !vh_line_is_fence(vh_at(p, at)))
		at++;
	vh_table_heading(vh_str(t->heading), &t->table);
	while (t->n < MAX_ROWS) {
		char *line = NULL;
		struct vh_str text = vh_at(p, at);

		n = unwrapped(p, at, parses_row, t, &line);
		if (!n && (vh_str_is(text, "...") || vh_str_is(text, "\xe2\x80\xa6"))) {
			at++; /* rows that the writer left out */
			continue;
		}
		if (!n)
			break;
		take_row(t, line);
		at += n;
	}
	t->lines = at - heading;
	t->by_thread = has_thread_ids(&t->table);
	for (size_t i = 0; i < t->n; i++)
		t->by_thread |= is_vcpu(t->rows[i].name);
}

static size_t extent(struct vh_paste *p, size_t at, bool top)
{
	size_t heading = heading_of(p, at);
	struct threads t = {0};

	if (heading == SIZE_MAX)
		return 0;
	read_threads(p, heading, &t);
	size_t n = t.n && is_top(&t.table) == top ? heading - at + t.lines : 0;

	threads_free(&t);
	return n;
}

/* Threads of a QEMU process, by their names; -p may have chosen others, too. */
static bool is_of_vmm(struct vh_str name)
{
	static const char *const starts[] = {"CPU ", "ALL CPUs/", "IO ", "qemu", "kvm", "vhost-",
		"vnc_worker", "worker", "call_rcu", "SPICE", "live_migration", "multifd", "mig/",
		"fc_vcpu", "vcpu", "rcu", "pool-", "iou-", "msgr-", "tp_"};

	if (vh_paste_find_qemu(name) >= 0)
		return true;
	for (size_t i = 0; i < VH_ARRAY_SIZE(starts); i++)
		if (vh_str_starts(name, starts[i]))
			return true;
	return false;
}

static bool is_main_name(struct vh_str name)
{
	return vh_str_starts(name, "qemu") || vh_str_starts(name, "kvm") ||
	       vh_paste_find_qemu(name) >= 0;
}

/*
 * In a table of thread ids alone (top -H) the process is not told. Threads are made behind their
 * process's main thread and have higher ids, so that a vCPU belongs to the nearest main thread
 * below it.
 */
static void find_owners(struct vh_paste *p, struct threads *t, int64_t told)
{
	size_t first_vcpus = 0;
	int64_t lowest = 0;

	for (size_t i = 0; i < t->n; i++) {
		struct row *r = &t->rows[i];

		if (r->tid && r->pid)
			continue;
		r->tid = r->tid ? r->tid : r->pid;
		r->pid = told;
		first_vcpus += vh_str_starts(r->name, "CPU 0/");
		if (is_main_name(r->name) && (!lowest || r->tid < lowest))
			lowest = r->tid;
	}
	if (told || has_thread_ids(&t->table))
		return;
	for (size_t i = 0; i < t->n; i++) {
		struct row *r = &t->rows[i];
		int64_t boot = 0;

		if (first_vcpus <= 1) {
			r->pid = p->context != SIZE_MAX && p->ids[p->context].pid
					 ? p->ids[p->context].pid
					 : lowest;
			continue;
		}
		/* The nearest CPU 0 below it, or for what stands before a CPU 0, its main thread.
		 */
		for (size_t k = 0; k < t->n; k++)
			if (is_main_name(t->rows[k].name) && t->rows[k].tid <= r->tid) {
				int64_t candidate = t->rows[k].tid;
				bool main = candidate == lowest;

				/* One that follows another main thread of no CPU 0 yet is a thread.
				 */
				for (size_t q = 0; q < t->n && !main; q++)
					main = vh_str_starts(t->rows[q].name, "CPU 0/") &&
					       t->rows[q].tid < candidate && t->rows[q].tid > boot;
				if (main && candidate > boot)
					boot = candidate;
			}
		r->pid = boot;
	}
}

/* Puts the rows of one process into the case. */
static size_t put_rows(struct vh_paste *p, const struct threads *t, size_t from, size_t n,
	const char *source, int64_t pid, bool filter)
{
	vh_auto_buf struct vh_buf text = {0};
	size_t rows = 0;

	vh_buf_printf(&text, "%s\n", t->heading);
	for (size_t i = 0; i < t->n; i++)
		if (t->rows[i].pid == pid && (!filter || is_of_vmm(t->rows[i].name))) {
			vh_buf_printf(&text, "%s\n", t->rows[i].line);
			rows++;
		}
	if (rows) {
		vh_paste_identify(p, pid, (struct vh_str){"", 0});
		vh_paste_put(p, from, n, VH_LAST, source, "", (struct vh_str){text.data, text.len});
	}
	return rows;
}

/* A command line in the command's column; false where there is only a name. */
static bool put_command_line(struct vh_paste *p, size_t from, size_t n, const struct row *r)
{
	ssize_t at = vh_paste_find_qemu(r->command);

	if (at < 0)
		return false;
	vh_paste_put_command_line(
		p, from, n, (struct vh_str){r->command.s + at, r->command.n - at}, r->pid);
	return true;
}

static void take_threads(
	struct vh_paste *p, struct threads *t, size_t from, size_t n, const char *source)
{
	struct vh_str command = vh_command_of(p, from, 8);
	int64_t told = vh_command_pid(command);
	size_t rows = 0, vms = 0;

	find_owners(p, t, told);
	for (size_t i = 0; i < t->n; i++) {
		bool done = false, ours = false;
		int64_t pid = t->rows[i].pid;

		for (size_t k = 0; k < t->n && !done; k++) {
			bool same = t->rows[k].pid == pid;

			done = same && k < i;
			ours |= same && (is_vcpu(t->rows[k].name) || is_main_name(t->rows[k].name));
		}
		if (done || (!ours && !(told && pid == told)))
			continue;
		size_t put =
			put_rows(p, t, from, n, source, pid, !told && !has_thread_ids(&t->table));

		rows += put;
		vms += put > 0;
		if (put)
			put_command_line(p, from, n, &t->rows[i]);
	}
	vh_paste_note(p, from, n, "%s of threads: %zu rows of %zu VM%s%s", p->by->name, rows, vms,
		vms == 1 ? "" : "s", rows < t->n ? " (others left out)" : "");
}

static void take_processes(struct vh_paste *p, struct threads *t, size_t from, size_t n)
{
	size_t vms = 0, context = p->context;

	for (size_t i = 0; i < t->n; i++) {
		struct row *r = &t->rows[i];

		if (!is_main_name(r->name) || r->pid <= 1)
			continue;
		bool args = put_command_line(p, from, n, r);

		if (!args || vh_table_column(&t->table, "STAT") >= 0 ||
			vh_table_column(&t->table, "S") >= 0)
			put_rows(p, t, from, n, "pasted.process", r->pid, false);
		vms++;
	}
	/* A list of many VMs does not say which of them the rest is about. */
	if (vms > 1)
		p->context = context;
	vh_paste_note(
		p, from, n, "%s of processes: %zu of its %zu rows are VMs", p->by->name, vms, t->n);
}

static void take(struct vh_paste *p, size_t from, size_t n, const char *source)
{
	struct threads t = {0};

	read_threads(p, heading_of(p, from), &t);
	struct vh_str command = vh_command_of(p, from, 8);

	t.by_thread |= vh_command_has(command, "-H") || vh_str_find(command, " -H") >= 0;
	for (size_t i = from; i < from + n && !t.by_thread; i++)
		t.by_thread = vh_str_starts(vh_at(p, i), "Threads:");
	if (t.by_thread)
		take_threads(p, &t, from, n, source);
	else
		take_processes(p, &t, from, n);
	threads_free(&t);
}

static size_t extent_ps(struct vh_paste *p, size_t at)
{
	return extent(p, at, false);
}
static void take_ps(struct vh_paste *p, size_t from, size_t n)
{
	take(p, from, n, "pasted.ps");
}
const struct vh_recogniser vh_recognise_ps = {
	.name = "ps", .sure = VH_SURE_OF_NAME, .extent = extent_ps, .take = take_ps};

static size_t extent_top(struct vh_paste *p, size_t at)
{
	return extent(p, at, true);
}
static void take_top(struct vh_paste *p, size_t from, size_t n)
{
	take(p, from, n, "pasted.top");
}
const struct vh_recogniser vh_recognise_top = {
	.name = "top", .sure = VH_SURE_OF_NAME, .extent = extent_top, .take = take_top};
