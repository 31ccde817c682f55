/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Facts of what the VMM itself is busy with: a migration in its phases, block jobs, a dump; from
 * the monitor's two answers, and from the threads that do the work.
 */
#include "infer/facts_build.h"

/* Two looks that are nearer to each other say nothing about what stands still. */
#define STILL_NS (500 * VH_NS_PER_MS)
/* A main loop that is woken more rarely than this, and runs less, receives nothing. */
#define ARRIVES_PER_S     3.0
#define ARRIVES_RUN_SHARE 0.01
/* From the third round on the rate at which memory is changed is known; where it is this much of
 * what is sent, each round leaves as much as the one before. */
#define ROUNDS_KNOWN   3
#define DIVERGES_SHARE 0.8

static struct vh_fact *ground_migration(struct vh_facts *facts, struct vh_fact *f)
{
	vh_fact_ground(facts, f, "qmp.query-migrate", NULL);
	return f;
}

/* Both looks have that status, or the only one. */
static bool is_in(const struct vh_migration_view *v, const char *status)
{
	return (v->looks[0].seen || v->looks[1].seen) &&
	       (!v->looks[0].seen || vh_streq(v->looks[0].status, status)) &&
	       (!v->looks[1].seen || vh_streq(v->looks[1].status, status));
}

/* All bytes are in the looks' numbers: only the source has them. */
static void sending_facts(struct vh_facts *facts)
{
	const struct vh_migration_view *v = &facts->model->migration;
	const struct vh_migration_look *a = &v->looks[0], *b = &v->looks[1];
	const struct vh_migration_look *last = vh_migration_last(v);
	double rate = last->bytes_per_s;

	if (!last->has_ram)
		return;
	ground_migration(
		facts, vh_fact_add(facts, VH_FACT_MIGRATION_RUNS, -1, (double)last->remaining_bytes,
			       "a migration sends the VM (%s): %s of %s are left to send",
			       last->status, vh_bytes_text(last->remaining_bytes).s,
			       vh_bytes_text(last->total_bytes).s));
	if (a->has_ram && b->has_ram && b->at_ns > a->at_ns) {
		double s = (double)(b->at_ns - a->at_ns) / 1e9;

		if (b->moved != a->moved)
			ground_migration(
				facts, vh_fact_add(facts, VH_FACT_MIGRATION_MOVES, -1,
					       (double)(b->moved - a->moved) / s,
					       "the migration moves: %s were sent within %.1f s",
					       vh_bytes_text(b->moved - a->moved).s, s));
		else if (b->at_ns - a->at_ns >= STILL_NS)
			ground_migration(
				facts, vh_fact_add(facts, VH_FACT_MIGRATION_STILL, -1, s,
					       "the migration sent no byte within %.1f s", s));
	}
	if (last->rounds >= ROUNDS_KNOWN && rate > 0 &&
		(double)last->dirty_bytes_per_s >= DIVERGES_SHARE * rate &&
		(last->expected_downtime_ms < 0 || v->downtime_limit_ms < 0 ||
			last->expected_downtime_ms > v->downtime_limit_ms))
		ground_migration(facts,
			vh_fact_add(facts, VH_FACT_MIGRATION_DIVERGES, -1,
				(double)last->dirty_bytes_per_s / rate,
				"the guest changes %s of its memory a second, and %s are sent: "
				"after %llu rounds as much is left as before",
				vh_bytes_text(last->dirty_bytes_per_s).s,
				vh_bytes_text((uint64_t)rate).s, (unsigned long long)last->rounds));
	if (last->throttle_percent > 0)
		ground_migration(
			facts, vh_fact_add(facts, VH_FACT_MIGRATION_THROTTLES, -1,
				       (double)VH_MIN(last->throttle_percent, 100) / 100,
				       "the VMM takes %lld %% of their time from the vCPUs "
				       "(auto-converge)",
				       (long long)VH_MIN(last->throttle_percent, 100)));
}

/* A status that tells all, and what it means. side: 's' where only the source has it, 'd' the
 * destination, 0 either. */
