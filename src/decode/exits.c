/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/exits.h"

#include <inttypes.h>

#include "decode/constants.h"
#include "decode/keytext.h"

/* The JSON may come from anybody: more rows than these are ignored. A vCPU has one or two dozen
 * reasons, and some hundred keys. */
#define MAX_ROWS       512
#define MAX_KEYS       4096
#define MAX_ALL_KEYS   65536
#define MAX_EVENTS     64
#define MAX_BACKENDS   4
#define MAX_STATISTICS 512
#define MAX_NAME       64
#define MAX_WHY        400
#define MAX_SPAN_NS    (INT64_C(30) * 24 * 3600 * 1000000000)
/* Clocks of two CPUs differ by a little: the parts may exceed the whole by that. */
#define SLACK_NS 2000000

struct decode {
	struct vh_exits *e;
	const struct vh_devices *devices;
	size_t n_keys; /* of all threads */
};

static size_t array_length(struct json_object *a, size_t max)
{
	return json_object_is_type(a, json_type_array) ? VH_MIN(json_object_array_length(a), max)
						       : 0;
}

/* An absent number is 0; false where it is no number that could be one. */
static bool read_count(struct json_object *o, const char *key, uint64_t *value)
{
	*value = 0;
	return !vh_json_at(o, key, NULL) || vh_json_u64(o, key, value);
}

/* The same for nanoseconds; a thing that lasts for a month is none. */
static bool read_ns(struct json_object *o, const char *key, double *value)
{
	uint64_t ns;

	*value = 0;
	if (!read_count(o, key, &ns) || ns > (uint64_t)MAX_SPAN_NS)
		return false;
	*value = (double)ns;
	return true;
}

/* 64-bit numbers are strings, "0x3f8" or decimal. */
static bool read_number(struct json_object *o, const char *key, uint64_t *value)
{
	const char *s = vh_json_string(o, key, NULL);

	return s && vh_parse_u64(vh_str(s), 0, value);
}

/* A string of somebody else's, for people; NULL where there is none. */
static char *read_text(struct json_object *o, const char *key, size_t max)
{
	const char *s = vh_json_string(o, key, NULL);
	struct vh_buf b = {0};

	if (!s || !*s)
		return NULL;
	vh_escape(&b, (struct vh_str){s, strnlen(s, max)}, false);
	return vh_buf_steal(&b);
}

static void no_timing(struct vh_timing *t)
{
	t->timed = 0;
	t->total_ns = t->min_ns = t->max_ns = t->mean_ns = t->deviation = NAN;
}

/* Standard deviation of the mean over the mean, from the sum of the squares (tools/perf/util/stat.c
 * of Linux 6.12 computes it so, from running sums). */
static double deviation_of(const struct vh_timing *t, double squares)
{
	double n = (double)t->timed;

	if (t->timed < 2)
		return NAN;
	double variance = (squares - n * t->mean_ns * t->mean_ns) / (n - 1);

	if (variance <= 0 || t->mean_ns <= 0)
		return 0;
	return sqrt(variance / n) / t->mean_ns;
}

static void read_log2(struct json_object *o, struct vh_timing *t)
{
	struct json_object *a = vh_json_at(o, "log2", NULL);
	size_t n = array_length(a, VH_N_LOG2);

	for (size_t i = 0; i < n; i++) {
		struct json_object *v = json_object_array_get_idx(a, i);

		if (json_object_is_type(v, json_type_int) && json_object_get_int64(v) > 0)
			t->log2[i] = json_object_get_uint64(v);
	}
}

/* False where it has no count; times that contradict each other are not told. */
static bool read_timing(struct json_object *o, struct vh_timing *t)
{
	struct json_object *sum = vh_json_at(o, "squares", NULL);
	double squares = json_object_is_type(sum, json_type_double) ||
					 json_object_is_type(sum, json_type_int)
				 ? json_object_get_double(sum)
				 : NAN;

	*t = (struct vh_timing){0};
	if (!read_count(o, "count", &t->count) || !t->count)
		return false;
	bool told = read_count(o, "timed", &t->timed) && t->timed && t->timed <= t->count &&
		    read_ns(o, "min_ns", &t->min_ns) && read_ns(o, "max_ns", &t->max_ns);
	uint64_t total;

	/* All vCPUs together may sleep for longer than a month. */
	if (!told || !read_count(o, "total_ns", &total)) {
		no_timing(t);
		return true;
	}
	t->total_ns = (double)total;
	t->mean_ns = t->total_ns / (double)t->timed;
	if (t->min_ns > t->max_ns || t->mean_ns < floor(t->min_ns) - 1 ||
		t->mean_ns > t->max_ns + 1) {
		no_timing(t);
		return true;
	}
	t->deviation = isfinite(squares) ? deviation_of(t, squares) : NAN;
	read_log2(o, t);
	return true;
}

