/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The backend "statistics": what KVM counts by itself, and how much it grew between two readings.
 * From debugfs, where it can be read; else the monitor is asked, by the rules of src/collect/plan.c
 * and on the evidence of a passive look just before. It tells no reasons and no keys, but costs the
 * guest nothing.
 */
#include "base/clock.h"
#include "collect/passive.h"
#include "collect/session.h"
#include "collect/trace_backend.h"
#include "collect/trace_events.h"
#include "collect/trace_threads.h"

#define COUNTERS_MAX 16384u /* of all vCPUs together, a sample */
#define MONITOR_NS   (1500 * VH_NS_PER_MS)
#define REFRESH_NS   VH_NS_PER_S

struct counter {
	int vcpu; /* index; -1: the VM's */
	char *name;
	int64_t value;
};
struct sample {
	int64_t at_ns;
	struct counter *list;
	size_t n;
	char *why; /* there is none */
};

struct statistics {
	struct vh_host *host;
	struct vh_vm *vm;
	struct vh_trace_options options;
	char *libvirt_uri;
	struct vh_vcpu_ids ids;
	struct sample first;
};

static void sample_free(struct sample *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->list[i].name);
	free(s->list);
	free(s->why);
	*s = (struct sample){0};
}

static void put(struct sample *s, int vcpu, struct vh_str name, uint64_t value)
{
	/* In debugfs a vCPU has its thread's id beside its counters. */
	if (s->n < COUNTERS_MAX && value <= INT64_MAX && !vh_str_is(name, "pid"))
		VH_PUSH(s->list, s->n) = (struct counter){vcpu, vh_str_dup(name), (int64_t)value};
}

/* --- debugfs ---------------------------------------------------------------------------------- */

static void take_lines(struct sample *s, int vcpu, struct vh_str text)
{
	struct vh_str line, name;
	uint64_t value;

	while (vh_next_line(&text, &line))
		if (vh_next_word(&line, &name) && vh_parse_u64(vh_str_trim(line), 10, &value))
			put(s, vcpu, name, value);
}

/* Reads the counters as the passive look does. Under lockdown what is left are gauges: that counts
 * as nothing. */
static void from_debugfs(struct statistics *t, struct sample *s)
{
	struct vh_case *c = vh_case_new(vh_vm_copy(t->vm));

	s->at_ns = vh_now_ns();
	vh_collect_kvmstats.collect(t->host, c, VH_FIRST);
	vh_case_foreach (c, e) {
		struct vh_str subject = vh_str(e->subject), digits;
		uint64_t id;

		if (!vh_streq(e->source, "kvm.stats"))
			continue;
		if (e->status != VH_OK) {
			vh_replace(&s->why, e->detail ? e->detail : "debugfs cannot be read");
			break;
		}
		digits = (struct vh_str){
			subject.s + VH_MIN(subject.n, 5), subject.n > 5 ? subject.n - 5 : 0};
		if (vh_str_is(subject, "vm"))
			take_lines(s, -1, vh_evidence_text(e));
		else if (vh_str_starts(subject, "vcpu:") && vh_parse_u64(digits, 10, &id))
			take_lines(s, vh_vcpu_index_of(&t->ids, (uint32_t)id), vh_evidence_text(e));
	}
	vh_case_free(c);
	if (!s->why && !s->n)
		s->why = vh_strdup("debugfs has no counters of the VM");
}

/* --- The monitor ------------------------------------------------------------------------------ */

/* The vCPU that query-cpus-fast calls so; the order of query-stats says nothing. */
static bool index_of_path(struct json_object *cpus, const char *path, int *vcpu)
{
	size_t n = json_object_is_type(cpus, json_type_array) ? json_object_array_length(cpus) : 0;

	for (size_t i = 0; path && i < n; i++) {
		struct json_object *cpu = json_object_array_get_idx(cpus, i);
		int64_t index;

		if (!vh_streq(vh_json_string(cpu, "qom-path", NULL), path) ||
			!vh_json_i64(cpu, "cpu-index", &index) || index < 0 ||
			index >= VH_MAX_TRACED)
			continue;
		*vcpu = (int)index;
		return true;
	}
	return false;
}

/* [{"name": "exits", "value": 5}, ...]; histograms are arrays, and left out. */
static void take_stats(struct sample *s, int vcpu, struct json_object *stats)
{
	size_t n =
		json_object_is_type(stats, json_type_array) ? json_object_array_length(stats) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *stat = json_object_array_get_idx(stats, i);
		struct json_object *value = vh_json_at(stat, "value", NULL);
		const char *name = vh_json_string(stat, "name", NULL);
		uint64_t number;

		if (json_object_is_type(value, json_type_boolean))
			number = json_object_get_boolean(value);
		else if (!vh_json_u64(stat, "value", &number))
			continue;
		if (name)
			put(s, vcpu, vh_str(name), number);
	}
}