static const struct status_row {
	const char *status; /* QEMU qapi/migration.json MigrationStatus */
	char side;
	enum vh_fact_id fact;
	const char *text;
} status_rows[] = {
	{"setup", 's', VH_FACT_MIGRATION_SETS_UP,
		"a migration was begun, and has not got through to the other side (setup)"},
	{"setup", 'd', VH_FACT_INCOMING_UNCONNECTED,
		"the VMM listens for a migration, and nobody has begun one (setup)"},
	{"active", 'd', VH_FACT_INCOMING_CONNECTED,
		"somebody is connected and sends the VM (active)"},
	{"cancelling", 0, VH_FACT_MIGRATION_CANCELLING,
		"a migration was cancelled, and has not ended (cancelling)"},
	{"pre-switchover", 0, VH_FACT_MIGRATION_WAITS_SWITCHOVER,
		"the migration waits to be told to do its last step (pre-switchover)"},
	{"wait-unplug", 0, VH_FACT_MIGRATION_WAITS_UNPLUG,
		"the migration waits for the guest to give up a device (wait-unplug)"},
	{"postcopy-active", 's', VH_FACT_POSTCOPY_SOURCE,
		"the VM runs on its destination already, and its memory is sent after it "
		"(postcopy-active)"},
	{"postcopy-active", 'd', VH_FACT_POSTCOPY_DESTINATION,
		"the VM runs here already, and its memory comes after it (postcopy-active)"},
	{"postcopy-device", 's', VH_FACT_POSTCOPY_SOURCE,
		"the VM's devices are on their destination, and its memory is sent after them "
		"(postcopy-device)"},
	{"postcopy-paused", 0, VH_FACT_POSTCOPY_PAUSED,
		"the post-copy migration lost its connection (postcopy-paused)"},
	{"postcopy-recover", 0, VH_FACT_POSTCOPY_RECOVERS,
		"the post-copy migration takes up its connection again (postcopy-recover)"},
	{"postcopy-recover-setup", 0, VH_FACT_POSTCOPY_RECOVERS,
		"the post-copy migration takes up its connection again (postcopy-recover-setup)"},
	{"completed", 's', VH_FACT_MIGRATION_COMPLETED,
		"the migration was completed: the VM is at its destination (completed)"},
};

/* Which side of its last migration this VMM is on. Only the source tells how much it sent; a
 * destination that runs shows no more than that it is in post-copy, or was completed. */
static char side_of(const struct vh_facts *facts)
{
	const struct vh_migration_look *last = vh_migration_last(&facts->model->migration);

	const char *state = facts->model->monitor.run_state;

	if (vh_streq(state, "inmigrate"))
		return 'd';
	if (vh_streq(last->status, "completed"))
		return vh_streq(state, "postmigrate") ? 's' : 'd';
	return !last->has_ram && vh_streq(last->status, "postcopy-active") ? 'd' : 's';
}

static void failed_fact(struct vh_facts *facts, char side)
{
	const struct vh_migration_view *v = &facts->model->migration;
	const struct vh_migration_look *last = vh_migration_last(v);
	bool cancelled = vh_streq(last->status, "cancelled");

	if (!cancelled && !vh_streq(last->status, "failed"))
		return;
	ground_migration(facts,
		vh_fact_add(facts, side == 'd' ? VH_FACT_INCOMING_FAILED : VH_FACT_MIGRATION_FAILED,
			-1, NAN, "%s %s%s%s",
			side == 'd' ? "the VM's migration to here" : "a migration of the VM",
			cancelled ? "was cancelled" : "failed", v->error ? ": " : "",
			v->error ? v->error : ""));
}

static void status_facts(struct vh_facts *facts, char side)
{
	const struct vh_migration_view *v = &facts->model->migration;
	double looks = v->looks[0].seen + v->looks[1].seen;

	for (size_t i = 0; i < VH_ARRAY_SIZE(status_rows); i++) {
		const struct status_row *row = &status_rows[i];

		if ((!row->side || row->side == side) &&
			is_in(&facts->model->migration, row->status))
			ground_migration(
				facts, vh_fact_add(facts, row->fact, -1, looks, "%s", row->text));
	}
}

/* Threads that take what arrives: the main loop, and those of multifd and post-copy. */
static void arrival_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	double wakes = 0, run = 0;
	bool known = false;

	for (size_t i = 0; i < m->n_threads; i++) {
		const struct vh_thread *t = m->threads[i];

		if (t->role != VH_ROLE_MAIN && t->role != VH_ROLE_MIGRATION)
			continue;
		if (isnan(t->switches_per_s) || isnan(t->run_share))
			return;
		known |= t->role == VH_ROLE_MAIN;
		wakes += t->switches_per_s;
		run += t->run_share;
	}
	if (!known)
		return;
	bool moves = wakes >= ARRIVES_PER_S || run >= ARRIVES_RUN_SHARE;
	struct vh_fact *f = vh_fact_add(facts,
		moves ? VH_FACT_INCOMING_MOVES : VH_FACT_INCOMING_STILL, -1, wakes,
		moves ? "what is sent arrives: its threads were woken %.0f times a second"
		      : "nothing arrived during the whole window: the threads that would take it "
			"were woken %.0f times a second",
		wakes);

	vh_fact_ground(facts, f, "task.status", vh_subject_tid(m->vm->id.pid).s);
}

