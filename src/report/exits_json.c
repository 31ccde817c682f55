/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An interval as JSON: docs/exits.schema.json. Everything that is shown, and what is not. */

#include "report/exits_view.h"
#include "report/json.h"

/* Keys of one kind and vCPU; the most frequent ones. */
#define MAX_KEYS 64

static void put_timing(struct json_object *o, const struct vh_timing *t)
{
	struct json_object *log2 = json_object_new_array();
	size_t n = VH_N_LOG2;

	vh_json_put_u64(o, "count", t->count);
	vh_json_put_u64(o, "timed", t->timed);
	vh_report_put_double(o, "total_ns", t->timed ? t->total_ns : NAN);
	vh_report_put_double(o, "min_ns", t->timed ? t->min_ns : NAN);
	vh_report_put_double(o, "max_ns", t->timed ? t->max_ns : NAN);
	vh_report_put_double(o, "mean_ns", t->timed ? t->mean_ns : NAN);
	vh_report_put_double(o, "relative_error", t->timed ? t->deviation : NAN);
	while (n && !t->log2[n - 1])
		n--;
	for (size_t i = 0; i < n; i++)
		json_object_array_add(log2, json_object_new_uint64(t->log2[i]));
	json_object_object_add(o, "log2", log2);
}

static struct json_object *split(const struct vh_vcpu_exits *v)
{
	const struct vh_exits_split p = vh_exits_split(v);
	struct json_object *o = json_object_new_object();

	vh_report_put_double(o, "guest", p.guest);
	vh_report_put_double(o, "kvm", p.kvm);
	vh_report_put_double(o, "inside", p.inside);
	vh_report_put_double(o, "user", p.user);
	vh_report_put_double(o, "blocked", p.blocked);
	vh_report_put_double(o, "halted", p.halted);
	vh_report_put_double(o, "waiting", p.waiting);
	vh_report_put_double(o, "asleep", p.asleep);
	vh_report_put_double(o, "unknown", p.unknown);
	return o;
}

static struct json_object *rows(const struct vh_vcpu_exits *v, enum vh_exits_sort sort)
{
	struct json_object *array = json_object_new_array();
	struct vh_exits_line *lines = NULL;
	size_t n = 0;

	for (size_t i = 0; i < v->n_rows; i++)
		VH_PUSH(lines, n) = (struct vh_exits_line){
			.timing = &v->rows[i].timing, .row = &v->rows[i], .name = v->rows[i].text};
	vh_exits_sort_lines(lines, n, sort);
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();

		vh_report_put_hex(o, "reason", lines[i].row->reason);
		vh_report_put(o, "name", lines[i].row->name);
		put_timing(o, lines[i].timing);
		json_object_array_add(array, o);
	}
	free(lines);
	return array;
}

static struct json_object *key_json(const struct vh_exits_merged *m, const struct vh_exit_key *k)
{
	struct json_object *o = json_object_new_object();

	vh_json_put_text(o, "kind", vh_key_kind_name(k->kind));
	vh_report_put_hex(o, "value", k->value);
	vh_report_put_hex(o, "detail", k->detail);
	if (k->reason == VH_NO_REASON)
		json_object_object_add(o, "reason", NULL);
	else
		vh_report_put_hex(o, "reason", k->reason);
	vh_report_put(o, "text", k->text);
	vh_report_put(o, "device", k->device);
	vh_report_put_double(o, "per_second", vh_exits_key_rate(m, k));
	put_timing(o, &k->timing);
	return o;
}

static bool wanted(enum vh_key_kind kind, enum vh_exits_of of)
{
	return of == VH_EXITS_VMEXIT || kind == vh_exits_kind_of(of);
}

static void put_keys(
	struct json_object *o, const struct vh_exits_merged *m, const struct vh_exits_options *opt)
{
	struct json_object *array = json_object_new_array();
	size_t left_out = 0, most = opt->most_keys ? opt->most_keys : MAX_KEYS;

	for (int kind = 0; kind < VH_N_KEY_KIND; kind++) {
		size_t n;
		struct vh_exits_line *lines =
			vh_exits_keys_of(&m->sum, (enum vh_key_kind)kind, true, 0, opt->sort, &n);

		if (!wanted((enum vh_key_kind)kind, opt->of))
			n = 0;
		for (size_t i = 0; i < VH_MIN(n, most); i++)
			json_object_array_add(array, key_json(m, lines[i].key));
		left_out += n > most ? n - most : 0;
		if (wanted((enum vh_key_kind)kind, opt->of))
			left_out += m->sum.more[kind].keys;
		free(lines);
	}
	json_object_object_add(o, "keys", array);
	vh_json_put_u64(o, "keys_left_out", left_out);
}