static void take_answer(struct sample *s, struct json_object *list, struct json_object *cpus)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		int vcpu = -1;

		if (!vh_streq(vh_json_string(one, "provider", NULL), "kvm") ||
			(cpus &&
				!index_of_path(cpus, vh_json_string(one, "qom-path", NULL), &vcpu)))
			continue;
		take_stats(s, vcpu, vh_json_at(one, "stats", NULL));
	}
}

/* Asks a row of the plan, if it may be asked; the caller puts the answer. NULL and s->why else. */
static struct json_object *ask(
	struct vh_session *session, const char *source, const char *subject, struct sample *s)
{
	const struct vh_question *q = vh_plan_find(source, subject);
	const char *objection = vh_plan_objection(&session->outlook, q);
	vh_auto_qmp_answer struct vh_qmp_answer a = {0};
	vh_auto_json struct json_object *arguments = NULL;
	struct vh_error *err = NULL;

	if (objection || !vh_session_goes_on(session)) {
		vh_replace(&s->why, objection ? objection : session->over);
		return NULL;
	}
	if (q->arguments)
		arguments = vh_json_parse(vh_str(q->arguments), &err);
	vh_error_free(err);
	vh_session_ask(session, q->command, arguments, &a);
	if (a.outcome != VH_QMP_OK) {
		vh_auto_free char *detail = vh_escaped(a.detail);
		vh_auto_free char *why = vh_asprintf("%s: %s", q->command, detail);

		vh_replace(&s->why, why);
		return NULL;
	}
	return json_object_get(a.value);
}

static void ask_all(struct vh_session *session, struct sample *s)
{
	vh_auto_json struct json_object *status = ask(session, "qmp.query-status", NULL, s);

	const char *run_state = vh_json_string(status, "status", NULL);

	/* Nothing is asked before that was answered. */
	if (!run_state)
		return;
	vh_outlook_add_run_state(&session->outlook, run_state);
	vh_auto_json struct json_object *cpus = ask(session, "qmp.query-cpus-fast", NULL, s);

	if (!cpus)
		return;
	s->at_ns = vh_now_ns();
	vh_auto_json struct json_object *vcpu = ask(session, "qmp.query-stats", "vcpu", s);

	if (vcpu)
		take_answer(s, vcpu, cpus);
	/* Without the vCPUs' the VM's own say nothing. */
	if (!s->n)
		return;
	vh_auto_json struct json_object *vm = ask(session, "qmp.query-stats", "vm", s);

	take_answer(s, vm, NULL);
}

/* Each reading is a conversation of its own: nobody else is kept from the monitor in between. */
static void from_monitor(struct statistics *t, struct sample *s)
{
	const struct vh_collect_options options = {.monitor_ns = MONITOR_NS,
		.no_libvirt = t->options.no_libvirt,
		.libvirt_uri = t->libvirt_uri};
	struct vh_case *c = vh_case_new(vh_vm_copy(t->vm));
	struct vh_session session;

	vh_collect_threads.collect(t->host, c, VH_FIRST);
	vh_collect_process.collect(t->host, c, VH_FIRST);
	vh_collect_process.collect(t->host, c, VH_ONCE);
	vh_collect_cgroup.collect(t->host, c, VH_FIRST);
	vh_session_begin(&session, t->host, c, &options);
	if (!session.outlook.against[VH_NEED_CONTACT] && t->vm->libvirt.managed)
		vh_session_ask_libvirt(&session);
	if (vh_session_open(&session))
		ask_all(&session, s);
	else
		vh_replace(&s->why, session.over);
	vh_session_end(&session);
	vh_case_free(c);
	if (s->n) {
		free(s->why);
		s->why = NULL;
	} else if (!s->why) {
		s->why = vh_strdup("query-stats told nothing of KVM");
	}
}

static struct sample take_sample(struct statistics *t)
{
	struct sample s = {0};

	from_debugfs(t, &s);
	if (!s.why)
		return s;
	if (t->options.passive) {
		vh_auto_free char *why =
			vh_asprintf("%s; the monitor is not asked for them here", s.why);

		vh_replace(&s.why, why);
		return s;
	}
	vh_auto_free char *passive = s.why;

	/* What debugfs told before it failed belongs to no answer of the monitor's. */
	s.why = NULL;
	sample_free(&s);
	from_monitor(t, &s);
	if (s.why) {
		vh_auto_free char *why = vh_asprintf("%s; %s", passive, s.why);

		vh_replace(&s.why, why);
	}
	return s;
}

/* --- The backend ------------------------------------------------------------------------------ */

