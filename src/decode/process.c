/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VMM's process as a whole. */
#include "decode/decoder.h"

static int64_t kib_field(struct vh_str status, const char *key)
{
	struct vh_str value, number;
	uint64_t kib;

	if (!vh_status_field(status, key, &value) || !vh_next_word(&value, &number) ||
		!vh_parse_u64(number, 10, &kib) || kib > INT64_MAX / 1024)
		return -1;
	return (int64_t)kib * 1024;
}

static int keyed_number(struct vh_str text, const char *key, int fallback)
{
	struct vh_str line, word;
	int64_t value;

	while (vh_next_line(&text, &line))
		if (vh_next_word(&line, &word) && vh_str_is(word, key) &&
			vh_parse_i64(vh_str_trim(line), 10, &value) && value >= -1000 &&
			value <= 100000)
			return (int)value;
	return fallback;
}

/* "/autogroup-12 nice 5" */
static int autogroup_nice(struct vh_str text)
{
	struct vh_str word;
	int64_t value;

	while (vh_next_word(&text, &word))
		if (vh_str_is(word, "nice") && vh_next_word(&text, &word) &&
			vh_parse_i64(word, 10, &value) && value >= -20 && value <= 19)
			return (int)value;
	return -100;
}

static const struct vh_thread_sample *newest_sample(const struct vh_thread *t)
{
	return t->after.seen ? &t->after : t->last.seen ? &t->last : &t->first;
}

/* True where no other thread was there any more in the look that saw the main thread last. */
static bool is_alone(const struct vh_model *m, const struct vh_thread *main)
{
	for (size_t i = 0; i < m->n_threads; i++) {
		const struct vh_thread *t = m->threads[i];

		if (t != main && (main->after.seen         ? t->after.seen
					 : main->last.seen ? t->last.seen
							   : t->first.seen))
			return false;
	}
	return true;
}

static bool ended(const struct vh_decoder *d, const struct vh_thread *main)
{
	static const enum vh_round looks[] = {VH_FIRST, VH_LAST, VH_AFTER};
	uint64_t start = d->m->vm->id.start_ticks;

	for (size_t i = 0; i < VH_ARRAY_SIZE(looks); i++) {
		const struct vh_found *f = vh_seek(&d->in, "proc.tasks", "", looks[i]);

		if (f && f->e->status == VH_ABSENT)
			return true;
	}
	if (!main)
		return false;
	const struct vh_thread_sample *s = newest_sample(main);

	if (start && s->stat.start_ticks && s->stat.start_ticks != start)
		return true;
	/* A main thread that left alone is a zombie beside its running threads. */
	return (s->stat.state == 'Z' || s->stat.state == 'X') && is_alone(d->m, main);
}

/* Who traces it, as proc.tracer names it. */
static char *tracer_name(const struct vh_decoder *d, pid_t tracer)
{
	vh_auto_free char *subject = vh_asprintf("pid:%d", (int)tracer);
	struct vh_str name = vh_str_trim(vh_seek_text(&d->in, "proc.tracer", subject, VH_N_ROUND));
	vh_auto_free char *raw = vh_str_dup((struct vh_str){name.s, VH_MIN(name.n, 64)});

	return name.n ? vh_escaped(raw) : NULL;
}

/* The kernel shows it in the place of an exit code (signal.h: at most 64). */
static int stop_signal(const struct vh_thread *main)
{
	const struct vh_thread_sample *s = main ? newest_sample(main) : NULL;

	return s && s->stat.state == 'T' && s->stat.exit_code <= 64 ? (int)s->stat.exit_code : 0;
}

static bool holds_userfaultfd(struct vh_str fds)
{
	return vh_str_find(fds, "anon_inode:[userfaultfd]") >= 0;
}

/* Since it was started; -1 where the host's clock was not read, or is another's. */
static int64_t age_ns(const struct vh_decoder *d)
{
	struct vh_str text = vh_seek_text(&d->in, "host.uptime", "", VH_N_ROUND), word;
	uint64_t start = d->m->vm->id.start_ticks;
	double up_s;

	if (!start || d->ticks_per_s <= 0 || !vh_next_word(&text, &word) ||
		!vh_parse_double(word, &up_s))
		return -1;
	double age_s = up_s - (double)start / (double)d->ticks_per_s;

	return age_s >= 0 && age_s < 1e9 ? (int64_t)(age_s * VH_NS_PER_S) : -1;
}

