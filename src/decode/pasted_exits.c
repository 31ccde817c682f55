/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Exits that others counted: perf kvm stat (tools/perf/builtin-kvm.c, 3.x to 6.x), kvm_stat. They
 * are put into the form of trace.exits (docs/trace-format.md), which one decoder reads. How long
 * was counted is often not told, and then it stays 0: unknown.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "decode/pasted.h"

/* Exit reasons are looked up by name among these numbers (SVM's nested page fault is 0x400). */
#define MAX_REASON 0x500
#define MAX_ROWS   256
/* A vCPU that ran this share, while all others ran less than that, made the VM's exits. */
#define RAN   0.5
#define SLEPT 0.05

struct vh_json_rows {
	struct json_object *exits, *keys;
	uint64_t count;
};

static bool find_reason(enum vh_isa isa, struct vh_str name, uint64_t *reason)
{
	for (uint64_t r = 0; r < MAX_REASON; r++) {
		const char *known = vh_exit_reason_name(isa, r);

		if (known && vh_str_is(name, known)) {
			*reason = r;
			return true;
		}
	}
	return false;
}

/* --- One row of perf's table -------------------------------------------------------------------
 */

struct perf_row {
	struct vh_str name;
	uint64_t count;
	double total_ns, min_ns, max_ns; /* NAN: not told */
};

/* "4.18us", "15.51ms", "641" (nanoseconds, since perf 6.3) */
static double time_ns(struct vh_str s)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"us", 1e3}, {"ms", 1e6}, {"ns", 1}, {"s", 1e9}, {"", 1}};
	double value;

	for (size_t i = 0; i < VH_ARRAY_SIZE(units); i++) {
		size_t n = strlen(units[i].unit);

		if (s.n > n && memcmp(s.s + s.n - n, units[i].unit, n) == 0 &&
			vh_parse_double((struct vh_str){s.s, s.n - n}, &value) && value >= 0 &&
			value < 1e15)
			return value * units[i].ns;
	}
	return NAN;
}

/* Behind the count: percentages are left out, times are in the heading's order. */
static void take_times(struct vh_str rest, bool in_ns, struct perf_row *r)
{
	double times[4] = {NAN, NAN, NAN, NAN};
	struct vh_str word;
	size_t n = 0;

	while (n < 4 && vh_next_word(&rest, &word) && word.s[0] != '(')
		if (word.s[word.n - 1] != '%')
			times[n++] = time_ns(word);
	if (in_ns && n == 4) { /* Time, Max, Min, Mean */
		r->total_ns = times[0];
		r->max_ns = times[1];
		r->min_ns = times[2];
	} else if (n == 3) { /* Min, Max, Avg */
		r->min_ns = times[0];
		r->max_ns = times[1];
		r->total_ns = times[2] * (double)r->count;
	} else if (n == 1) { /* Avg alone: up to 3.12 */
		r->total_ns = times[0] * (double)r->count;
	}
}

static bool parse_row(struct vh_str line, bool in_ns, struct perf_row *r)
{
	struct vh_str rest = line, word, name = {vh_str_trim(line).s, 0};
	uint64_t count = 0;
	bool counted = false;

	*r = (struct perf_row){.total_ns = NAN, .min_ns = NAN, .max_ns = NAN};
	for (int i = 0; i < 8 && vh_next_word(&rest, &word); i++) {
		if (counted && word.s[word.n - 1] == '%') {
			r->name = vh_str_trim(name);
			r->count = count;
			take_times(rest, in_ns, r);
			return r->name.n > 0 && count > 0;
		}
		counted = i > 0 && vh_parse_u64(word, 10, &count);
		if (counted)
			name.n = word.s - name.s;
	}
	return false;
}

/* --- Into the form of trace.exits --------------------------------------------------------------
 */

static void put_number(struct json_object *o, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	vh_json_put_text(o, key, text);
}

static void put_timing(struct json_object *o, const struct perf_row *r)
{
	vh_json_put_u64(o, "count", r->count);
	if (isnan(r->total_ns) || isnan(r->min_ns) || isnan(r->max_ns) || r->total_ns > 1e18)
		return;
	vh_json_put_u64(o, "timed", r->count);
	vh_json_put_u64(o, "total_ns", (uint64_t)r->total_ns);
	vh_json_put_u64(o, "min_ns", (uint64_t)r->min_ns);
	/* The mean is rounded: it must not exceed the maximum. */
	vh_json_put_u64(
		o, "max_ns", (uint64_t)VH_MAX(r->max_ns, r->total_ns / (double)r->count) + 1);
}

static void add_exit(struct vh_json_rows *rows, const struct perf_row *r, uint64_t reason)
{
	struct json_object *o = json_object_new_object();

	put_number(o, "reason", reason);
	put_timing(o, r);
	json_object_array_add(rows->exits, o);
	rows->count += r->count;
}