static void close_statistics(void *data)
{
	struct statistics *t = data;

	sample_free(&t->first);
	vh_vm_free(t->vm);
	free(t->libvirt_uri);
	free(t->ids.list);
	free(t);
}

static void *open_statistics(struct vh_host *host, const struct vh_vm *vm,
	const struct vh_trace_options *options, char **why)
{
	struct statistics *t = vh_alloc(sizeof(*t));

	t->host = host;
	t->vm = vh_vm_copy(vm);
	t->options = *options;
	t->libvirt_uri = vh_strdup(options->libvirt_uri);
	vh_vcpu_ids_read(host, vm->id.pid, &t->ids);
	t->first = take_sample(t);
	if (!t->first.why)
		return t;
	*why = t->first.why;
	t->first.why = NULL;
	close_statistics(t);
	return NULL;
}

static int64_t refresh(void *data VH_UNUSED)
{
	return vh_now_ns() + REFRESH_NS;
}

static const struct counter *find(const struct sample *s, const struct counter *like, size_t *hint)
{
	for (size_t k = 0; k < s->n; k++) {
		const struct counter *c = &s->list[(*hint + k) % s->n];

		if (c->vcpu == like->vcpu && strcmp(c->name, like->name) == 0) {
			*hint = (*hint + k + 1) % s->n;
			return c;
		}
	}
	return NULL;
}

static pid_t tid_of(const struct vh_trace_threads *threads, int vcpu)
{
	for (size_t i = 0; i < threads->n; i++)
		if (threads->list[i].vcpu == vcpu)
			return threads->list[i].tid;
	return 0;
}

/* The row of a vCPU in the list, made if it is not there. Samples list one vCPU after the other. */
static struct json_object *row_of(
	struct json_object *rows, const struct vh_trace_threads *threads, int vcpu)
{
	size_t n = json_object_array_length(rows);
	int64_t have;

	for (size_t i = n; i-- > 0;) {
		struct json_object *row = json_object_array_get_idx(rows, i);

		if (vh_json_i64(row, "vcpu", &have) && have == vcpu)
			return vh_json_at(row, "statistics", NULL);
	}
	struct json_object *row = json_object_new_object();
	struct json_object *statistics = json_object_new_object();
	pid_t tid = tid_of(threads, vcpu);

	vh_json_put_i64(row, "vcpu", vcpu);
	if (tid)
		vh_json_put_i64(row, "tid", tid);
	json_object_object_add(row, "statistics", statistics);
	json_object_array_add(rows, row);
	return statistics;
}

static struct json_object *growth(struct statistics *t, const struct sample *last)
{
	struct json_object *rows = json_object_new_array();
	struct vh_trace_threads threads = {0};
	size_t hint = 0;

	vh_trace_threads_read(t->host, t->vm->id.pid, &threads);
	for (size_t i = 0; i < last->n; i++) {
		const struct counter *c = &last->list[i], *was = find(&t->first, c, &hint);

		if (was)
			vh_json_put_i64(
				row_of(rows, &threads, c->vcpu), c->name, c->value - was->value);
	}
	vh_trace_threads_free(&threads);
	return rows;
}

static struct json_object *unwanted_events(void)
{
	struct json_object *rows = json_object_new_array();

	for (int tp = 0; tp < VH_N_TP; tp++) {
		struct json_object *row = json_object_new_object();

		vh_json_put_text(row, "name", vh_tp_name((enum vh_tp)tp));
		vh_json_put_text(row, "state", "unwanted");
		json_object_array_add(rows, row);
	}
	return rows;
}

static struct json_object *read_statistics(void *data)
{
	struct statistics *t = data;
	struct json_object *o = json_object_new_object();
	struct sample last = take_sample(t);

	json_object_object_add(o, "events", unwanted_events());
	if (last.why) {
		/* What was read first stays: the next span begins there, too. */
		vh_json_put_i64(o, "span_ns", vh_now_ns() - t->first.at_ns);
		json_object_object_add(o, "threads", json_object_new_array());
		vh_json_put_text(o, "why", last.why);
		sample_free(&last);
		return o;
	}
	vh_json_put_i64(o, "span_ns", last.at_ns - t->first.at_ns);
	json_object_object_add(o, "threads", growth(t, &last));
	sample_free(&t->first);
	t->first = last;
	return o;
}

/* What no debugfs tells, a VM's monitor may: only opening shows it. */
static char *why_not(struct vh_host *host VH_UNUSED)
{
	return NULL;
}

const struct vh_trace_ops vh_trace_statistics = {
	.open = open_statistics,
	.refresh = refresh,
	.read = read_statistics,
	.close = close_statistics,
	.why_not = why_not,
};
