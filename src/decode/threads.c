/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The threads of the VM's process: their samples, and what follows from two of them. */
#include "base/names.h"
#include "decode/pasted.h"

#define KVM_RUN 0xae80 /* _IO(KVMIO, 0x80), linux/kvm.h */

static const char *const role_names[VH_N_ROLE] = {
	[VH_ROLE_OTHER] = "other",
	[VH_ROLE_MAIN] = "main",
	[VH_ROLE_VCPU] = "vcpu",
	[VH_ROLE_IOTHREAD] = "iothread",
	[VH_ROLE_MONITOR] = "monitor",
	[VH_ROLE_VNC] = "vnc",
	[VH_ROLE_WORKER] = "worker",
	[VH_ROLE_MIGRATION] = "migration",
	[VH_ROLE_RCU] = "rcu",
	[VH_ROLE_KERNEL] = "kernel",
};

const char *vh_role_name(enum vh_role role)
{
	return vh_name_of(role_names, VH_ARRAY_SIZE(role_names), (int)role);
}

/* Thread names begin like this: QEMU's (with debug-threads), then the kernel's. */
static const struct {
	const char *prefix;
	enum vh_role role;
} roles[] = {
	{"IO mon_iothread", VH_ROLE_MONITOR},
	{"IO ", VH_ROLE_IOTHREAD},
	{"vnc_worker", VH_ROLE_VNC},
	{"call_rcu", VH_ROLE_RCU},
	{"worker", VH_ROLE_WORKER},
	{"pool-", VH_ROLE_WORKER},
	{"live_migration", VH_ROLE_MIGRATION},
	{"bg_snapshot", VH_ROLE_MIGRATION},
	{"mig/", VH_ROLE_MIGRATION},
	{"multifd", VH_ROLE_MIGRATION},
	{"postcopy/", VH_ROLE_MIGRATION},
	{"fault-default", VH_ROLE_MIGRATION},
	{"fault-fast", VH_ROLE_MIGRATION},
	{"return path", VH_ROLE_MIGRATION},
	{"colo", VH_ROLE_MIGRATION},
	{"kvm-nx-lpage", VH_ROLE_KERNEL},
	{"kvm-pit/", VH_ROLE_KERNEL},
	{"vhost-", VH_ROLE_KERNEL},
	{"iou-", VH_ROLE_KERNEL},
};

static enum vh_role role_of(const struct vh_decoder *d, const struct vh_thread *t)
{
	if (t->tid == d->m->vm->id.pid)
		return VH_ROLE_MAIN;
	for (size_t i = 0; i < VH_ARRAY_SIZE(roles); i++)
		if (vh_prefix(t->name, roles[i].prefix))
			return roles[i].role;
	return VH_ROLE_OTHER;
}

static void decode_status(const struct vh_decoder *d, const char *subject, enum vh_round round,
	struct vh_thread *t, struct vh_thread_sample *s)
{
	struct vh_str text = vh_seek_text(&d->in, "task.status", subject, round), value;
	uint64_t number;

	if (vh_status_field(text, "TracerPid", &value) && vh_parse_u64(value, 10, &number))
		s->tracer = (pid_t)number;
	if (vh_status_field(text, "Cpus_allowed_list", &value) && !t->affinity)
		t->affinity = vh_str_dup((struct vh_str){value.s, VH_MIN(value.n, 1024)});
	s->has_switches = vh_status_field(text, "voluntary_ctxt_switches", &value) &&
			  vh_parse_u64(value, 10, &s->voluntary) &&
			  vh_status_field(text, "nonvoluntary_ctxt_switches", &value) &&
			  vh_parse_u64(value, 10, &s->involuntary);
}

static void decode_schedstat(const struct vh_decoder *d, const char *subject, enum vh_round round,
	struct vh_thread_sample *s)
{
	const struct vh_found *f = vh_seek_data(&d->in, "task.schedstat", subject, round);
	struct vh_str rest = vh_evidence_text(f ? f->e : NULL), run, wait, slices;

	s->has_schedstat = vh_next_word(&rest, &run) && vh_next_word(&rest, &wait) &&
			   vh_next_word(&rest, &slices) && vh_parse_u64(run, 10, &s->run_ns) &&
			   vh_parse_u64(wait, 10, &s->wait_ns) &&
			   vh_parse_u64(slices, 10, &s->slices);
	s->sched_at_ns = f ? f->e->at_ns : 0;
}