/* "0x3f8:POUT", "0xfed000f0:W": an access, as perf kvm stat --event=ioport and =mmio name it. */
static void add_access(struct vh_json_rows *rows, const struct perf_row *r)
{
	struct vh_str rest = r->name, address;
	uint64_t value, detail = 0;
	const char *kind;

	if (!vh_next_part(&rest, ':', &address) || !vh_parse_u64(address, 0, &value))
		return;
	if (vh_str_is(rest, "POUT") || vh_str_is(rest, "PIN")) {
		kind = "pio";
		detail = vh_str_is(rest, "POUT");
	} else if (vh_str_is(rest, "W") || vh_str_is(rest, "R")) {
		kind = "mmio";
		detail = vh_str_is(rest, "W") ? 2 : 1;
	} else {
		return;
	}
	struct json_object *o = json_object_new_object();

	vh_json_put_text(o, "kind", kind);
	put_number(o, "value", value);
	put_number(o, "detail", detail);
	put_timing(o, r);
	json_object_array_add(rows->keys, o);
}

/* Whose words they are: those of which most are known. */
static enum vh_isa isa_of(const struct perf_row *list, size_t n)
{
	static const enum vh_isa all[] = {VH_ISA_VMX, VH_ISA_SVM, VH_ISA_ARM64};
	enum vh_isa best = VH_ISA_UNKNOWN;
	size_t most = 0;

	for (size_t i = 0; i < VH_ARRAY_SIZE(all); i++) {
		size_t known = 0;
		uint64_t reason;

		for (size_t k = 0; k < n; k++)
			known += find_reason(all[i], list[k].name, &reason);
		if (known > most) {
			most = known;
			best = all[i];
		}
	}
	return best;
}

/* The one vCPU that can have made the VM's exits, -1 where several can. */
static int only_runner(const struct vh_model *m)
{
	int found = -1;

	if (m->n_vcpus == 1)
		return m->vcpus[0]->index;
	for (size_t i = 0; i < m->n_vcpus; i++) {
		const struct vh_thread *t = m->vcpus[i]->thread;

		if (!t || isnan(t->run_share))
			return -1;
		if (t->run_share >= RAN && found < 0)
			found = m->vcpus[i]->index;
		else if (t->run_share >= SLEPT)
			return -1;
	}
	return found;
}

static struct json_object *thread_of(struct vh_json_rows *rows, int vcpu)
{
	struct json_object *o = json_object_new_object();

	vh_json_put_i64(o, "vcpu", vcpu);
	vh_json_put_u64(o, "entries", rows->count);
	json_object_object_add(o, "exits", rows->exits);
	json_object_object_add(o, "keys", rows->keys);
	return o;
}

static struct json_object *event(const char *name, uint64_t seen)
{
	struct json_object *o = json_object_new_object();

	vh_json_put_text(o, "name", name);
	vh_json_put_text(o, "state", "attached");
	vh_json_put_u64(o, "seen", seen);
	return o;
}

/* Puts threads of one VM into one object and has it decoded. */
static void decode(struct vh_decoder *d, struct json_object *threads, enum vh_isa isa,
	const char *backend, int64_t span_ns, uint64_t exits, size_t evidence)
{
	vh_auto_json struct json_object *o = json_object_new_object();
	struct json_object *events = json_object_new_array();
	vh_auto_error struct vh_error *err = NULL;

	vh_json_put_text(o, "backend", backend);
	vh_json_put_i64(o, "span_ns", span_ns);
	if (isa == VH_ISA_VMX || isa == VH_ISA_SVM)
		vh_json_put_i64(o, "isa", isa == VH_ISA_VMX ? 1 : 2);
	json_object_array_add(events, event("kvm:kvm_exit", exits));
	json_object_array_add(events, event("kvm:kvm_entry", exits));
	json_object_object_add(o, "events", events);
	json_object_object_add(o, "threads", threads);
	const char *text = json_object_to_json_string(o);

	d->m->exits = vh_exits_decode(
		vh_str(text), isa == VH_ISA_ARM64 ? "aarch64" : NULL, d->m->devices, &err);
	if (d->m->exits)
		d->m->exits->evidence = evidence;
}

/* --- perf kvm stat -----------------------------------------------------------------------------
 */

static size_t read_perf(struct vh_str text, struct perf_row *list)
{
	struct vh_str line;
	size_t n = 0;
	bool in_ns = false;

	while (n < MAX_ROWS && vh_next_line(&text, &line)) {
		in_ns |= vh_str_find(line, "Time (ns)") > 0;
		n += parse_row(line, in_ns, &list[n]);
	}
	return n;
}

static void rows_init(struct vh_json_rows *rows)
{
	*rows = (struct vh_json_rows){json_object_new_array(), json_object_new_array(), 0};
}

