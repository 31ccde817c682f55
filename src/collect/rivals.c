/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads of other processes that may take a vCPU's CPU: those of a real-time policy, and those
 * that are on a run queue when seen or were busy over their life. A thread that starves a vCPU is
 * runnable nearly all the time, so one look finds it. A host can have 20,000 threads: the first
 * look searches, within a budget, inside the window; the later ones only read again what it found.
 */
#include <inttypes.h>

#include "collect/passive.h"

#define BUDGET_NS  (40 * VH_NS_PER_MS) /* for the processes, and again for their threads */
#define SLICE      256                 /* files between two looks at the clock */
#define ROWS_MAX   1024
#define LIST_CAP   (1024 * 1024)
#define STAT_CAP   1024
#define STATUS_CAP 8192
#define BUSY_SHARE 0.10 /* of a CPU over its life */

/* Linux SCHED_*, uapi/linux/sched.h */
enum { POLICY_FIFO = 1, POLICY_RR = 2, POLICY_DEADLINE = 6 };

struct candidate {
	pid_t pid, tid;
	double share; /* of a CPU over its life */
};
struct candidates {
	struct candidate *list;
	size_t n;
};

struct search {
	struct vh_host *host;
	pid_t vm_pid;
	struct vh_deadline deadline;
	double now_ticks; /* since boot */
	struct candidates processes, threads;
	size_t seen_processes, seen_threads;
	bool cut;
};

static double life_share(const struct search *s, const struct vh_procstat *stat)
{
	double life = s->now_ticks - (double)stat->start_ticks;

	return (double)(stat->user_ticks + stat->system_ticks) / (life > 1 ? life : 1);
}

static bool is_real_time(const struct vh_procstat *stat)
{
	return stat->policy == POLICY_FIFO || stat->policy == POLICY_RR ||
	       stat->policy == POLICY_DEADLINE;
}

/* Reads the stat files of the batch and calls `found` for each; stops when time is up. */
static void read_stats(struct search *s, struct vh_batch *b, pid_t pid,
	void (*found)(struct search *s, pid_t pid, const struct vh_procstat *stat))
{
	struct vh_procstat stat;

	for (size_t i = 0; i < b->n_files; i += SLICE) {
		size_t n = VH_MIN(b->n_files - i, (size_t)SLICE);

		if (vh_deadline_passed(s->deadline)) {
			s->cut = true;
			return;
		}
		vh_host_read_many(s->host, b->files + i, n);
		for (size_t k = i; k < i + n; k++) {
			const struct vh_reading *out = &b->files[k].out;

			if (vh_status_has_data(out->status) &&
				vh_procstat_parse((struct vh_str){out->data, out->size}, &stat))
				found(s, pid, &stat);
		}
	}
}

static void found_thread(struct search *s, pid_t pid, const struct vh_procstat *stat)
{
	double share = life_share(s, stat);

	s->seen_threads++;
	if (is_real_time(stat) || stat->state == 'R' || share >= BUSY_SHARE)
		VH_PUSH(s->threads.list, s->threads.n) =
			(struct candidate){.pid = pid, .tid = stat->id, .share = share};
}

static void found_process(struct search *s, pid_t pid VH_UNUSED, const struct vh_procstat *stat)
{
	s->seen_processes++;
	if (stat->threads <= 1)
		found_thread(s, stat->id, stat);
	else
		VH_PUSH(s->processes.list, s->processes.n) = (struct candidate){
			.pid = stat->id, .tid = stat->id, .share = life_share(s, stat)};
}

/* A batch of DIRECTORY/N/stat for every number N but `except`, the highest first: of a host with
 * too many processes the thousands of kernel threads, which were first, are the ones to leave out.
 */
static void batch_stats(struct search *s, struct vh_batch *b, const char *directory, pid_t except)
{
	vh_auto_reading struct vh_reading r = {0};
	vh_auto_free uint64_t *ids = NULL;
	size_t n = 0;
	struct vh_str line;
	uint64_t id;

	vh_host_list(s->host, LIST_CAP, &r, "%s", directory);
	struct vh_str rest = {r.data, r.size};

	while (vh_next_line(&rest, &line) && vh_parse_u64(line, 10, &id))
		if (id != (uint64_t)except &&
			(!vh_host_is_live(s->host) || id != (uint64_t)getpid()))
			VH_PUSH(ids, n) = id;
	while (n--)
		vh_batch_add(b, "", "", STAT_CAP, "%s/%" PRIu64 "/stat", directory, ids[n]);
}

