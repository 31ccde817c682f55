/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * KVM's counters of the VM and of each vCPU: from debugfs (kvm.stats) where the passive looks could
 * read it, else from the monitor (query-stats, QEMU 7.1 and later), else from libvirt's domstats.
 */
#include "decode/decoder.h"

double vh_counter_rate(const struct vh_counters *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (vh_streq(c->list[i].name, name))
			return c->list[i].has_last && c->seconds > 0 &&
					       c->list[i].last >= c->list[i].first
				       ? (double)(c->list[i].last - c->list[i].first) / c->seconds
				       : NAN;
	return NAN;
}

int64_t vh_counter_value(const struct vh_counters *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (vh_streq(c->list[i].name, name))
			return (int64_t)VH_MIN(
				c->list[i].has_last ? c->list[i].last : c->list[i].first,
				(uint64_t)INT64_MAX);
	return -1;
}

void vh_counters_free(struct vh_counters *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->list[i].name);
	free(c->list);
	*c = (struct vh_counters){0};
}

/* The kernel's names are identifiers (struct kvm_stats_desc): anything else is not a counter. */
static bool is_name(struct vh_str name)
{
	if (!name.n || name.n > 64)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char ch = name.s[i];

		if (!(ch >= 'a' && ch <= 'z') && !(ch >= 'A' && ch <= 'Z') &&
			!(ch >= '0' && ch <= '9') && ch != '_' && ch != '-')
			return false;
	}
	return true;
}

/* Adds the value of one sample: `last` false for the earlier one. Samples of one source list the
 * counters in the same order, so that the search mostly ends at *hint. */
static void put(struct vh_counters *c, struct vh_str name, uint64_t value, bool last, size_t *hint)
{
	if (!is_name(name))
		return;
	for (size_t k = 0; last && k < c->n; k++) {
		struct vh_counter *have = &c->list[(*hint + k) % c->n];

		if (vh_str_is(name, have->name)) {
			*hint = (*hint + k + 1) % c->n;
			have->last = value;
			have->has_last = true;
			return;
		}
	}
	if (!last && c->n < VH_MAX_COUNTERS)
		VH_PUSH(c->list, c->n) =
			(struct vh_counter){.name = vh_str_dup(name), .first = value};
}

static void put_lines(struct vh_counters *c, struct vh_str text, bool last)
{
	struct vh_str line, name;
	size_t hint = 0;
	uint64_t value;

	while (vh_next_line(&text, &line))
		if (vh_next_word(&line, &name) && vh_parse_u64(vh_str_trim(line), 10, &value))
			put(c, name, value, last, &hint);
}