/* The scheduler's own count, else the ticks, which are coarse. */
static int64_t cpu_time_ns(const struct vh_decoder *d, const struct vh_thread_sample *s)
{
	double ticks = (double)s->stat.user_ticks + (double)s->stat.system_ticks;
	double ns = s->has_schedstat ? (double)s->run_ns : ticks / d->ticks_per_s * 1e9;

	return ns < 9e18 ? (int64_t)ns : -1;
}

static void decode_syscall(const struct vh_decoder *d, const char *subject, enum vh_round round,
	struct vh_thread_sample *s)
{
	struct vh_str rest = vh_seek_text(&d->in, "task.syscall", subject, round), word;

	s->syscall = VH_SYSCALL_NONE;
	if (!vh_next_word(&rest, &word))
		return;
	if (vh_str_is(word, "running"))
		s->syscall = VH_SYSCALL_RUNNING;
	else if (!vh_parse_i64(word, 10, &s->syscall))
		return;
	s->has_syscall = true;
	if (s->syscall < 0)
		return;
	/* Six arguments, stack pointer, program counter. Where those last two are 0 it is a kernel
	 * thread in the process, which shows the call of the thread that made it. */
	uint64_t words[8] = {[6] = 1};

	for (size_t i = 0; i < VH_ARRAY_SIZE(words) && vh_next_word(&rest, &word); i++)
		vh_parse_u64(word, 0, &words[i]);
	if (words[6] == 0 && words[7] == 0) {
		s->syscall = VH_SYSCALL_NONE;
		return;
	}
	memcpy(s->args, words, sizeof(s->args));
	/* ioctl is 16 on x86-64 and 29 where the generic table is used (arm64). */
	s->in_kvm_run = (s->syscall == 16 || s->syscall == 29) && s->args[1] == KVM_RUN;
}

static char *dup_seen(
	const struct vh_decoder *d, const char *source, const char *subject, enum vh_round round)
{
	const struct vh_found *f = vh_seek_data(&d->in, source, subject, round);

	return f ? vh_str_dup(vh_str_trim(vh_evidence_text(f->e))) : NULL;
}

/* "12\t/mnt/x" as "/mnt/x (fd 12)" */
static char *blocked_on(const struct vh_decoder *d, const char *subject, enum vh_round round)
{
	struct vh_str target = vh_str_trim(vh_seek_text(&d->in, "task.fd", subject, round)), number;

	if (!vh_next_part(&target, '\t', &number) || !target.n)
		return NULL;
	return vh_asprintf("%.*s (fd %.*s)", (int)VH_MIN(target.n, 1024), target.s,
		(int)VH_MIN(number.n, 16), number.s);
}

/* What ps and top show of a thread takes the place of its stat. */
static bool sample_pasted(const struct vh_decoder *d, struct vh_thread *t, enum vh_round round,
	struct vh_thread_sample *s)
{
	const struct vh_pasted_row *row =
		round == VH_LAST ? vh_pasted_row_find(d->pasted, t->tid) : NULL;

	if (!row)
		return false;
	s->stat = (struct vh_procstat){.id = t->tid, .state = row->state, .cpu = row->cpu};
	s->cpu_ns = row->cpu_ns;
	if (row->name && !t->name)
		t->name = vh_strdup(row->name);
	return true;
}

static void decode_sample(const struct vh_decoder *d, struct vh_thread *t, enum vh_round round,
	struct vh_thread_sample *s)
{
	vh_auto_free char *subject = vh_asprintf("tid:%d", (int)t->tid);
	const struct vh_found *tasks = vh_seek(&d->in, "proc.tasks", "", round);
	const struct vh_found *stat = vh_seek_data(&d->in, "task.stat", subject, round);

	/* The process was gone in this look: what was read of its threads is not to be trusted. */
	if (tasks && tasks->e->status == VH_ABSENT)
		return;
	bool has_stat = stat && vh_procstat_parse(vh_evidence_text(stat->e), &s->stat);

	s->cpu_ns = -1;
	if (!has_stat && !sample_pasted(d, t, round, s))
		return;
	s->seen = true;
	s->at_ns = stat ? stat->e->at_ns : 0;
	if (!t->name && has_stat)
		t->name = vh_strdup(s->stat.name);
	decode_status(d, subject, round, t, s);
	decode_schedstat(d, subject, round, s);
	if (has_stat)
		s->cpu_ns = cpu_time_ns(d, s);
	decode_syscall(d, subject, round, s);
	s->in_kvm_run |= vh_seek_text(&d->in, "task.kvmfd", subject, round).n > 0;
	s->wchan = dup_seen(d, "task.wchan", subject, round);
	if (!has_stat && !s->wchan)
		s->wchan = vh_strdup(vh_pasted_row_find(d->pasted, t->tid)->wchan);
	s->stack = dup_seen(d, "task.stack", subject, round);
	vh_auto_free char *on = blocked_on(d, subject, round);