static int compare_share(const void *a, const void *b)
{
	double x = ((const struct candidate *)a)->share, y = ((const struct candidate *)b)->share;

	return x < y ? 1 : x > y ? -1 : 0;
}

static int compare_tid(const void *a, const void *b)
{
	return ((const struct candidate *)a)->tid - ((const struct candidate *)b)->tid;
}

static void sort(struct candidates *c, int (*compare)(const void *a, const void *b))
{
	if (c->n)
		qsort(c->list, c->n, sizeof(*c->list), compare);
}

/* First the processes; then the threads of those that have several, the busiest first. */
static void search_host(struct search *s)
{
	vh_auto_batch struct vh_batch processes = {0};

	batch_stats(s, &processes, "/proc", s->vm_pid);
	s->deadline = vh_deadline_in(BUDGET_NS);
	read_stats(s, &processes, 0, found_process);
	sort(&s->processes, compare_share);
	s->deadline = vh_deadline_in(BUDGET_NS);
	for (size_t i = 0; i < s->processes.n && !vh_deadline_passed(s->deadline); i++) {
		vh_auto_batch struct vh_batch threads = {0};
		pid_t pid = s->processes.list[i].pid;
		vh_auto_free char *directory = vh_asprintf("/proc/%d/task", (int)pid);

		batch_stats(s, &threads, directory, 0);
		read_stats(s, &threads, pid, found_thread);
	}
	s->cut |= vh_deadline_passed(s->deadline);
}

/* Is there a CPU in both lists ("0-3,8")? */
static bool lists_meet(struct vh_str a, struct vh_str b)
{
	struct vh_str part;
	uint64_t from[2], to[2];

	while (vh_next_part(&a, ',', &part)) {
		struct vh_str others = b, other;

		while (vh_next_part(&others, ',', &other)) {
			struct vh_str range[2] = {part, other}, end;
			bool ok = true;

			for (int i = 0; i < 2; i++) {
				ok = ok && vh_next_part(&range[i], '-', &end) &&
				     vh_parse_u64(vh_str_trim(end), 10, &from[i]);
				to[i] = ok ? from[i] : 0;
				if (ok && range[i].n)
					ok = vh_parse_u64(vh_str_trim(range[i]), 10, &to[i]);
			}
			if (ok && from[0] <= to[1] && from[1] <= to[0])
				return true;
		}
	}
	return false;
}

static bool is_vcpu_name(struct vh_str name)
{
	return vh_str_starts(name, "CPU ") || vh_str_find(name, "vcpu") >= 0;
}

/* The CPUs that the vCPUs may use, as of the task.status in the case: of the threads that are named
 * as vCPUs, or of all where none is. Empty: unknown. */
static void vcpu_cpus(const struct vh_case *c, enum vh_round round, struct vh_buf *out)
{
	vh_auto_buf struct vh_buf all = {0};
	struct vh_str name, cpus;

	vh_case_foreach (c, e) {
		if (e->round != round || strcmp(e->source, "task.status") ||
			!vh_status_field(vh_evidence_text(e), "Name", &name) ||
			!vh_status_field(vh_evidence_text(e), "Cpus_allowed_list", &cpus))
			continue;
		struct vh_buf *to = is_vcpu_name(name) ? out : &all;

		/* Neighbours mostly share a list: keep it once. */
		if (to->len > cpus.n && !memcmp(to->data + to->len - cpus.n - 1, cpus.s, cpus.n))
			continue;
		vh_buf_add(to, cpus.s, cpus.n);
		vh_buf_putc(to, ',');
	}
	if (!out->len)
		vh_buf_add(out, all.data, all.len);
}

/* A row for each candidate whose CPUs meet `cpus` (empty: any). */
static void write_rows(
	struct vh_host *host, const struct candidates *list, struct vh_str cpus, struct vh_buf *out)
{
	static const char *const names[] = {"stat", "schedstat", "status"};
	size_t n_names = cpus.n ? 3 : 2;
	vh_auto_batch struct vh_batch b = {0};