static int compare_rows(const void *a, const void *b)
{
	const struct vh_exit_row *x = a, *y = b;
	double s = isnan(x->timing.total_ns) ? 0 : x->timing.total_ns;
	double t = isnan(y->timing.total_ns) ? 0 : y->timing.total_ns;

	if (s != t)
		return s > t ? -1 : 1;
	if (x->timing.count != y->timing.count)
		return x->timing.count > y->timing.count ? -1 : 1;
	return x->reason < y->reason ? -1 : x->reason > y->reason;
}

static void read_rows(struct decode *d, struct json_object *o, struct vh_vcpu_exits *v)
{
	struct json_object *a = vh_json_at(o, "exits", NULL);
	size_t n = array_length(a, MAX_ROWS);

	for (size_t i = 0; i < n; i++) {
		struct json_object *row = json_object_array_get_idx(a, i);
		struct vh_exit_row r = {0};

		if (!read_number(row, "reason", &r.reason) || !read_timing(row, &r.timing))
			continue;
		if (__builtin_add_overflow(v->exits, r.timing.count, &v->exits))
			v->exits = UINT64_MAX;
		r.name = vh_exit_reason_name(d->e->isa, r.reason);
		r.text = vh_exit_reason_text(d->e->isa, r.reason);
		VH_PUSH(v->rows, v->n_rows) = r;
	}
	if (v->n_rows)
		qsort(v->rows, v->n_rows, sizeof(*v->rows), compare_rows);
}

static int compare_keys(const void *a, const void *b)
{
	const struct vh_exit_key *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->timing.count != y->timing.count)
		return x->timing.count > y->timing.count ? -1 : 1;
	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	return x->detail < y->detail ? -1 : x->detail > y->detail;
}

static bool read_key(struct json_object *o, struct vh_exit_key *k)
{
	int kind = vh_key_kind_parse(vh_json_string(o, "kind", ""));

	*k = (struct vh_exit_key){.reason = VH_NO_REASON};
	if (kind < 0 || (vh_json_at(o, "value", NULL) && !read_number(o, "value", &k->value)) ||
		(vh_json_at(o, "detail", NULL) && !read_number(o, "detail", &k->detail)) ||
		(vh_json_at(o, "reason", NULL) && !read_number(o, "reason", &k->reason)))
		return false;
	k->kind = (enum vh_key_kind)kind;
	return read_timing(o, &k->timing);
}

static void read_keys(struct decode *d, struct json_object *o, struct vh_vcpu_exits *v)
{
	struct json_object *a = vh_json_at(o, "keys", NULL);
	size_t n = array_length(a, MAX_KEYS);

	for (size_t i = 0; i < n && d->n_keys < MAX_ALL_KEYS; i++) {
		struct vh_exit_key k;

		if (!read_key(json_object_array_get_idx(a, i), &k))
			continue;
		k.text = vh_exit_key_text(d->e->isa, &k);
		k.device = vh_exit_key_device(d->e->isa, d->devices, &k);
		VH_PUSH(v->keys, v->n_keys) = k;
		d->n_keys++;
	}
	if (v->n_keys)
		qsort(v->keys, v->n_keys, sizeof(*v->keys), compare_keys);
}

static void read_more(struct json_object *o, struct vh_vcpu_exits *v)
{
	struct json_object *more = vh_json_at(o, "more", NULL);

	for (int kind = 0; more && kind < VH_N_KEY_KIND; kind++) {
		struct json_object *rest =
			vh_json_at(more, vh_key_kind_name((enum vh_key_kind)kind), NULL);
		uint64_t keys, count;

		if (!read_count(rest, "keys", &keys) || !read_count(rest, "count", &count))
			continue;
		v->more[kind].keys = keys;
		v->more[kind].count = count;
	}
}

static void read_statistics(struct json_object *o, struct vh_vcpu_exits *v)
{
	struct json_object *s = vh_json_at(o, "statistics", NULL);

	if (!json_object_is_type(s, json_type_object))
		return;
	json_object_object_foreach (s, name, value) {
		if (v->n_statistics == MAX_STATISTICS)
			break;
		if (!json_object_is_type(value, json_type_int) || strlen(name) > MAX_NAME)
			continue;
		VH_PUSH(v->statistics, v->n_statistics) =
			(struct vh_growth){vh_escaped(name), json_object_get_int64(value)};
	}
}