	s->wait = vh_wait_of(s, on, d->m->cgroup.frozen, d->x86);
	if (on && round != VH_AFTER)
		vh_replace(&t->blocked_on, on);
}

static double share(uint64_t first, uint64_t last, double unit_s, int64_t from_ns, int64_t to_ns)
{
	double seconds = vh_seconds(from_ns, to_ns);

	if (last < first || seconds <= 0)
		return NAN;
	/* The counter and the clock are not read at the same instant. */
	return VH_MIN((double)(last - first) * unit_s / seconds, 1.0);
}

static double rate(uint64_t first, uint64_t last, int64_t from_ns, int64_t to_ns)
{
	double seconds = vh_seconds(from_ns, to_ns);

	return last < first || seconds <= 0 ? NAN : (double)(last - first) / seconds;
}

/*
 * The kernel adds a wait to run_delay when it ends (kernel/sched/stats.h, sched_info_arrive), so
 * that a thread which waits most of the time may seem not to wait at all. But one that ran, was
 * ready at both looks and never gave its CPU up in between waited whenever it did not run. (It must
 * have run: on a captured host both looks are the same, and say nothing of what went on between
 * them.)
 */
static bool was_always_ready(const struct vh_thread *t)
{
	const struct vh_thread_sample *a = &t->first, *b = &t->last;

	return a->stat.state == 'R' && b->stat.state == 'R' && b->run_ns > a->run_ns &&
	       a->has_switches && b->has_switches && a->voluntary == b->voluntary;
}

static void decode_shares(const struct vh_decoder *d, struct vh_thread *t)
{
	const struct vh_thread_sample *a = &t->first, *b = &t->last;
	const struct vh_procstat *p = &a->stat, *q = &b->stat;
	double tick = 1 / d->ticks_per_s;

	t->run_share = t->wait_share = t->user_share = t->system_share = t->guest_share = NAN;
	t->switches_per_s = t->major_faults_per_s = NAN;
	if (!a->seen || !b->seen)
		return;
	t->user_share = share(p->user_ticks, q->user_ticks, tick, a->at_ns, b->at_ns);
	t->system_share = share(p->system_ticks, q->system_ticks, tick, a->at_ns, b->at_ns);
	t->guest_share = share(p->guest_ticks, q->guest_ticks, tick, a->at_ns, b->at_ns);
	t->major_faults_per_s = rate(p->major_faults, q->major_faults, a->at_ns, b->at_ns);
	if (a->has_switches && b->has_switches)
		t->switches_per_s = rate(a->voluntary, b->voluntary, a->at_ns, b->at_ns);
	if (a->has_schedstat && b->has_schedstat) {
		t->run_share = share(a->run_ns, b->run_ns, 1e-9, a->sched_at_ns, b->sched_at_ns);
		t->wait_share = share(a->wait_ns, b->wait_ns, 1e-9, a->sched_at_ns, b->sched_at_ns);
		if (was_always_ready(t))
			t->wait_share = VH_MAX(t->wait_share, 1 - t->run_share);
	}
	if (isnan(t->run_share))
		t->run_share = share(p->user_ticks + p->system_ticks,
			q->user_ticks + q->system_ticks, tick, a->at_ns, b->at_ns);
}

static void decode_pasted_shares(const struct vh_decoder *d, struct vh_thread *t)
{
	const struct vh_pasted_row *row = vh_pasted_row_find(d->pasted, t->tid);

	t->life_share = row ? row->life_share : NAN;
	if (!row || !isnan(t->run_share) || isnan(row->share))
		return;
	t->run_share = VH_MIN(row->share, 1.0);
	t->share_of = "the time between two screens of top";
}

void vh_thread_decide_wait(struct vh_thread *t)
{
	const struct vh_thread_sample *samples[] = {&t->last, &t->first, &t->after};
	int votes[VH_N_WAIT] = {0};

	t->wait = t->last.seen ? t->last.wait : t->first.wait;
	if (t->role != VH_ROLE_VCPU)
		return;
	for (size_t i = 0; i < VH_ARRAY_SIZE(samples); i++)
		if (samples[i]->seen && samples[i]->wait != VH_WAIT_UNKNOWN)
			votes[samples[i]->wait]++;
	for (size_t i = 0; i < VH_ARRAY_SIZE(samples); i++)
		if (votes[samples[i]->wait] > votes[t->wait])
			t->wait = samples[i]->wait;
}