	for (size_t i = 0; i < list->n; i++)
		for (size_t k = 0; k < n_names; k++)
			vh_batch_add(&b, "", "", STATUS_CAP, "/proc/%d/task/%d/%s",
				(int)list->list[i].pid, (int)list->list[i].tid, names[k]);
	vh_batch_read(host, &b);
	for (size_t i = 0; i < list->n; i++) {
		const struct vh_file_read *f = &b.files[i * n_names];
		struct vh_procstat stat;
		struct vh_str allowed, run = {f[1].out.data, f[1].out.size}, word;
		int64_t run_ns;

		if (!f[0].out.data ||
			!vh_procstat_parse((struct vh_str){f[0].out.data, f[0].out.size}, &stat))
			continue;
		if (cpus.n && f[2].out.data &&
			vh_status_field((struct vh_str){f[2].out.data, f[2].out.size},
				"Cpus_allowed_list", &allowed) &&
			!lists_meet(allowed, cpus))
			continue;
		if (!vh_next_word(&run, &word) || !vh_parse_i64(word, 10, &run_ns))
			run_ns = -1;
		vh_buf_printf(out,
			"%d %d %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRIu64 " %" PRId64 " ",
			(int)list->list[i].tid, (int)list->list[i].pid, stat.policy,
			stat.rt_priority, stat.cpu, stat.user_ticks + stat.system_ticks, run_ns);
		vh_escape(out, vh_str(stat.name), false);
		vh_buf_putc(out, '\n');
	}
}

/* The threads that the first look wrote down. */
static void known_threads(const struct vh_case *c, struct candidates *out)
{
	const struct vh_evidence *e = vh_case_find_data(c, "host.rivals", "", VH_FIRST);
	struct vh_str rest = vh_evidence_text(e), line, word;
	int64_t tid, pid;

	while (out->n < ROWS_MAX && vh_next_line(&rest, &line))
		if (vh_next_word(&line, &word) && vh_parse_i64(word, 10, &tid) &&
			vh_next_word(&line, &word) && vh_parse_i64(word, 10, &pid))
			VH_PUSH(out->list, out->n) =
				(struct candidate){.pid = (pid_t)pid, .tid = (pid_t)tid};
}

static void collect_first(struct vh_host *host, struct vh_case *c)
{
	struct search s = {.host = host, .vm_pid = c->vm->id.pid};
	struct vh_identity boot = {.start_ticks = 0};
	vh_auto_buf struct vh_buf cpus = {0}, rows = {0};
	int64_t begin = vh_now_ns();

	s.now_ticks = (double)vh_identity_uptime_ns(host, &boot) / VH_NS_PER_S *
		      (double)sysconf(_SC_CLK_TCK);
	vcpu_cpus(c, VH_FIRST, &cpus);
	search_host(&s);
	bool full = s.threads.n > ROWS_MAX;

	if (full) {
		sort(&s.threads, compare_share);
		s.threads.n = ROWS_MAX;
	}
	sort(&s.threads, compare_tid);
	write_rows(host, &s.threads, (struct vh_str){cpus.data, cpus.len}, &rows);
	struct vh_evidence *e = vh_case_add(c, VH_FIRST, "host.rivals", "", "/proc/*/task/*/stat");

	if (s.cut || full)
		vh_evidence_fail(e, VH_TRUNCATED, 0,
			s.cut ? "the host has too many threads to look at each in %d ms"
			      : "more than %d candidates",
			s.cut ? (int)(BUDGET_NS / VH_NS_PER_MS) : ROWS_MAX);
	vh_evidence_set_data(e, rows.data, rows.len);
	vh_evidence_set_number(e, "processes", (int64_t)s.seen_processes);
	vh_evidence_set_number(e, "threads", (int64_t)s.seen_threads);
	e->at_ns = begin - c->began_ns;
	e->took_ns = vh_now_ns() - begin;
	free(s.processes.list);
	free(s.threads.list);
}

static void collect(struct vh_host *host, struct vh_case *c, enum vh_round round)
{
	struct candidates known = {0};
	vh_auto_buf struct vh_buf rows = {0};

	if (round == VH_FIRST)
		collect_first(host, c);
	if (round != VH_LAST && round != VH_AFTER)
		return;
	struct vh_evidence *e = vh_case_add(c, round, "host.rivals", "", "/proc/*/task/*/stat");
	int64_t begin = vh_now_ns();

	known_threads(c, &known);
	write_rows(host, &known, (struct vh_str){0}, &rows);
	vh_evidence_set_data(e, rows.data, rows.len);
	e->took_ns = vh_now_ns() - begin;
	free(known.list);
}

const struct vh_collector vh_collect_rivals = {
	.name = "rivals",
	.collect = collect,
};