/* Times that are more than there was time are no times: none is told then. */
static void read_times(const struct vh_exits *e, struct json_object *o, struct vh_vcpu_exits *v)
{
	struct json_object *times = vh_json_at(o, "time_ns", NULL);
	double sum = 0;

	for (int p = 0; p < VH_N_PLACE; p++)
		for (int r = 0; r < VH_N_REST; r++) {
			struct json_object *place =
				vh_json_at(times, vh_place_name((enum vh_place)p), NULL);

			if (!read_ns(place, vh_rest_name((enum vh_rest)r), &v->time_ns[p][r]))
				sum = INFINITY;
			sum += v->time_ns[p][r];
		}
	if (sum <= e->span_ns * 1.01 + SLACK_NS)
		v->span_ns = sum;
	else
		memset(v->time_ns, 0, sizeof(v->time_ns));
}

static struct vh_vcpu_exits *read_thread(struct decode *d, struct json_object *o)
{
	int64_t vcpu, tid = 0;

	if (!vh_json_i64(o, "vcpu", &vcpu) || vcpu < -1 || vcpu >= VH_MAX_TRACED)
		return NULL;
	struct vh_vcpu_exits *v = vh_alloc(sizeof(*v));
	int place = vh_place_parse(vh_json_string(o, "place", ""));
	int rest = vh_rest_parse(vh_json_string(o, "rest", ""));

	vh_json_i64(o, "tid", &tid);
	v->vcpu = (int)vcpu;
	v->tid = tid > 0 && tid <= INT32_MAX ? (pid_t)tid : 0;
	v->ended = vh_json_bool(o, "ended", false);
	v->place = place < 0 ? VH_PLACE_UNKNOWN : (enum vh_place)place;
	v->rest = rest < 0 ? VH_REST_ON : (enum vh_rest)rest;
	if (!read_ns(o, "since_ns", &v->since_ns))
		v->since_ns = 0;
	read_count(o, "entries", &v->entries);
	read_times(d->e, o, v);
	read_rows(d, o, v);
	read_keys(d, o, v);
	read_more(o, v);
	read_statistics(o, v);
	return v;
}

static void vcpu_free(struct vh_vcpu_exits *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n_rows; i++)
		free(v->rows[i].text);
	for (size_t i = 0; i < v->n_keys; i++) {
		free(v->keys[i].text);
		free(v->keys[i].device);
	}
	for (size_t i = 0; i < v->n_statistics; i++)
		free(v->statistics[i].name);
	free(v->rows);
	free(v->keys);
	free(v->statistics);
	free(v);
}

