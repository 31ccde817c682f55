/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/decoder.h"
#include "decode/logscan.h"

#define MAX_REPORTS   64
#define MAX_LINE      200
#define MAX_FOLLOW    90 /* lines behind a report that may belong to it */
#define MAX_NAME      80
#define KILLS_APART_S 60 /* kills for want of memory that have nothing to do with each other */

static const char *const wait_names[VH_N_GUEST_WAIT] = {
	[VH_GUEST_WAIT_UNKNOWN] = "something",
	[VH_GUEST_WAIT_STORAGE] = "storage",
	[VH_GUEST_WAIT_FILE_SERVER] = "a file server",
	[VH_GUEST_WAIT_FREEZE] = "a frozen file system to be thawed",
	[VH_GUEST_WAIT_LOCK] = "a lock that another task holds",
	[VH_GUEST_WAIT_RCU] = "all CPUs to pass a quiet point (RCU)",
	[VH_GUEST_WAIT_EVENT] = "an event that does not come",
};

const char *vh_guest_wait_name(enum vh_guest_wait wait)
{
	return wait < VH_N_GUEST_WAIT ? wait_names[wait] : wait_names[VH_GUEST_WAIT_UNKNOWN];
}

/* The stamp of "[  123.456789] text" or "<4>[123.4][  T12] text", NAN without one; *rest is the
 * text behind it. */
static double stamp_of(struct vh_str line, struct vh_str *rest)
{
	struct vh_str stamp, text = vh_str_trim(line);
	double seconds;

	*rest = text;
	if (vh_str_starts(text, "<") && text.n > 3 && vh_str_find(text, ">[") > 0) {
		size_t skip = (size_t)vh_str_find(text, ">[") + 1;

		text = (struct vh_str){text.s + skip, text.n - skip};
	}
	if (!vh_str_starts(text, "["))
		return NAN;
	text = (struct vh_str){text.s + 1, text.n - 1};
	if (!vh_next_part(&text, ']', &stamp) || !vh_parse_double(vh_str_trim(stamp), &seconds))
		return NAN;
	/* Which task or CPU printed it (CONFIG_PRINTK_CALLER). */
	text = vh_str_trim(text);
	if (vh_str_starts(text, "[") && vh_str_find(text, "]") > 0)
		vh_next_part(&text, ']', &stamp);
	*rest = vh_str_trim(text);
	return seconds >= 0 ? seconds : NAN;
}

/* The text behind a mark, trimmed; empty where the mark is not in the line. */
static struct vh_str behind(struct vh_str line, const char *mark)
{
	ssize_t at = vh_str_find(line, mark);
	size_t skip = (size_t)at + strlen(mark);

	return at < 0 ? (struct vh_str){NULL, 0} : (struct vh_str){line.s + skip, line.n - skip};
}

/* The digits that a text begins with, -1 for none. */
static int64_t leading_number(struct vh_str s)
{
	size_t n = 0;
	int64_t value;

	s = vh_str_trim(s);
	while (n < s.n && n < 18 && s.s[n] >= '0' && s.s[n] <= '9')
		n++;
	return n && vh_parse_i64((struct vh_str){s.s, n}, 10, &value) ? value : -1;
}

static double seconds_behind(struct vh_str line, const char *mark)
{
	int64_t seconds = leading_number(behind(line, mark));

	return seconds < 0 ? NAN : (double)seconds;
}

static char *name_of(struct vh_str s)
{
	struct vh_buf out = {0};

	s = vh_str_trim(s);
	vh_escape(&out, (struct vh_str){s.s, VH_MIN(s.n, MAX_NAME)}, false);
	return vh_buf_steal(&out);
}

/* What one line reports. */
struct seen {
	enum vh_report_kind kind;
	int cpu;
	struct vh_str task;
	double stuck_s;
};