static void migration_facts(struct vh_facts *facts)
{
	const struct vh_migration_look *last = vh_migration_last(&facts->model->migration);
	const char *state = facts->model->monitor.run_state;

	if (!last)
		return;
	if (!last->status || vh_streq(last->status, "none")) {
		if (vh_streq(state, "inmigrate"))
			ground_migration(facts, vh_fact_add(facts, VH_FACT_INCOMING_UNCONNECTED, -1,
							NAN, "nobody has begun to send the VM"));
		return;
	}
	char side = side_of(facts);

	status_facts(facts, side);
	failed_fact(facts, side);
	if (vh_streq(last->status, "active") || vh_streq(last->status, "device") ||
		vh_streq(last->status, "postcopy-active"))
		sending_facts(facts);
	if (vh_fact(facts, VH_FACT_INCOMING_CONNECTED))
		arrival_facts(facts);
}

/* One and the same wait at both looks, and not woken in between. */
static bool waits_all_the_time(const struct vh_thread *t)
{
	return t->first.seen && t->last.seen && t->first.wait == t->wait &&
	       t->last.wait == t->wait && t->first.has_switches && t->last.has_switches &&
	       t->first.voluntary == t->last.voluntary &&
	       t->first.involuntary == t->last.involuntary;
}

/* In a call that sends: write, writev, sendto, sendmsg (x86-64), or in what those sleep in. Threads
 * that receive wait all the time, and are well. */
static bool is_sending(const struct vh_thread_sample *s)
{
	static const int64_t calls[] = {1, 20, 44, 46};
	static const char *const sleeps[] = {"sock_alloc_send_pskb", "sk_stream_wait_memory",
		"unix_stream_sendmsg", "tcp_sendmsg", "pipe_write", "anon_pipe_write"};

	for (size_t i = 0; s->has_syscall && i < VH_ARRAY_SIZE(calls); i++)
		if (s->syscall == calls[i])
			return true;
	for (size_t i = 0; i < VH_ARRAY_SIZE(sleeps); i++)
		if (vh_prefix(s->wchan, sleeps[i]))
			return true;
	return false;
}

static const struct vh_thread *sender_that_waits(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	const struct vh_thread *found = NULL;

	for (size_t i = 0; i < m->n_threads; i++) {
		const struct vh_thread *t = m->threads[i];

		if (t->role != VH_ROLE_MIGRATION || t->wait != VH_WAIT_PIPE ||
			!waits_all_the_time(t) || !is_sending(&t->last))
			continue;
		struct vh_fact *f = vh_fact_add(facts, VH_FACT_MIGRATION_SENDER_WAITS, -1, t->tid,
			"thread %d (%s) waited for the other side to take what it sends during the "
			"whole window",
			(int)t->tid, t->name);

		vh_fact_ground(facts, f, "task.wchan", vh_subject_tid(t->tid).s);
		vh_fact_ground(facts, f, "task.status", vh_subject_tid(t->tid).s);
		found = t;
	}
	return found;
}

/* Threads that only a destination in post-copy has: QEMU up to 9.0, then from 9.1. */
static void postcopy_threads_fact(struct vh_facts *facts)
{
	static const char *const names[] = {"fault-default", "fault-fast", "postcopy/listen",
		"postcopy/fault", "postcopy/preempt", "mig/dst/fault", "mig/dst/listen",
		"mig/dst/preempt"};
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_threads; i++)
		for (size_t k = 0; k < VH_ARRAY_SIZE(names); k++)
			if (vh_prefix(m->threads[i]->name, names[k])) {
				vh_fact_ground(facts,
					vh_fact_add(facts, VH_FACT_POSTCOPY_THREADS, -1, NAN,
						"a post-copy migration to here is at work (thread "
						"%s)",
						names[k]),
					"task.stat", vh_subject_tid(m->threads[i]->tid).s);
				return;
			}
}

/* The last step is done under the lock of everything: QEMU migration_completion. The vCPUs are
 * stopped, and the main loop waits for that lock as soon as anything wakes it: the question of the
 * monitor at the latest. */
static void held_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	const struct vh_thread *sender = sender_that_waits(facts);
	const struct vh_thread *main_thread = vh_model_main_thread(m);

	if (!sender || !main_thread || !m->n_vcpus || vh_fact(facts, VH_FACT_MAIN_BLOCKED) ||
		vh_fact_count(facts, VH_FACT_VCPU_HELD_BY_VMM) != m->n_vcpus)
		return;
	if (!vh_fact(facts, VH_FACT_MONITOR_SILENT) &&
		(main_thread->wait != VH_WAIT_FUTEX || !waits_all_the_time(main_thread)))
		return;
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_MIGRATION_HOLDS_VMM, -1, NAN,
		"the VMM answers nothing and holds all %zu vCPUs while thread %d (%s) waits for "
		"the other side of the migration",
		m->n_vcpus, (int)sender->tid, sender->name);

	vh_fact_ground(facts, f, "task.wchan", vh_subject_tid(sender->tid).s);
	vh_fact_ground(facts, f, "task.wchan", vh_subject_tid(main_thread->tid).s);
	vh_fact_ground(facts, f, "qmp.query-status", NULL);
}

