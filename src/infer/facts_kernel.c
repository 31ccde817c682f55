/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Facts of what the guest's Linux says of itself on its console: what kind of panic, lockup, stall
 * or wait, and whether that still holds. A text stays on a console when the trouble is long over,
 * so each is held against its age and against what the vCPUs do now.
 */
#include <inttypes.h>

#include "decode/insight.h"
#include "infer/facts_build.h"

#define LOCKUP_HOLDS_S 90 /* of the reports with the longest pause in between: RCU's */
#define LOCKUP_DUE_S   35 /* a soft lockup that goes on is reported again in less */
#define KILLS_HOLD_S   60
#define KILLS_OF_LOOP  3
#define HUNG_PERIOD_S  120 /* kernel.hung_task_timeout_secs */
#define HUNG_WARNINGS  10  /* kernel.hung_task_warnings */

/* A CPU that hangs in its kernel runs, and never comes to a program. */
static bool may_hang(const struct vh_facts *facts, int v)
{
	bool busy = vh_fact_of(facts, VH_FACT_VCPU_BUSY, v) ||
		    vh_fact_of(facts, VH_FACT_VCPU_STARVED, v);
	bool rests = vh_fact_of(facts, VH_FACT_VCPU_ASLEEP, v) ||
		     vh_fact_of(facts, VH_FACT_VCPU_ACTIVE, v) ||
		     vh_fact_of(facts, VH_FACT_VCPU_WAKES, v);

	if (vh_fact_of(facts, VH_FACT_VCPU_USER_MODE, v))
		return false;
	return busy || !rests;
}

static bool any_may_hang(const struct vh_facts *facts)
{
	for (size_t i = 0; i < facts->model->n_vcpus; i++)
		if (may_hang(facts, facts->model->vcpus[i]->index))
			return true;
	return !facts->model->n_vcpus;
}

static bool has_vcpu(const struct vh_facts *facts, int v)
{
	for (size_t i = 0; i < facts->model->n_vcpus; i++)
		if (facts->model->vcpus[i]->index == v)
			return true;
	return false;
}

static bool lockup_holds(const struct vh_facts *facts, const struct vh_kernel_report *r)
{
	if (r->age_s > LOCKUP_HOLDS_S)
		return false;
	/* Work in the kernel, here and there, is no lockup that its watchdog has not told of again.
	 */
	if (r->kind == VH_REPORT_SOFT_LOCKUP && r->age_s > LOCKUP_DUE_S &&
		vh_fact_of(facts, VH_FACT_VCPU_RIP_MOVES, r->cpu))
		return false;
	/* Of an RCU stall another CPU may be the culprit. */
	return r->kind != VH_REPORT_RCU_STALL && has_vcpu(facts, r->cpu) ? may_hang(facts, r->cpu)
									 : any_may_hang(facts);
}

/* The task list in the guest's memory does not have it, or not waiting, or waiting for something
 * that it began to wait for since. */
static bool is_known_awake(const struct vh_model *m, const struct vh_kernel_report *r)
{
	const char *colon = r->task ? strrchr(r->task, ':') : NULL;
	int64_t pid;

	if (!colon || !m->inside || !m->inside->has_tasks || r->evidence != m->inside_evidence ||
		m->inside->n_tasks >= VH_INSIDE_MAX_TASKS ||
		!vh_parse_i64(vh_str(colon + 1), 10, &pid))
		return false;
	const struct vh_inside_task *t = vh_inside_task(m->inside, pid);

	return !t || (t->state != 'D' && t->state != '?') || vh_inside_ran_since(t, r->age_s);
}

static bool hung_task_holds(const struct vh_facts *facts, const struct vh_kernel_report *r)
{
	const struct vh_guest_kernel *k = &facts->model->guest_kernel;
	double period = isnan(r->period_s) ? HUNG_PERIOD_S : r->period_s;
	unsigned times = 0;

	if (is_known_awake(facts->model, r))
		return false;
	for (size_t i = 0; i < k->n; i++)
		times += k->list[i].kind == VH_REPORT_HUNG_TASK ? k->list[i].times : 0;
	/* A grace period waits for a CPU that hangs, and for nothing else. */
	if (r->wait == VH_GUEST_WAIT_RCU && !any_may_hang(facts))
		return false;
	/* While it lasts it is reported every so often, until the kernel has warned enough. */
	if (k->hung_tasks_suppressed || times >= HUNG_WARNINGS)
		return true;
	return isnan(r->age_s) || r->age_s < 2.2 * period + 5;
}