struct vh_thread *vh_thread_find(const struct vh_model *m, int64_t tid)
{
	/* Main stands first, the others behind it are sorted. */
	size_t low = m->n_threads && m->threads[0]->tid == m->vm->id.pid, high = m->n_threads;

	if (low && m->threads[0]->tid == tid)
		return m->threads[0];
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->threads[middle]->tid < tid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < m->n_threads && m->threads[low]->tid == tid ? m->threads[low] : NULL;
}

static void sample_free(struct vh_thread_sample *s)
{
	free(s->wchan);
	free(s->stack);
	*s = (struct vh_thread_sample){0};
}

static struct vh_thread *decode_thread(const struct vh_decoder *d, pid_t tid)
{
	struct vh_thread *t = vh_alloc(sizeof(*t));

	t->tid = tid;
	t->vcpu = -1;
	decode_sample(d, t, VH_FIRST, &t->first);
	decode_sample(d, t, VH_LAST, &t->last);
	decode_sample(d, t, VH_AFTER, &t->after);
	/* A thread id that was used again is another thread. */
	if (t->first.seen && t->last.seen &&
		t->first.stat.start_ticks != t->last.stat.start_ticks) {
		sample_free(&t->first);
		vh_replace(&t->name, t->last.stat.name);
	}
	if (!t->name)
		t->name = vh_strdup("");
	t->role = role_of(d, t);
	decode_shares(d, t);
	decode_pasted_shares(d, t);
	vh_thread_decide_wait(t);
	return t;
}

static int by_tid(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return x < y ? -1 : x > y;
}

/* The ids of all threads that anything was read of, sorted, each once; at most the cap. */
static pid_t *thread_ids(const struct vh_decoder *d, size_t *n)
{
	size_t begin, end;
	pid_t *ids = NULL;

	*n = 0;
	vh_lookup_source(&d->in, "task.stat", &begin, &end);
	for (size_t i = begin; i < end; i++) {
		uint64_t tid;

		if (i > begin &&
			strcmp(d->in.list[i].e->subject, d->in.list[i - 1].e->subject) == 0)
			continue;
		if (vh_subject_number("tid:", d->in.list[i].e->subject, &tid) && tid > 0 &&
			tid <= INT32_MAX)
			VH_PUSH(ids, *n) = (pid_t)tid;
	}
	for (size_t i = 0; d->pasted && i < d->pasted->n; i++)
		VH_PUSH(ids, *n) = d->pasted->list[i].tid;
	if (*n)
		qsort(ids, *n, sizeof(*ids), by_tid);
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++)
		if (!kept || ids[kept - 1] != ids[i])
			ids[kept++] = ids[i];
	*n = VH_MIN(kept, VH_MAX_THREADS);
	return ids;
}

/* QEMU starts its RCU thread before it reads "-name debug-threads=on" (util/rcu.c, a constructor):
 * the first thread behind main then still bears the process's name. */
static void find_rcu(struct vh_model *m)
{
	struct vh_thread *main = vh_model_main_thread(m), *first = NULL;

	if (!main || m->vm->vmm != VH_VMM_QEMU)
		return;
	for (size_t i = 0; i < m->n_threads; i++)
		if (m->threads[i]->role == VH_ROLE_RCU)
			return;
		else if (m->threads[i] != main && !first &&
			 vh_streq(m->threads[i]->name, main->name))
			first = m->threads[i];
	if (first && first->role == VH_ROLE_OTHER)
		first->role = VH_ROLE_RCU;
}

void vh_decode_threads(struct vh_decoder *d)
{
	struct vh_model *m = d->m;
	size_t n;
	vh_auto_free pid_t *ids = thread_ids(d, &n);

	m->threads = vh_realloc_array(NULL, n + 1, sizeof(*m->threads));
	for (int others = 0; others < 2; others++)
		for (size_t i = 0; i < n; i++)
			if ((ids[i] != m->vm->id.pid) == others)
				m->threads[m->n_threads++] = decode_thread(d, ids[i]);
	find_rcu(m);
}

void vh_thread_free(struct vh_thread *t)
{
	if (!t)
		return;
	sample_free(&t->first);
	sample_free(&t->last);
	sample_free(&t->after);
	free(t->name);
	free(t->affinity);
	free(t->blocked_on);
	free(t);
}