static bool reads_lockup(struct vh_str line, struct seen *s)
{
	if (vh_str_find(line, "BUG: soft lockup - CPU#") >= 0) {
		struct vh_str task = behind(line, "! [");

		*s = (struct seen){VH_REPORT_SOFT_LOCKUP,
			(int)VH_MIN(leading_number(behind(line, "CPU#")), INT32_MAX), task,
			seconds_behind(line, "stuck for ")};
		if (s->task.n && s->task.s[s->task.n - 1] == ']')
			s->task.n--;
		return true;
	}
	if (vh_str_find(line, "atchdog detected hard LOCKUP") < 0 ||
		vh_str_find(line, "NMI backtrace") >= 0)
		return false;
	/* "... hard LOCKUP on cpu 1", since 6.5 "CPU1: Watchdog detected hard LOCKUP on cpu 1" */
	*s = (struct seen){VH_REPORT_HARD_LOCKUP,
		(int)VH_MIN(leading_number(behind(line, "LOCKUP on cpu ")), INT32_MAX), {NULL, 0},
		NAN};
	return true;
}

static bool reads_report(struct vh_str line, struct seen *s)
{
	if (reads_lockup(line, s))
		return true;
	*s = (struct seen){.cpu = -1, .stuck_s = NAN};
	if (vh_str_find(line, "INFO: rcu_") >= 0 && vh_str_find(line, "stall") >= 0) {
		s->kind = VH_REPORT_RCU_STALL;
		return true;
	}
	if (vh_str_find(line, "INFO: task ") >= 0 &&
		vh_str_find(line, " blocked for more than ") >= 0) {
		struct vh_str task = behind(line, "INFO: task ");
		ssize_t end = vh_str_find(task, " blocked for more than ");

		s->kind = VH_REPORT_HUNG_TASK;
		s->task = (struct vh_str){task.s, end > 0 ? (size_t)end : 0};
		s->stuck_s = seconds_behind(line, "blocked for more than ");
		return true;
	}
	if (vh_str_find(line, "Out of memory: Kill") >= 0 ||
		vh_str_find(line, "Out of memory and no killable processes") >= 0) {
		s->kind = VH_REPORT_OOM_KILL;
		return vh_str_find(line, "emory cgroup out of memory") < 0;
	}
	s->kind = VH_REPORT_OOPS;
	return vh_str_find(line, "BUG: unable to handle ") >= 0 ||
	       vh_str_find(line, "BUG: kernel NULL pointer dereference") >= 0 ||
	       vh_str_find(line, "kernel BUG at ") >= 0 ||
	       (vh_str_find(line, "general protection fault") >= 0 &&
		       vh_str_find(line, " traps: ") < 0 && vh_str_find(line, " ip:") < 0);
}

/* Of one task each, where the report names one; a CPU's is the same whatever runs there. */
static bool is_about(const struct vh_kernel_report *r, const struct seen *s, const char *task)
{
	if (r->kind != s->kind || s->kind == VH_REPORT_OOPS)
		return false;
	if (s->kind == VH_REPORT_HUNG_TASK)
		return vh_streq(r->task, task);
	return r->cpu == s->cpu;
}

static char *cut(struct vh_str line)
{
	struct vh_buf out = {0};

	line = vh_str_trim(line);
	vh_escape(&out, (struct vh_str){line.s, VH_MIN(line.n, MAX_LINE)}, false);
	return vh_buf_steal(&out);
}

/* The report that the line is the newest of. NULL beyond the cap. */
static struct vh_kernel_report *note(struct vh_guest_kernel *k, const struct seen *s,
	struct vh_str line, double stamp, size_t evidence)
{
	vh_auto_free char *task = s->task.n ? name_of(s->task) : NULL;
	struct vh_kernel_report *r = NULL;

	for (size_t i = 0; i < k->n && !r; i++)
		if (is_about(&k->list[i], s, task))
			r = &k->list[i];
	if (!r && k->n >= MAX_REPORTS)
		return NULL;
	if (!r) {
		VH_PUSH(k->list, k->n) = (struct vh_kernel_report){.kind = s->kind,
			.cpu = s->cpu,
			.stuck_s = NAN,
			.period_s = s->stuck_s,
			.age_s = NAN};
		r = &k->list[k->n - 1];
	}
	/* One kill in a week is no loop, however many weeks the log covers. */
	if (s->kind == VH_REPORT_OOM_KILL && stamp - r->stamp_s > KILLS_APART_S)
		r->times = 0;
	r->grows = r->times && s->stuck_s > r->stuck_s;
	r->times++;
	r->period_s = fmin(r->period_s, s->stuck_s);
	r->stuck_s = s->stuck_s;
	r->stamp_s = stamp;
	r->evidence = evidence;
	r->wait = VH_GUEST_WAIT_UNKNOWN;
	vh_replace(&r->where, NULL);
	if (task)
		vh_replace(&r->task, task);
	free(r->line);
	r->line = cut(line);
	return r;
}