static bool holds(const struct vh_facts *facts, const struct vh_kernel_report *r)
{
	switch (r->kind) {
	case VH_REPORT_HUNG_TASK:
		return hung_task_holds(facts, r);
	case VH_REPORT_OOM_KILL:
		return r->times >= KILLS_OF_LOOP && !(r->age_s > KILLS_HOLD_S);
	case VH_REPORT_OOPS:
		return true;
	default:
		return lockup_holds(facts, r);
	}
}

static const enum vh_fact_id fact_of[VH_N_REPORT] = {
	[VH_REPORT_SOFT_LOCKUP] = VH_FACT_TEXT_SOFT_LOCKUP,
	[VH_REPORT_HARD_LOCKUP] = VH_FACT_TEXT_HARD_LOCKUP,
	[VH_REPORT_RCU_STALL] = VH_FACT_TEXT_RCU_STALL,
	[VH_REPORT_HUNG_TASK] = VH_FACT_TEXT_HUNG_TASK,
	[VH_REPORT_OOM_KILL] = VH_FACT_TEXT_OOM_LOOP,
	[VH_REPORT_OOPS] = VH_FACT_TEXT_OOPS,
};

static void add_ago(struct vh_buf *b, const struct vh_kernel_report *r)
{
	if (!isnan(r->age_s) && r->age_s < 120)
		vh_buf_printf(b, ", %.0f s ago", fmax(r->age_s, 0));
	else if (!isnan(r->age_s))
		vh_buf_printf(b, ", %.0f minutes ago", r->age_s / 60);
}

static char *report_text(const struct vh_kernel_report *r)
{
	struct vh_buf b = {0};

	switch (r->kind) {
	case VH_REPORT_HUNG_TASK:
		vh_buf_printf(&b, "task %s waits for %s", r->task ? r->task : "?",
			vh_guest_wait_name(r->wait));
		if (r->where)
			vh_buf_printf(&b, " in %s", r->where);
		if (!isnan(r->stuck_s))
			vh_buf_printf(
				&b, ", for more than %.0f s when its kernel said so", r->stuck_s);
		add_ago(&b, r);
		return vh_buf_steal(&b);
	case VH_REPORT_OOM_KILL:
		vh_buf_printf(&b,
			"the guest's kernel killed processes for want of memory %u times, last",
			r->times);
		break;
	default:
		vh_buf_puts(&b, "the guest's kernel says");
		break;
	}
	/* Of a kill the numbers behind it are long, and in the log. */
	const char *numbers = r->kind == VH_REPORT_OOM_KILL ? strstr(r->line, " total-vm:") : NULL;

	vh_buf_printf(&b, ": \"%.*s\"", numbers ? (int)(numbers - r->line) : (int)strlen(r->line),
		r->line);
	if (r->where)
		vh_buf_printf(
			&b, ", in %s%s%s", r->where, r->task ? " of " : "", r->task ? r->task : "");
	add_ago(&b, r);
	return vh_buf_steal(&b);
}