/* One vCPU, or all as one. */
static struct json_object *merged_json(const struct vh_exits *e, const struct vh_exits_merged *m,
	const struct vh_exits_options *opt)
{
	const struct vh_vcpu_exits *v = &m->sum;
	const bool one = v->vcpu >= 0;
	struct json_object *o = json_object_new_object(), *statistics = json_object_new_object(),
			   *now = NULL;

	vh_report_put_known(o, "vcpu", v->vcpu);
	vh_report_put_known(o, "tid", one ? v->tid : -1);
	vh_json_put_bool(o, "ended", v->ended);
	json_object_object_add(o, "split", split(v));
	if (one && !vh_exits_is_statistics(e)) {
		now = json_object_new_object();
		vh_json_put_text(now, "place", vh_place_name(v->place));
		vh_json_put_text(now, "rest", vh_rest_name(v->rest));
		vh_report_put_double(now, "since_ns", v->since_ns);
	}
	json_object_object_add(o, "now", now);
	vh_json_put_u64(o, "entries", v->entries);
	vh_json_put_u64(o, "exits", v->exits);
	json_object_object_add(o, "rows", rows(v, opt->sort));
	put_keys(o, m, opt);
	for (size_t i = 0; i < v->n_statistics; i++) {
		vh_auto_free char *name = vh_escaped(v->statistics[i].name);

		vh_json_put_i64(statistics, name, v->statistics[i].value);
	}
	json_object_object_add(o, "statistics", statistics);
	return o;
}

static struct json_object *events(const struct vh_exits *e)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < e->n_events; i++) {
		const struct vh_trace_event *ev = &e->events[i];
		struct json_object *o = json_object_new_object();

		vh_report_put(o, "name", ev->name);
		vh_json_put_text(o, "state", vh_event_state_name(ev->state));
		vh_json_put_u64(o, "seen", ev->seen);
		vh_json_put_u64(o, "lost", ev->lost);
		vh_report_put_double(o, "span_ns", ev->span_ns);
		vh_report_put(o, "why", ev->why);
		json_object_array_add(array, o);
	}
	return array;
}

struct json_object *vh_exits_json(const struct vh_exits *e, const struct vh_exits_about *about,
	const struct vh_exits_options *opt)
{
	struct json_object *o = json_object_new_object(), *vm = json_object_new_object(),
			   *vcpus = json_object_new_array();
	struct vh_exits_merged *all = vh_exits_merge(e, opt->vcpu);

	vh_json_put_text(o, "schema", VH_EXITS_SCHEMA);
	vh_json_put_i64(o, "at_wall_ns", about->at_wall_ns);
	vh_report_put(vm, "name", about->name);
	vh_report_put_known(vm, "pid", about->pid ? about->pid : -1);
	json_object_object_add(o, "vm", vm);
	vh_report_put(o, "backend", e->backend);
	vh_report_put(o, "why_not_better", e->why_not_better);
	vh_report_put_double(o, "span_ns", e->span_ns);
	vh_report_put_double(o, "attach_ns", e->attach_ns);
	vh_json_put_text(o, "isa", e->isa == VH_ISA_UNKNOWN ? NULL : vh_isa_name(e->isa));
	vh_json_put_bool(o, "sees_exits", e->sees_exits);
	vh_json_put_bool(o, "sees_entries", e->sees_entries);
	vh_json_put_bool(o, "sees_switches", e->sees_switches);
	vh_json_put_u64(o, "lost", e->lost);
	vh_json_put_u64(o, "missed", e->missed);
	vh_json_put_u64(o, "untraced", e->untraced);
	json_object_object_add(o, "events", events(e));
	json_object_object_add(o, "total", merged_json(e, all, opt));
	vh_exits_merged_free(all);
	for (size_t i = 0; i < e->n_vcpus; i++) {
		if (opt->vcpu != VH_ALL_VCPUS && e->vcpus[i]->vcpu != opt->vcpu)
			continue;
		/* Two threads of one vCPU are one. */
		if (i && e->vcpus[i]->vcpu == e->vcpus[i - 1]->vcpu)
			continue;
		struct vh_exits_merged *m = vh_exits_merge(e, e->vcpus[i]->vcpu);

		json_object_array_add(vcpus, merged_json(e, m, opt));
		vh_exits_merged_free(m);
	}
	json_object_object_add(o, "vcpus", vcpus);
	return o;
}