static int compare_vcpus(const void *a, const void *b)
{
	const struct vh_vcpu_exits *x = *(struct vh_vcpu_exits *const *)a;
	const struct vh_vcpu_exits *y = *(struct vh_vcpu_exits *const *)b;

	if (x->vcpu != y->vcpu)
		return x->vcpu < y->vcpu ? -1 : 1;
	/* A vCPU that was unplugged and plugged in again has two threads: the living first. */
	if (x->ended != y->ended)
		return x->ended ? 1 : -1;
	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

static void read_threads(struct decode *d, struct json_object *o)
{
	struct vh_exits *e = d->e;
	struct json_object *a = vh_json_at(o, "threads", NULL);
	size_t n = array_length(a, VH_MAX_TRACED + 1);

	for (size_t i = 0; i < n; i++) {
		struct vh_vcpu_exits *v = read_thread(d, json_object_array_get_idx(a, i));

		if (v && v->vcpu >= 0)
			VH_PUSH(e->vcpus, e->n_vcpus) = v;
		else if (v && !e->vm)
			e->vm = v;
		else
			vcpu_free(v);
	}
	if (e->n_vcpus)
		qsort(e->vcpus, e->n_vcpus, sizeof(*e->vcpus), compare_vcpus);
}

static void read_events(struct vh_exits *e, struct json_object *o)
{
	struct json_object *a = vh_json_at(o, "events", NULL);
	size_t n = array_length(a, MAX_EVENTS);

	for (size_t i = 0; i < n; i++) {
		struct json_object *row = json_object_array_get_idx(a, i);
		struct vh_trace_event event = {.span_ns = e->span_ns};
		int state = vh_event_state_parse(vh_json_string(row, "state", ""));
		double span;

		if (state < 0 || !read_count(row, "seen", &event.seen) ||
			!read_count(row, "lost", &event.lost))
			continue;
		event.name = read_text(row, "name", MAX_NAME);
		if (!event.name)
			continue;
		event.state = (enum vh_event_state)state;
		event.why = read_text(row, "why", MAX_WHY);
		if (read_ns(row, "span_ns", &span) && span > 0 && span < e->span_ns)
			event.span_ns = span;
		VH_PUSH(e->events, e->n_events) = event;
	}
}

static bool is_attached(const struct vh_exits *e, const char *name)
{
	const struct vh_trace_event *event = vh_exits_event(e, name);

	return event && (event->state == VH_EVENT_ATTACHED || event->state == VH_EVENT_SAMPLED);
}

/* On a KVM that emulates the guest's instructions, kvm_exit is there, but never fires. */
static void judge_sight(struct vh_exits *e)
{
	bool exits = false, entries = false;

	for (size_t i = 0; i < e->n_vcpus; i++) {
		exits = exits || e->vcpus[i]->n_rows;
		entries = entries || e->vcpus[i]->entries;
	}
	e->sees_exits = exits && entries;
	e->sees_entries = is_attached(e, "kvm:kvm_entry");
	e->sees_switches = is_attached(e, "sched:sched_switch");
}

static char *why_not_better(struct json_object *o)
{
	struct json_object *a = vh_json_at(o, "not", NULL);
	size_t n = array_length(a, MAX_BACKENDS);
	struct vh_buf b = {0};

	for (size_t i = 0; i < n; i++) {
		struct json_object *row = json_object_array_get_idx(a, i);
		vh_auto_free char *backend = read_text(row, "backend", MAX_NAME);
		vh_auto_free char *why = read_text(row, "why", MAX_WHY);

		if (backend)
			vh_buf_printf(&b, "%s%s: %s", b.len ? "; " : "", backend,
				why ? why : "no reason told");
	}
	if (b.len)
		return vh_buf_steal(&b);
	vh_buf_free(&b);
	return NULL;
}

static enum vh_isa isa_of(struct json_object *o, const char *machine)
{
	uint64_t isa;

	/* KVM_ISA_VMX and _SVM of arch/x86/kvm/trace.h; 3 is PVM's (tables/pvm.def). */
	static const enum vh_isa known[] = {[1] = VH_ISA_VMX, [2] = VH_ISA_SVM, [3] = VH_ISA_PVM};

	if (vh_json_u64(o, "isa", &isa))
		return isa < VH_ARRAY_SIZE(known) ? known[isa] : VH_ISA_UNKNOWN;
	return vh_streq(machine, "aarch64") ? VH_ISA_ARM64 : VH_ISA_UNKNOWN;
}

struct vh_exits *vh_exits_decode(struct vh_str json, const char *machine,
	const struct vh_devices *devices, struct vh_error **err)
{
	static const char *const backends[] = {"bpf", "perf", "statistics",
		/* of a pasted text: pasted_exits.c, pasted_trace.c */
		"perf-kvm-stat", "kvm_stat", "traced-events"};
	vh_auto_json struct json_object *o = vh_json_parse(json, err);
	double span;

	if (*err)
		return NULL;
	int backend =
		vh_name_find(backends, VH_ARRAY_SIZE(backends), vh_json_string(o, "backend", ""));

	if (backend < 0) {
		*err = vh_error_new(0, "trace.exits names no backend that is known");
		return NULL;
	}
	if (!vh_json_at(o, "span_ns", NULL) || !read_ns(o, "span_ns", &span) || span <= 0) {
		*err = vh_error_new(0, "trace.exits does not tell for how long it counted");
		return NULL;
	}
	struct vh_exits *e = vh_alloc(sizeof(*e));
	struct decode d = {.e = e, .devices = devices};

	e->backend = vh_strdup(backends[backend]);
	e->why_not_better = why_not_better(o);
	e->span_ns = span;
	if (!read_ns(o, "attach_ns", &e->attach_ns))
		e->attach_ns = 0;
	e->isa = isa_of(o, machine);
	read_count(o, "lost", &e->lost);
	read_count(o, "missed", &e->missed);
	read_count(o, "untraced", &e->untraced);
	e->evidence = SIZE_MAX;
	read_events(e, o);
	read_threads(&d, o);
	judge_sight(e);
	return e;
}

void vh_exits_free(struct vh_exits *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->n_vcpus; i++)
		vcpu_free(e->vcpus[i]);
	for (size_t i = 0; i < e->n_events; i++) {
		free(e->events[i].name);
		free(e->events[i].why);
	}
	vcpu_free(e->vm);
	free(e->vcpus);
	free(e->events);
	free(e->backend);
	free(e->why_not_better);
	free(e);
}