static void add_report(struct vh_facts *facts, const struct vh_kernel_report *r)
{
	static const enum vh_fact_id hung_on[VH_N_GUEST_WAIT] = {
		[VH_GUEST_WAIT_STORAGE] = VH_FACT_HUNG_ON_STORAGE,
		[VH_GUEST_WAIT_FILE_SERVER] = VH_FACT_HUNG_ON_FILE_SERVER,
		[VH_GUEST_WAIT_FREEZE] = VH_FACT_HUNG_ON_FREEZE,
		[VH_GUEST_WAIT_LOCK] = VH_FACT_HUNG_ON_LOCK,
	};
	vh_auto_free char *text = report_text(r);
	int v = r->kind < VH_REPORT_HUNG_TASK && has_vcpu(facts, r->cpu) ? r->cpu : -1;
	struct vh_fact *f;

	if (!holds(facts, r)) {
		f = vh_fact_add(
			facts, VH_FACT_TEXT_OVER, -1, r->age_s, "this is over by now: %s", text);
		VH_PUSH(f->evidence, f->n_evidence) = r->evidence;
		return;
	}
	f = vh_fact_add(facts, fact_of[r->kind], v,
		r->kind == VH_REPORT_OOM_KILL ? r->times : r->age_s, "%s", text);
	VH_PUSH(f->evidence, f->n_evidence) = r->evidence;
	if (r->kind == VH_REPORT_HUNG_TASK && hung_on[r->wait]) {
		f = vh_fact_add(facts, hung_on[r->wait], -1, r->stuck_s, "%s", text);
		VH_PUSH(f->evidence, f->n_evidence) = r->evidence;
	}
	if ((r->kind == VH_REPORT_SOFT_LOCKUP || r->kind == VH_REPORT_HARD_LOCKUP) && r->grows &&
		r->age_s < LOCKUP_DUE_S) {
		f = vh_fact_add(facts, VH_FACT_LOCKUP_LASTS, v, r->stuck_s,
			"its reports of CPU %d go on: %u so far, each for longer, and the next is "
			"not due yet",
			r->cpu, r->times);
		VH_PUSH(f->evidence, f->n_evidence) = r->evidence;
	}
}

bool vh_text_is_over(const struct vh_facts *facts, const char *hit)
{
	static const struct {
		const char *hit;
		enum vh_report_kind kind;
	} rows[] = {
		{"soft-lockup", VH_REPORT_SOFT_LOCKUP},
		{"hard-lockup", VH_REPORT_HARD_LOCKUP},
		{"rcu-stall", VH_REPORT_RCU_STALL},
		{"hung-task", VH_REPORT_HUNG_TASK},
	};
	const struct vh_guest_kernel *k = &facts->model->guest_kernel;

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		bool reported = false;

		if (!vh_streq(rows[i].hit, hit))
			continue;
		for (size_t n = 0; n < k->n; n++)
			reported |= k->list[n].kind == rows[i].kind;
		return reported && !vh_fact(facts, fact_of[rows[i].kind]);
	}
	return vh_streq(hit, "kernel-panic") || vh_streq(hit, "no-root-fs")
		       ? vh_fact(facts, VH_FACT_PANIC_OVER) != NULL
		       : false;
}

/* After a panic, Linux polls on one CPU (kernel/panic.c) and has stopped the others with interrupts
 * off. One that waits for interrupts, or runs programs, has been started again since. */
static bool linux_lives(const struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	bool woken = false;

	for (size_t i = 0; i < m->n_vcpus; i++) {
		int v = m->vcpus[i]->index;

		if (vh_fact_of(facts, VH_FACT_VCPU_USER_MODE, v))
			return true;
		if (!vh_fact_of(facts, VH_FACT_VCPU_HLT, v) ||
			!vh_fact_of(facts, VH_FACT_VCPU_IRQS_ON, v))
			return false;
		woken |= vh_fact_of(facts, VH_FACT_VCPU_WAKES, v) != NULL;
	}
	return woken;
}