/* Functions that tell what a task waits for. The first that fits a frame from the top decides. */
static const struct {
	const char *begins;
	enum vh_guest_wait wait;
} telling[] = {
	{"percpu_rwsem_wait", VH_GUEST_WAIT_LOCK}, /* of a frozen file system: see read_frame */
	{"__percpu_down_read", VH_GUEST_WAIT_LOCK},
	/* Who serves files itself, and waits for no file server. */
	{"nfsd", VH_GUEST_WAIT_UNKNOWN},
	{"nfs_callback_", VH_GUEST_WAIT_UNKNOWN},
	{"nfs4_callback_", VH_GUEST_WAIT_UNKNOWN},
	{"nfs41_callback_", VH_GUEST_WAIT_UNKNOWN},
	{"fuse_dev_", VH_GUEST_WAIT_UNKNOWN},
	{"rpc_", VH_GUEST_WAIT_FILE_SERVER},
	{"nfs", VH_GUEST_WAIT_FILE_SERVER},
	{"__rpc_", VH_GUEST_WAIT_FILE_SERVER},
	{"request_wait_answer", VH_GUEST_WAIT_FILE_SERVER},
	{"fuse_", VH_GUEST_WAIT_FILE_SERVER},
	{"p9_", VH_GUEST_WAIT_FILE_SERVER},
	{"cifs_", VH_GUEST_WAIT_FILE_SERVER},
	{"smb2_", VH_GUEST_WAIT_FILE_SERVER},
	{"ceph_", VH_GUEST_WAIT_FILE_SERVER},
	{"io_schedule", VH_GUEST_WAIT_STORAGE},
	{"bit_wait_io", VH_GUEST_WAIT_STORAGE},
	{"submit_bio_wait", VH_GUEST_WAIT_STORAGE},
	{"blk_", VH_GUEST_WAIT_STORAGE},
	{"blk_mq_", VH_GUEST_WAIT_STORAGE},
	{"jbd2_log_wait_commit", VH_GUEST_WAIT_STORAGE},
	{"wait_transaction_locked", VH_GUEST_WAIT_STORAGE},
	{"jbd2_journal_commit_transaction", VH_GUEST_WAIT_STORAGE},
	{"xlog_", VH_GUEST_WAIT_STORAGE},
	{"xfs_buf_", VH_GUEST_WAIT_STORAGE},
	{"btrfs_wait_", VH_GUEST_WAIT_STORAGE},
	{"scsi_", VH_GUEST_WAIT_STORAGE},
	{"nvme_", VH_GUEST_WAIT_STORAGE},
	{"__mutex_lock", VH_GUEST_WAIT_LOCK},
	{"mutex_lock", VH_GUEST_WAIT_LOCK},
	{"rwsem_down_", VH_GUEST_WAIT_LOCK},
	{"down_", VH_GUEST_WAIT_LOCK},
	{"__down_", VH_GUEST_WAIT_LOCK},
	{"rt_mutex_", VH_GUEST_WAIT_LOCK},
	{"synchronize_rcu", VH_GUEST_WAIT_RCU},
	{"wait_rcu_", VH_GUEST_WAIT_RCU},
	{"__wait_rcu_", VH_GUEST_WAIT_RCU},
	{"rcu_barrier", VH_GUEST_WAIT_RCU},
	{"wait_for_completion", VH_GUEST_WAIT_EVENT},
	{"__wait_for_common", VH_GUEST_WAIT_EVENT},
};