static void from_perf(struct vh_decoder *d)
{
	struct json_object *threads = NULL;
	enum vh_isa isa = VH_ISA_UNKNOWN;
	int64_t span_ns = 0;
	uint64_t exits = 0;
	size_t begin, end;

	vh_lookup_source(&d->in, "pasted.perf-kvm-stat", &begin, &end);
	for (size_t i = begin; i < end; i++) {
		const struct vh_evidence *e = d->in.list[i].e;
		struct perf_row list[MAX_ROWS];
		size_t n = read_perf(vh_evidence_text(e), list);
		struct vh_json_rows rows;
		uint64_t vcpu, reason;
		int whose = vh_subject_number("vcpu:", e->subject, &vcpu) && vcpu < VH_MAX_VCPUS
				    ? (int)vcpu
				    : only_runner(d->m);

		/* Of several screens of perf kvm stat live the last one counts. */
		if (i + 1 < end && strcmp(d->in.list[i + 1].e->subject, e->subject) == 0)
			continue;
		if (isa == VH_ISA_UNKNOWN)
			isa = isa_of(list, n);
		rows_init(&rows);
		for (size_t k = 0; k < n; k++)
			if (find_reason(isa, list[k].name, &reason))
				add_exit(&rows, &list[k], reason);
			else
				add_access(&rows, &list[k]);
		exits += rows.count;
		span_ns = VH_MAX(span_ns, vh_evidence_number(e, "span_ns", 0));
		if (!threads)
			threads = json_object_new_array();
		json_object_array_add(threads, thread_of(&rows, whose));
	}
	if (threads)
		decode(d, threads, isa, "perf-kvm-stat",
			VH_MIN(VH_MAX(span_ns, 0), 86400 * VH_NS_PER_S), exits,
			d->in.list[begin].index);
}

/* --- kvm_stat ----------------------------------------------------------------------------------
 */

/* "kvm_exit(HLT)  1234  33.1  56": name, total, share, events a second. An older one has the total
 * and the last second's. */
static bool kvm_stat_row(struct vh_str line, struct vh_str *name, uint64_t *total, uint64_t *rate)
{
	double values[3];
	size_t n = 0;
	struct vh_str word;

	if (!vh_next_word(&line, name))
		return false;
	while (n < 3 && vh_next_word(&line, &word))
		if (!vh_parse_double(word, &values[n]) || values[n] < 0 || values[n++] > 1e15)
			return false;
	if (n < 2)
		return false;
	*total = (uint64_t)values[0];
	*rate = (uint64_t)values[n - 1];
	return true;
}

/* "kvm_exit(HLT)" and, in its newer form, " HLT" below "kvm_exit". */
static struct vh_str reason_name(struct vh_str name, bool below)
{
	static const char prefix[] = "kvm_exit(";

	if (vh_str_starts(name, prefix) && name.s[name.n - 1] == ')')
		return (struct vh_str){name.s + strlen(prefix), name.n - strlen(prefix) - 1};
	return below ? name : (struct vh_str){"", 0};
}

static void from_kvm_stat(struct vh_decoder *d)
{
	const struct vh_found *f = vh_seek_data(&d->in, "pasted.kvm-stat", "", VH_N_ROUND);
	struct vh_str text = vh_evidence_text(f ? f->e : NULL), line, name;
	struct vh_counters *c = &d->m->vm_kvm;
	struct perf_row list[MAX_ROWS];
	size_t n = 0;
	uint64_t total, rate, reason;
	bool fill = !c->n;

	while (vh_next_line(&text, &line)) {
		if (!kvm_stat_row(line, &name, &total, &rate) || name.n > 80)
			continue;
		struct vh_str exit = reason_name(name, false);

		if (exit.n && n < MAX_ROWS && rate)
			list[n++] = (struct perf_row){exit, rate, NAN, NAN, NAN};
		else if (!exit.n && fill && c->n < VH_MAX_COUNTERS)
			/* As two samples a second apart. */
			VH_PUSH(c->list, c->n) = (struct vh_counter){.name = vh_str_dup(name),
				.first = total > rate ? total - rate : 0,
				.last = VH_MAX(total, rate),
				.has_last = true};
	}
	if (fill && c->n)
		c->seconds = 1;
	if (!n || d->m->exits)
		return;
	enum vh_isa isa = isa_of(list, n);
	struct vh_json_rows rows;
	struct json_object *threads = json_object_new_array();

	rows_init(&rows);
	for (size_t k = 0; k < n; k++)
		if (find_reason(isa, list[k].name, &reason))
			add_exit(&rows, &list[k], reason);
	uint64_t exits = rows.count;

	json_object_array_add(threads, thread_of(&rows, only_runner(d->m)));
	decode(d, threads, isa, "kvm_stat", VH_NS_PER_S, exits, f->index);
}

void vh_decode_pasted_exits(struct vh_decoder *d)
{
	if (!d->m->exits)
		from_perf(d);
	if (!d->m->exits)
		vh_decode_pasted_trace(d);
	from_kvm_stat(d);
}