/* The reasons of kernel/panic.c's callers, in Linux's words. */
static const struct {
	const char *text;
	enum vh_fact_id fact;
} panics[] = {
	{"VFS: Unable to mount root fs", VH_FACT_PANIC_NO_ROOT},
	{"VFS: Cannot open root device", VH_FACT_PANIC_NO_ROOT},
	{"Unable to mount root fs via", VH_FACT_PANIC_NO_ROOT},
	{"No working init found", VH_FACT_PANIC_NO_INIT},
	{"No init found", VH_FACT_PANIC_NO_INIT},
	{"Requested init ", VH_FACT_PANIC_NO_INIT},
	{"Attempted to kill init!", VH_FACT_PANIC_INIT_KILLED},
	{"sysrq triggered crash", VH_FACT_PANIC_REQUESTED},
	{"SysRq : Trigger a crash", VH_FACT_PANIC_REQUESTED},
	{"NMI: Not continuing", VH_FACT_PANIC_REQUESTED},
	{"nmi watchdog", VH_FACT_PANIC_LOCKUP},
	{"softlockup: hung tasks", VH_FACT_PANIC_LOCKUP},
	{"Hard LOCKUP", VH_FACT_PANIC_LOCKUP},
	{"RCU Stall", VH_FACT_PANIC_LOCKUP},
	{"hung_task: blocked tasks", VH_FACT_PANIC_HUNG_TASK},
	{"Out of memory", VH_FACT_PANIC_OOM},
	{"out of memory", VH_FACT_PANIC_OOM},
	{"System is deadlocked on memory", VH_FACT_PANIC_OOM},
	{"Fatal local machine check", VH_FACT_PANIC_MACHINE_CHECK},
	{"Fatal machine check", VH_FACT_PANIC_MACHINE_CHECK},
	{"Machine check", VH_FACT_PANIC_MACHINE_CHECK},
	{"Memory error", VH_FACT_PANIC_MACHINE_CHECK},
	{"Timeout: Not all CPUs entered broadcast exception handler", VH_FACT_PANIC_MACHINE_CHECK},
	{"Fatal exception", VH_FACT_PANIC_OOPS},
	{"Attempted to kill the idle task", VH_FACT_PANIC_OOPS},
	{"Aiee, killing interrupt handler", VH_FACT_PANIC_OOPS},
	{"stack-protector: ", VH_FACT_PANIC_OOPS},
	{"corrupted stack end", VH_FACT_PANIC_OOPS},
	{"panic_on_warn set", VH_FACT_PANIC_OOPS},
	{"kernel stack overflow", VH_FACT_PANIC_OOPS},
};

/* "VFS: Unable to mount root fs on unknown-block(0,0)" of the whole line. */
static struct vh_str reason_of(struct vh_str line)
{
	static const char mark[] = "Kernel panic - not syncing:";
	ssize_t at = vh_str_find(line, mark);
	size_t skip = at < 0 ? 0 : (size_t)at + strlen(mark);

	return vh_str_trim((struct vh_str){line.s + skip, line.n - skip});
}

static void add_panic(struct vh_facts *facts, const struct vh_log_hit *hit)
{
	struct vh_str reason = reason_of(vh_str(hit->line));
	struct vh_fact *f;

	if (linux_lives(facts)) {
		if (vh_fact(facts, VH_FACT_PANIC_OVER))
			return;
		f = vh_fact_add(facts, VH_FACT_PANIC_OVER, -1, NAN,
			"the guest was started again since it wrote \"%s\": a panicked Linux "
			"neither waits for interrupts nor runs programs",
			hit->line);
		VH_PUSH(f->evidence, f->n_evidence) = hit->evidence;
		return;
	}
	for (size_t i = 0; i < VH_ARRAY_SIZE(panics); i++) {
		if (vh_str_find(reason, panics[i].text) < 0)
			continue;
		if (vh_fact(facts, panics[i].fact))
			return;
		f = vh_fact_add(facts, panics[i].fact, -1, NAN, "%.*s", (int)reason.n, reason.s);
		VH_PUSH(f->evidence, f->n_evidence) = hit->evidence;
		return;
	}
}

static void add_drive_errors(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_drives; i++) {
		const struct vh_drive_view *d = &m->drives[i];

		if (!d->failed)
			continue;
		struct vh_fact *f = vh_fact_add(facts, VH_FACT_DRIVE_ERRORS, -1, (double)d->failed,
			"the VMM has answered %" PRIu64 " requests of the guest to drive %s%s%s%s "
			"with an error",
			d->failed, d->name ? d->name : "?", d->file ? " (" : "",
			d->file ? d->file : "", d->file ? ")" : "");

		vh_fact_ground(facts, f, "qmp.query-blockstats", NULL);
	}
}

void vh_facts_of_kernel(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_hits; i++)
		if (m->hits[i].kind == VH_LOG_SERIAL &&
			(vh_streq(m->hits[i].id, "kernel-panic") ||
				vh_streq(m->hits[i].id, "no-root-fs")))
			add_panic(facts, &m->hits[i]);
	for (size_t i = 0; i < m->guest_kernel.n; i++)
		add_report(facts, &m->guest_kernel.list[i]);
	add_drive_errors(facts);
}