#define SIGKILL_BIT (UINT64_C(1) << 8) /* proc(5): bit N-1 of a mask is signal N */

static bool sigkill_pending(
	const struct vh_decoder *d, const struct vh_thread *t, enum vh_round round)
{
	static const char *const keys[] = {"SigPnd", "ShdPnd"};
	vh_auto_free char *subject = vh_asprintf("tid:%d", (int)t->tid);
	struct vh_str text = vh_seek_text(&d->in, "task.status", subject, round), value;
	uint64_t mask;

	for (size_t i = 0; i < VH_ARRAY_SIZE(keys); i++)
		if (vh_status_field(text, keys[i], &value) && vh_parse_u64(value, 16, &mask) &&
			mask & SIGKILL_BIT)
			return true;
	return false;
}

/* A thread that was told to end, and did not in the time between two looks; one that waits for a
 * CPU, or is stopped, has not had the chance to. */
static pid_t cannot_end(const struct vh_decoder *d, const struct vh_thread *main)
{
	bool main_ended = main && main->first.seen && main->first.stat.state == 'Z' &&
			  main->last.seen && main->last.stat.state == 'Z';

	for (size_t i = 0; i < d->m->n_threads; i++) {
		const struct vh_thread *t = d->m->threads[i];

		if (!t->first.seen || !t->last.seen || t->first.stat.state != 'D' ||
			t->last.stat.state != 'D')
			continue;
		if ((main_ended && t != main) ||
			(sigkill_pending(d, t, VH_FIRST) && sigkill_pending(d, t, VH_LAST)))
			return t->tid;
	}
	return 0;
}

static bool dumps_core(const struct vh_decoder *d, enum vh_round round)
{
	struct vh_str value;

	return vh_status_field(
		       vh_seek_text(&d->in, "proc.status", "", round), "CoreDumping", &value) &&
	       vh_str_is(vh_str_trim(value), "1");
}

void vh_decode_process(struct vh_decoder *d)
{
	struct vh_process_view *p = &d->m->process;
	const struct vh_thread *main = vh_model_main_thread(d->m);
	struct vh_str status = vh_seek_window(&d->in, "proc.status", "");
	struct vh_str oom = vh_seek_text(&d->in, "proc.oom", "", VH_N_ROUND);

	p->seen = status.n || d->m->n_threads;
	p->died = ended(d, main);
	p->killed = cannot_end(d, main);
	p->dumps_core = dumps_core(d, VH_FIRST) || dumps_core(d, VH_LAST);
	p->state = main ? (main->last.seen ? main->last.stat.state : main->first.stat.state) : 0;
	p->rss_bytes = kib_field(status, "VmRSS");
	p->swap_bytes = kib_field(status, "VmSwap");
	p->oom_score = keyed_number(oom, "oom_score", -1001);
	p->oom_score_adj = keyed_number(oom, "oom_score_adj", -1001);
	p->age_ns = age_ns(d);
	p->autogroup_nice = autogroup_nice(vh_seek_text(&d->in, "proc.autogroup", "", VH_N_ROUND));
	p->has_userfaultfd = holds_userfaultfd(vh_seek_text(&d->in, "proc.fd", "", VH_N_ROUND));
	p->stop_signal = stop_signal(main);
	p->major_faults_per_s = NAN;
	for (size_t i = 0; i < d->m->n_threads; i++) {
		const struct vh_thread *t = d->m->threads[i];

		if (!p->tracer)
			p->tracer = t->last.seen ? t->last.tracer : t->first.tracer;
		if (!isnan(t->major_faults_per_s))
			p->major_faults_per_s =
				t->major_faults_per_s +
				(isnan(p->major_faults_per_s) ? 0 : p->major_faults_per_s);
	}
	if (p->tracer)
		p->tracer_name = tracer_name(d, p->tracer);
}