/* "12.0 MiB of 1.0 GiB are done" */
static char *done_text(uint64_t done, uint64_t total)
{
	return vh_asprintf("%s of %s are done", vh_bytes_text(done).s, vh_bytes_text(total).s);
}

static void job_movement(struct vh_facts *facts, size_t i)
{
	const struct vh_jobs_view *v = &facts->model->jobs;
	const struct vh_block_job *job = &v->list[i];
	vh_auto_free char *done =
		done_text(job->done_bytes[job->has_done[1] ? 1 : 0], job->total_bytes);

	vh_fact_ground(facts,
		vh_fact_add(facts, VH_FACT_JOB_RUNS, -1, (double)i, "block job %s (%s) runs: %s",
			job->id, job->type ? job->type : "?", done),
		"qmp.query-block-jobs", NULL);
	if (!job->has_done[0] || !job->has_done[1] || job->done_bytes[0] != job->done_bytes[1] ||
		v->at_ns[1] - v->at_ns[0] < STILL_NS || job->bytes_per_s_limit)
		return;
	double s = (double)(v->at_ns[1] - v->at_ns[0]) / 1e9;

	vh_fact_ground(facts,
		vh_fact_add(facts, VH_FACT_JOB_STILL, -1, s,
			"block job %s (%s) did not move within %.1f s, and no limit holds it: %s",
			job->id, job->type ? job->type : "?", s, done),
		"qmp.query-block-jobs", NULL);
}

static void job_facts(struct vh_facts *facts)
{
	const struct vh_jobs_view *v = &facts->model->jobs;

	for (size_t i = 0; i < v->n; i++) {
		const struct vh_block_job *job = &v->list[i];
		const char *type = job->type ? job->type : "?";
		bool failed = job->io_status && !vh_streq(job->io_status, "ok");
		struct vh_fact *f = NULL;

		/* Up to QEMU 10 a job that an error stopped says "running" beside paused. */
		if (failed && (job->paused || vh_streq(job->status, "paused")))
			f = vh_fact_add(facts, VH_FACT_JOB_STOPPED_BY_ERROR, -1, (double)i,
				"block job %s (%s) is paused for an error: %s", job->id, type,
				vh_streq(job->io_status, "nospace")
					? "no space is left on what it writes to"
					: "a request failed");
		else if (vh_streq(job->status, "ready") ||
			 (job->ready && vh_streq(job->status, "running")))
			f = vh_fact_add(facts, VH_FACT_JOB_READY, -1, (double)i,
				"block job %s (%s) has copied everything, and waits to be "
				"completed",
				job->id, type);
		else if (vh_streq(job->status, "pending") || vh_streq(job->status, "concluded"))
			f = vh_fact_add(facts, VH_FACT_JOB_PENDING, -1, (double)i,
				"block job %s (%s) has ended, and waits to be %s", job->id, type,
				vh_streq(job->status, "pending") ? "finalized" : "dismissed");
		else if (vh_streq(job->status, "running"))
			job_movement(facts, i);
		if (f)
			vh_fact_ground(facts, f, "qmp.query-block-jobs", NULL);
	}
}

static void dump_facts(struct vh_facts *facts)
{
	const struct vh_dump_view *v = &facts->model->dump;
	int newest = v->has_done[1] ? 1 : 0;
	int64_t span = v->at_ns[1] - v->at_ns[0];
	bool still = v->has_done[0] && v->has_done[1] && v->done_bytes[0] == v->done_bytes[1] &&
		     span >= STILL_NS;

	if (!vh_streq(v->status, "active") || !v->has_done[newest])
		return;
	vh_auto_free char *done = done_text(v->done_bytes[newest], v->total_bytes);
	struct vh_fact *f = still ? vh_fact_add(facts, VH_FACT_DUMP_STILL, -1, (double)span / 1e9,
					    "the dump of its memory did not move within %.1f s: %s",
					    (double)span / 1e9, done)
				  : vh_fact_add(facts, VH_FACT_DUMP_MOVES, -1,
					    v->total_bytes ? (double)v->done_bytes[newest] /
								     (double)v->total_bytes
							   : NAN,
					    "its memory is being written to a file: %s", done);

	vh_fact_ground(facts, f, "qmp.query-dump", NULL);
}

void vh_facts_of_jobs(struct vh_facts *facts)
{
	migration_facts(facts);
	postcopy_threads_fact(facts);
	held_facts(facts);
	job_facts(facts);
	dump_facts(facts);
}