/* Those that stand at the top of every task that sleeps, and say nothing of why. */
bool vh_guest_function_is_common(const char *f)
{
	static const char *const begins[] = {"__schedule", "schedule", "preempt_schedule",
		"io_schedule", "bit_wait", "__wait_on_bit", "out_of_line_wait_on_bit",
		"wait_for_completion", "__wait_for_common", "__mutex_lock", "mutex_lock",
		"rwsem_down_", "down_", "__down_", "percpu_rwsem_wait", "__percpu_down_read",
		"folio_wait_bit", "__folio_lock", "wait_on_page_bit", "context_switch",
		"dump_stack", "show_stack", "ret_from_fork"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(begins); i++)
		if (vh_prefix(f, begins[i]))
			return true;
	return false;
}

/* Where a freeze (freeze_super) keeps those out that want to write. */
static bool keeps_writers_out(const char *f)
{
	static const char *const names[] = {"vfs_write", "mnt_want_write", "mnt_want_write_file",
		"__sb_start_write", "sb_start_write", "do_iter_write", "vfs_iter_write",
		"do_splice_from", "vfs_fallocate", "io_write", "ext4_page_mkwrite",
		"iomap_page_mkwrite", "filemap_page_mkwrite", "xfs_filemap_page_mkwrite",
		"xfs_trans_alloc", "ext4_journal_start_sb", "open_last_lookups", "path_openat",
		"do_truncate", "aio_write"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(names); i++)
		if (vh_streq(f, names[i]))
			return true;
	return false;
}

/* "  schedule+0x5a/0xd0" or "RIP: 0010:spin+0x3/0x10 [trouble]": its function. False for a frame
 * that the kernel is not sure of ("? "), and for other lines. */
static bool function_in(struct vh_str text, char name[MAX_NAME])
{
	struct vh_str rip = behind(text, "RIP: 0010:"), word;

	text = rip.n ? rip : text;
	if (!vh_next_word(&text, &word))
		return false;
	ssize_t plus = vh_str_find(word, "+0x");

	if (plus <= 0 || plus >= MAX_NAME || vh_str_find(word, "/0x") < plus)
		return false;
	for (ssize_t i = 0; i < plus; i++) {
		char c = word.s[i];

		if (!(c == '_' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			    (c >= 'A' && c <= 'Z')))
			return false;
		name[i] = c;
	}
	name[plus] = 0;
	return true;
}

static enum vh_guest_wait wait_of(const char *f)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(telling); i++)
		if (vh_prefix(f, telling[i].begins))
			return telling[i].wait;
	return VH_GUEST_WAIT_UNKNOWN;
}

/* Frames further down may know more: an event that is a disk's answer, a page that a file server is
 * to deliver. */
enum vh_guest_wait vh_guest_wait_further(enum vh_guest_wait was, const char *f, bool *percpu)
{
	enum vh_guest_wait now = wait_of(f);

	*percpu |= vh_prefix(f, "percpu_rwsem_wait") || vh_prefix(f, "__percpu_down_read");
	if (*percpu && keeps_writers_out(f))
		return VH_GUEST_WAIT_FREEZE;
	if (was == VH_GUEST_WAIT_UNKNOWN ||
		(was == VH_GUEST_WAIT_EVENT &&
			(now == VH_GUEST_WAIT_STORAGE || now == VH_GUEST_WAIT_RCU)) ||
		((was == VH_GUEST_WAIT_EVENT || was == VH_GUEST_WAIT_STORAGE) &&
			now == VH_GUEST_WAIT_FILE_SERVER))
		return now;
	return was;
}

static void read_frame(struct vh_kernel_report *r, const char *f, bool *percpu)
{
	if (r->kind == VH_REPORT_HUNG_TASK) {
		r->wait = vh_guest_wait_further(r->wait, f, percpu);
		if (vh_guest_function_is_common(f))
			return;
	}
	if (!r->where)
		r->where = vh_strdup(f);
}