/* [{"name": "exits", "value": 5}, ...]; histograms are arrays and left out. */
static void put_json(struct vh_counters *c, struct json_object *stats, bool last)
{
	size_t hint = 0;

	if (!json_object_is_type(stats, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(stats); i++) {
		struct json_object *stat = json_object_array_get_idx(stats, i);
		struct json_object *flag = vh_json_at(stat, "value", NULL);
		const char *name = vh_json_string(stat, "name", "");
		uint64_t value;

		if (json_object_is_type(flag, json_type_boolean))
			value = json_object_get_boolean(flag);
		else if (!vh_json_u64(stat, "value", &value))
			continue;
		put(c, vh_str(name), value, last, &hint);
	}
}

static struct vh_counters *counters_of(struct vh_model *m, const char *subject)
{
	uint64_t index;

	if (vh_streq(subject, "vm"))
		return &m->vm_kvm;
	struct vh_vcpu *v =
		vh_subject_number("vcpu:", subject, &index) ? vh_vcpu_find(m, index) : NULL;

	return v ? &v->kvm : NULL;
}

static double seconds_between(const struct vh_found *a, const struct vh_found *b)
{
	double s = a && b ? vh_seconds(a->e->at_ns, b->e->at_ns) : 0;

	return s > 0 ? s : 0;
}

/* Both looks, or else (when nothing told rates) the one there is. */
static void from_debugfs(struct vh_decoder *d, bool both)
{
	size_t begin, end;

	vh_lookup_source(&d->in, "kvm.stats", &begin, &end);
	for (size_t i = begin; i < end; i++) {
		const char *subject = d->in.list[i].e->subject;
		struct vh_counters *c = counters_of(d->m, subject);
		const struct vh_found *a = vh_seek_data(&d->in, "kvm.stats", subject, VH_FIRST);
		const struct vh_found *b = vh_seek_data(&d->in, "kvm.stats", subject, VH_LAST);

		if (!c || c->n || (both && !(a && b)))
			continue;
		put_lines(c, vh_evidence_text(a ? a->e : b ? b->e : NULL), false);
		if (a && b)
			put_lines(c, vh_evidence_text(b->e), true);
		c->seconds = seconds_between(a, b);
	}
}

/* The order of the list says nothing (QEMU 7.2 has the last vCPU first), so query-cpus-fast must
 * have told the paths. */
static struct vh_counters *counters_of_path(struct vh_model *m, const char *path)
{
	for (size_t i = 0; path && i < m->n_vcpus; i++)
		if (vh_streq(m->vcpus[i]->qom_path, path))
			return &m->vcpus[i]->kvm;
	return NULL;
}

static void take_query_stats(
	struct vh_model *m, struct json_object *list, bool vm, bool last, double seconds)
{
	if (!json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < VH_MIN(json_object_array_length(list), 2 * VH_MAX_VCPUS); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		const char *path = vh_json_string(one, "qom-path", NULL);

		if (!vh_streq(vh_json_string(one, "provider", "kvm"), "kvm"))
			continue;
		struct vh_counters *c = vm ? &m->vm_kvm : counters_of_path(m, path);

		/* What debugfs told stays; a second answer of one round adds nothing. */
		if (!c || (!last && c->n) || (last && c->seconds > 0))
			continue;
		put_json(c, vh_json_at(one, "stats", NULL), last);
		if (last && c->n)
			c->seconds = seconds;
	}
}

static void from_monitor(struct vh_decoder *d, const char *subject)
{
	bool vm = vh_streq(subject, "vm");
	const char *source = "qmp.query-stats";
	const struct vh_found *a = vh_seek_data(&d->in, source, subject, VH_ASKED);
	const struct vh_found *b = vh_seek_data(&d->in, source, subject, VH_ASKED_AGAIN);
	vh_auto_json struct json_object *first = vh_seek_json(&d->in, source, subject, VH_ASKED);
	vh_auto_json struct json_object *again =
		vh_seek_json(&d->in, source, subject, VH_ASKED_AGAIN);

	if (first)
		take_query_stats(d->m, first, vm, false, 0);
	if (first && again)
		take_query_stats(d->m, again, vm, true, seconds_between(a, b));
}

/* "vcpu.0.halt_exits.sum 5": virsh domstats --vcpu, libvirt 8.9 and later */
static void put_domstats(struct vh_model *m, struct vh_str text, bool last)
{
	struct vh_str line, key, part, name;
	size_t hint = 0;
	uint64_t index, value;

	while (vh_next_line(&text, &line)) {
		if (!vh_next_word(&line, &key) || !vh_next_part(&key, '.', &part) ||
			!vh_str_is(part, "vcpu") || !vh_next_part(&key, '.', &part) ||
			!vh_parse_u64(part, 10, &index) || !vh_next_part(&key, '.', &name))
			continue;
		if (!vh_str_is(key, "sum") && !vh_str_is(key, "cur"))
			continue;
		struct vh_vcpu *v = vh_vcpu_find(m, index);

		if (v && vh_parse_u64(vh_str_trim(line), 10, &value))
			put(&v->kvm, name, value, last, &hint);
	}
}

static void from_libvirt(struct vh_decoder *d)
{
	const struct vh_found *a = vh_seek_data(&d->in, "libvirt.stats", "", VH_ASKED);
	const struct vh_found *b = vh_seek_data(&d->in, "libvirt.stats", "", VH_ASKED_AGAIN);

	for (size_t i = 0; i < d->m->n_vcpus; i++)
		if (d->m->vcpus[i]->kvm.n)
			return;
	put_domstats(d->m, vh_evidence_text(a ? a->e : NULL), false);
	put_domstats(d->m, vh_evidence_text(b ? b->e : NULL), true);
	for (size_t i = 0; i < d->m->n_vcpus; i++)
		if (d->m->vcpus[i]->kvm.n)
			d->m->vcpus[i]->kvm.seconds = seconds_between(a, b);
}

void vh_decode_counters(struct vh_decoder *d)
{
	from_debugfs(d, true);
	from_monitor(d, "vm");
	from_monitor(d, "vcpu");
	from_libvirt(d);
	from_debugfs(d, false);
}
