/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/pulse.h"

#include <stdio.h>

#include "base/procstat.h"
#include "base/pulse.h"

#define SOURCE     "task.pulse"
#define LOOKS      20
#define LEAST_STEP (25 * VH_NS_PER_MS)
#define MOST_STEP  (100 * VH_NS_PER_MS)

enum { STAT, SCHEDSTAT, WCHAN, N_FILES };
static const char *const files[N_FILES] = {"stat", "schedstat", "wchan"};

/* The main thread and the vCPUs; where no name tells which threads are vCPUs, whatever there is. */
static size_t choose(const struct vh_case *c, struct vh_pulse_watched chosen[VH_PULSE_THREADS])
{
	const struct vh_evidence *tasks = vh_case_find_data(c, "proc.tasks", NULL, VH_FIRST);
	struct vh_str rest = vh_evidence_text(tasks), line;
	struct vh_pulse_watched others[VH_PULSE_THREADS];
	size_t n = 0, n_others = 0;
	int64_t tid;

	while (vh_next_line(&rest, &line) && n < VH_PULSE_THREADS) {
		if (!vh_parse_i64(vh_str_trim(line), 10, &tid))
			continue;
		vh_auto_free char *subject = vh_asprintf("tid:%lld", (long long)tid);
		struct vh_procstat stat = {0};
		uint64_t index;
		struct vh_pulse_watched w = {.tid = tid, .is_main = tid == c->vm->id.pid};

		vh_procstat_parse(
			vh_evidence_text(vh_case_find_data(c, "task.stat", subject, VH_FIRST)),
			&stat);
		w.is_vcpu = !w.is_main && vh_vcpu_name(stat.name, &index);
		if (w.is_main || w.is_vcpu)
			chosen[n++] = w;
		else if (n_others < VH_PULSE_THREADS)
			others[n_others++] = w;
	}
	bool named = false;

	for (size_t i = 0; i < n; i++)
		named = named || chosen[i].is_vcpu;
	for (size_t i = 0; !named && i < n_others && n < VH_PULSE_THREADS; i++)
		chosen[n++] = others[i];
	return n;
}

static void take_thread(struct vh_buf *pulse, int64_t at_ns, const struct vh_pulse_watched *w,
	const struct vh_file_read read[N_FILES])
{
	struct vh_procstat stat;
	struct vh_str text[N_FILES], word;
	struct vh_pulse_thread t = {
		.at_ns = at_ns, .tid = w->tid, .is_main = w->is_main, .is_vcpu = w->is_vcpu};

	for (size_t i = 0; i < N_FILES; i++)
		text[i] = (struct vh_str){read[i].out.data ? read[i].out.data : "",
			read[i].out.data ? read[i].out.size : 0};
	if (!vh_procstat_parse(text[STAT], &stat) || !vh_next_word(&text[SCHEDSTAT], &word) ||
		!vh_parse_u64(word, 10, &t.run_ns))
		return;
	t.state = stat.state;
	t.wchan = vh_str_trim(text[WCHAN]);
	vh_pulse_write(pulse, &t);
}

void vh_pulse_begin(struct vh_pulse *p, struct vh_host *host, const struct vh_case *c)
{
	*p = (struct vh_pulse){0};
	if (vh_host_is_live(host))
		p->n = choose(c, p->watched);
}

void vh_pulse_look(struct vh_pulse *p, struct vh_host *host, const struct vh_case *c)
{
	struct vh_file_read read[VH_PULSE_THREADS * N_FILES] = {{0}};
	size_t n = p->n * N_FILES;

	p->looked_ns = vh_now_ns();
	for (size_t i = 0; i < n; i++) {
		read[i].path = vh_asprintf("/proc/%d/task/%lld/%s", (int)c->vm->id.pid,
			(long long)p->watched[i / N_FILES].tid, files[i % N_FILES]);
		read[i].cap = 1024;
	}
	vh_host_read_many(host, read, n);
	for (size_t i = 0; i < p->n; i++)
		take_thread(
			&p->text, p->looked_ns - c->began_ns, &p->watched[i], &read[i * N_FILES]);
	for (size_t i = 0; i < n; i++) {
		vh_reading_free(&read[i].out);
		free(read[i].path);
	}
}

void vh_pulse_wait(
	struct vh_pulse *p, struct vh_host *host, const struct vh_case *c, int64_t until_ns)
{
	int64_t next_ns = vh_now_ns();
	int64_t step_ns = VH_MIN(VH_MAX((until_ns - next_ns) / LOOKS, LEAST_STEP), MOST_STEP);

	while (p->n && next_ns < until_ns) {
		vh_pulse_look(p, host, c);
		next_ns = VH_MAX(next_ns + step_ns, vh_now_ns() + step_ns / 2);
		if (next_ns < until_ns)
			vh_sleep_until_ns(next_ns);
	}
	vh_sleep_until_ns(until_ns);
	if (p->n && vh_now_ns() - p->looked_ns > step_ns / 2)
		vh_pulse_look(p, host, c);
}

void vh_pulse_to_case(
	struct vh_case *c, enum vh_round round, const struct vh_pulse *p, int64_t began_ns)
{
	if (!p->text.len)
		return;
	vh_auto_free char *where = vh_asprintf("/proc/%d/task", (int)c->vm->id.pid);
	struct vh_evidence *e = vh_case_add(c, round, SOURCE, "", where);

	vh_evidence_set_data(e, p->text.data, p->text.len);
	vh_evidence_set_number(e, "before_ns", c->began_ns - began_ns);
}