/* What the lines behind a report add to it. */
static void follow(struct vh_kernel_report *r, struct vh_str text, bool *percpu)
{
	char function[MAX_NAME];

	if (r->kind == VH_REPORT_RCU_STALL && r->cpu < 0 && vh_str_starts(text, "rcu:")) {
		/* "rcu:     1-....: (5250 ticks this GP) ..." */
		struct vh_str rest = vh_str_trim(behind(text, "rcu:"));
		int64_t cpu = leading_number(rest);

		if (cpu >= 0 && cpu < VH_MAX_VCPUS && vh_str_find(rest, "-") > 0 &&
			vh_str_find(rest, "-") < 5 && vh_str_find(rest, "(") > 0)
			r->cpu = (int)cpu;
	}
	if (r->kind != VH_REPORT_HUNG_TASK && !r->task && vh_str_find(text, " Comm: ") >= 0) {
		struct vh_str comm = behind(text, " Comm: "), word;

		if (vh_next_word(&comm, &word))
			r->task = name_of(word);
	}
	/* Of a CPU it is RIP that counts; of a task that sleeps, its stack. */
	bool wanted = r->kind == VH_REPORT_HUNG_TASK || vh_str_starts(text, "RIP: 0010:");

	if (wanted && function_in(text, function))
		read_frame(r, function, percpu);
}

/* Another kernel began to write: its clock starts again. */
static bool clock_starts_again(double before, double now)
{
	return now < 60 && before > now + 5;
}

static void drop_reports(struct vh_guest_kernel *k)
{
	for (size_t i = 0; i < k->n; i++) {
		free(k->list[i].task);
		free(k->list[i].where);
		free(k->list[i].line);
	}
	free(k->list);
	*k = (struct vh_guest_kernel){0};
}

void vh_guest_kernel_free(struct vh_guest_kernel *k)
{
	drop_reports(k);
}

/* age_s: how long ago the text's last line was written; NAN unknown. */
static void read_text(struct vh_guest_kernel *k, struct vh_str text, double age_s, size_t evidence)
{
	struct vh_kernel_report *r = NULL;
	double newest = NAN;
	unsigned followed = 0;
	bool percpu = false;
	struct vh_str line, body;

	while (vh_next_line(&text, &line)) {
		double stamp = stamp_of(line, &body);
		struct seen s;

		if (vh_log_is_boot_banner(line) || clock_starts_again(newest, stamp)) {
			drop_reports(k);
			newest = NAN;
			r = NULL;
		}
		if (!isnan(stamp))
			newest = isnan(newest) ? stamp : fmax(newest, stamp);
		k->hung_tasks_suppressed |=
			vh_str_find(body, "Future hung task reports are suppressed") >= 0;
		if (reads_report(body, &s)) {
			r = note(k, &s, body, stamp, evidence);
			followed = 0;
			percpu = false;
		} else if (r && followed++ < MAX_FOLLOW) {
			follow(r, body, &percpu);
		}
	}
	for (size_t i = 0; i < k->n; i++)
		if (!isnan(age_s) && !isnan(newest))
			k->list[i].age_s = age_s + (newest - k->list[i].stamp_s);
}

/* Its own log in memory tells all of it, and of no other kernel; the serial console more than the
 * screen, and when. Of several the one with most. */
void vh_decode_guest_kernel(struct vh_decoder *d)
{
	struct vh_model *m = d->m;

	if (m->dmesg.text)
		read_text(&m->guest_kernel, vh_str(m->dmesg.text),
			m->dmesg.age_ns < 0 ? NAN : (double)m->dmesg.age_ns / 1e9,
			m->inside_evidence);
	if (m->guest_kernel.n || (m->dmesg.text && m->dmesg.is_whole))
		return;

	for (size_t i = 0; i < m->n_logs; i++) {
		const struct vh_log_view *v = &m->logs[i];
		struct vh_guest_kernel k = {0};

		if (v->kind != VH_LOG_SERIAL)
			continue;
		read_text(&k, v->tail, v->age_ns < 0 ? NAN : (double)v->age_ns / 1e9, v->evidence);
		if (k.n > m->guest_kernel.n) {
			drop_reports(&m->guest_kernel);
			m->guest_kernel = k;
		} else {
			drop_reports(&k);
		}
	}
	if (!m->guest_kernel.n && m->screen.text)
		read_text(&m->guest_kernel, vh_str(m->screen.text), NAN, m->screen.evidence);
}
