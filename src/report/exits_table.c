/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table: exits with what lies behind them, or events, or the keys of one kind. */
#include <inttypes.h>

#include "base/units.h"
#include "report/exits_view.h"

#define KEYS_OF_A_KIND 3
/* What lies behind an exit, in the order in which it is shown, and how many of it. */
static const struct behind {
	enum vh_key_kind kind;
	unsigned most;
} behind_exit[] = {
	{VH_KEY_PIO, KEYS_OF_A_KIND},
	{VH_KEY_MMIO, KEYS_OF_A_KIND},
	{VH_KEY_MSR, KEYS_OF_A_KIND},
	{VH_KEY_CR, KEYS_OF_A_KIND},
	{VH_KEY_CPUID, KEYS_OF_A_KIND},
	{VH_KEY_HYPERCALL, KEYS_OF_A_KIND},
	{VH_KEY_HV_HYPERCALL, KEYS_OF_A_KIND},
	{VH_KEY_XEN_HYPERCALL, KEYS_OF_A_KIND},
	{VH_KEY_NAE, KEYS_OF_A_KIND},
	{VH_KEY_NAE_MSR, KEYS_OF_A_KIND},
	{VH_KEY_FAULT, KEYS_OF_A_KIND},
	{VH_KEY_IPI, KEYS_OF_A_KIND},
	{VH_KEY_EXCEPTION, 1},
	{VH_KEY_VIRQ, 1},
	{VH_KEY_USERSPACE, 1},
	{VH_KEY_RIP, 1},
};

/* The rows where no kvm_exit tells the reason. */
const enum vh_key_kind vh_exits_event_kinds[] = {VH_KEY_PIO, VH_KEY_MMIO, VH_KEY_MSR, VH_KEY_CR,
	VH_KEY_CPUID, VH_KEY_HYPERCALL, VH_KEY_HV_HYPERCALL, VH_KEY_XEN_HYPERCALL, VH_KEY_NAE,
	VH_KEY_NAE_MSR, VH_KEY_FAULT, VH_KEY_EXCEPTION, VH_KEY_IPI, VH_KEY_WAKEUP, VH_KEY_VIRQ,
	VH_KEY_ACCEPT, VH_KEY_EOI, VH_KEY_USERSPACE, VH_KEY_EMULATED, VH_KEY_GSI};
const size_t vh_exits_n_event_kinds = VH_ARRAY_SIZE(vh_exits_event_kinds);

static struct vh_view_section *add_table(
	struct vh_view *v, const struct vh_view_column *columns, size_t n)
{
	struct vh_view_section *s = vh_view_add(v, "table", VH_VIEW_TABLE, "%s", "");

	s->columns = columns;
	s->n_columns = n;
	return s;
}

void vh_exits_cell_rate(struct vh_view_section *s, double value)
{
	if (isnan(value))
		vh_view_cell(s, "-");
	else
		vh_view_cell(s, value < 100 && value > 0 ? "%.1f" : "%.0f", value);
}

static void cell_ns(struct vh_view_section *s, double ns)
{
	/* A day at most: what lies beyond is no time that anybody measured. */
	vh_view_cell(
		s, "%s", ns >= 0 && ns < 1e14 ? vh_duration_text((int64_t)llround(ns)).s : "-");
}

/* Of what the shares of a table are. */
struct whole {
	double samples, time_ns;
};

static void whole_add(struct whole *w, const struct vh_timing *t)
{
	w->samples += (double)t->count;
	w->time_ns += t->timed ? t->total_ns : 0;
}

static double share_of(double part, double whole)
{
	return whole > 0 ? part / whole : NAN;
}

/* rate NAN: the table has shares of the samples instead. */
static void add_row(struct vh_view_section *s, unsigned depth, const char *name,
	const struct vh_timing *t, const struct whole *w, double rate, bool rates)
{
	vh_view_cell(s, "%*s%s", (int)(2 * depth), "", name);
	vh_view_cell(s, "%" PRIu64, t->count);
	if (rates)
		vh_exits_cell_rate(s, rate);
	else
		vh_view_percent(s, share_of((double)t->count, w->samples));
	vh_view_percent(s, t->timed ? share_of(t->total_ns, w->time_ns) : NAN);
	cell_ns(s, t->timed ? t->min_ns : NAN);
	cell_ns(s, t->timed ? t->max_ns : NAN);
	cell_ns(s, t->timed ? t->mean_ns : NAN);
	if (isnan(t->deviation))
		vh_view_cell(s, "-");
	else
		vh_view_cell(s, "%.2f", 100 * t->deviation);
}

static const struct vh_view_column share_columns[] = {{"EVENT", false}, {"SAMPLES", true},
	{"SAMPLES%", true}, {"TIME%", true}, {"MIN", true}, {"MAX", true}, {"MEAN", true},
	{"+-%", true}};
static const struct vh_view_column rate_columns[] = {{"EVENT", false}, {"SAMPLES", true},
	{"PER SECOND", true}, {"TIME%", true}, {"MIN", true}, {"MAX", true}, {"MEAN", true},
	{"+-%", true}};

struct vh_exits_line *vh_exits_keys_of(const struct vh_vcpu_exits *v, enum vh_key_kind kind,
	bool any, uint64_t reason, enum vh_exits_sort sort, size_t *n)
{
	struct vh_exits_line *lines = NULL;

	*n = 0;
	for (size_t i = 0; i < v->n_keys; i++) {
		const struct vh_exit_key *k = &v->keys[i];

		if (k->kind != kind || (!any && k->reason != reason))
			continue;
		VH_PUSH(lines, *n) = (struct vh_exits_line){
			.timing = &k->timing, .key = k, .name = k->text ? k->text : ""};
	}
	vh_exits_sort_lines(lines, *n, sort);
	return lines;
}

double vh_exits_key_rate(const struct vh_exits_merged *m, const struct vh_exit_key *k)
{
	if (!m->count[k->kind])
		return NAN;
	return m->rate[k->kind] * (double)k->timing.count / (double)m->count[k->kind];
}

static void add_keys(struct vh_view_section *s, const struct vh_exits_merged *m,
	const struct vh_exits_line *lines, size_t n, const struct whole *w, bool rates)
{
	for (size_t i = 0; i < n; i++) {
		vh_auto_free char *name = vh_exit_key_name(lines[i].key);

		add_row(s, 1, name, lines[i].timing, w, vh_exits_key_rate(m, lines[i].key), rates);
	}
}

static void add_behind(struct vh_view_section *s, const struct vh_exits_merged *m,
	const struct vh_exit_row *row, enum vh_exits_sort sort, const struct whole *w)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(behind_exit); i++) {
		size_t n;
		struct vh_exits_line *lines = vh_exits_keys_of(
			&m->sum, behind_exit[i].kind, false, row->reason, sort, &n);

		n = VH_MIN(n, (size_t)behind_exit[i].most);
		/* One place of many tells nothing. */
		if (n && behind_exit[i].kind == VH_KEY_RIP &&
			(double)lines[0].timing->count < VH_EXITS_MOST * (double)row->timing.count)
			n = 0;
		add_keys(s, m, lines, n, w, false);
		free(lines);
	}
}

static void add_exits(
	struct vh_view *v, const struct vh_exits_merged *m, const struct vh_exits_options *o)
{
	struct vh_view_section *s = add_table(v, share_columns, VH_ARRAY_SIZE(share_columns));
	struct vh_exits_line *lines = NULL;
	struct whole w = {0};
	size_t n = 0;

	for (size_t i = 0; i < m->sum.n_rows; i++) {
		const struct vh_exit_row *row = &m->sum.rows[i];

		VH_PUSH(lines, n) = (struct vh_exits_line){
			.timing = &row->timing, .row = row, .name = row->text};
		whole_add(&w, &row->timing);
	}
	vh_exits_sort_lines(lines, n, o->sort);
	for (size_t i = 0; i < n; i++) {
		add_row(s, 0, lines[i].name, lines[i].timing, &w, NAN, false);
		if (o->keys)
			add_behind(s, m, lines[i].row, o->sort, &w);
	}
	free(lines);
}

/* The kinds as rows; timings must hold one for each. Returns how many there are. */
static size_t event_lines(const struct vh_exits_merged *m, struct vh_timing *timings,
	struct vh_exits_line *lines, struct whole *w)
{
	size_t n = 0;

	for (size_t i = 0; i < m->sum.n_keys; i++)
		vh_timing_merge(&timings[m->sum.keys[i].kind], &m->sum.keys[i].timing);
	for (int kind = 0; kind < VH_N_KEY_KIND; kind++)
		vh_timing_merge(
			&timings[kind], &(struct vh_timing){.count = m->sum.more[kind].count});
	for (size_t i = 0; i < VH_ARRAY_SIZE(vh_exits_event_kinds); i++) {
		const struct vh_timing *t = &timings[vh_exits_event_kinds[i]];

		if (!t->count)
			continue;
		whole_add(w, t);
		lines[n++] = (struct vh_exits_line){
			.timing = t, .name = vh_key_kind_title(vh_exits_event_kinds[i])};
	}
	return n;
}

static void add_events(
	struct vh_view *v, const struct vh_exits_merged *m, const struct vh_exits_options *o)
{
	struct vh_view_section *s = add_table(v, rate_columns, VH_ARRAY_SIZE(rate_columns));
	struct vh_timing *timings = vh_alloc(VH_N_KEY_KIND * sizeof(*timings));
	struct vh_exits_line lines[VH_ARRAY_SIZE(vh_exits_event_kinds)];
	struct whole w = {0};
	size_t n = event_lines(m, timings, lines, &w);

	vh_exits_sort_lines(lines, n, o->sort);
	for (size_t i = 0; i < n; i++) {
		enum vh_key_kind kind = (enum vh_key_kind)(lines[i].timing - timings);

		add_row(s, 0, lines[i].name, lines[i].timing, &w, m->rate[kind], true);
		if (!o->keys)
			continue;
		size_t n_keys;
		struct vh_exits_line *keys =
			vh_exits_keys_of(&m->sum, kind, true, 0, o->sort, &n_keys);

		add_keys(s, m, keys, VH_MIN(n_keys, (size_t)KEYS_OF_A_KIND), &w, true);
		free(keys);
	}
	free(timings);
}

enum vh_key_kind vh_exits_kind_of(enum vh_exits_of of)
{
	return of == VH_EXITS_MMIO ? VH_KEY_MMIO : of == VH_EXITS_MSR ? VH_KEY_MSR : VH_KEY_PIO;
}

/* The same key behind several reasons is one here; they stand beside each other (exits_merge.c). */
static size_t keys_of_any_reason(const struct vh_exits_merged *m, enum vh_key_kind kind,
	struct vh_exit_key **keys, struct whole *w)
{
	size_t n = 0;

	for (size_t i = 0; i < m->sum.n_keys; i++) {
		const struct vh_exit_key *k = &m->sum.keys[i];

		if (k->kind != kind)
			continue;
		whole_add(w, &k->timing);
		if (n && (*keys)[n - 1].value == k->value && (*keys)[n - 1].detail == k->detail)
			vh_timing_merge(&(*keys)[n - 1].timing, &k->timing);
		else
			VH_PUSH(*keys, n) = *k;
	}
	return n;
}

static void add_one_kind(
	struct vh_view *v, const struct vh_exits_merged *m, const struct vh_exits_options *o)
{
	static const struct vh_view_column columns[VH_N_EXITS_OF][8] = {
		[VH_EXITS_MMIO] = {{"ADDRESS", false}, {"SAMPLES", true}, {"SAMPLES%", true},
			{"TIME%", true}, {"MIN", true}, {"MAX", true}, {"MEAN", true},
			{"+-%", true}},
		[VH_EXITS_IOPORT] = {{"PORT", false}, {"SAMPLES", true}, {"SAMPLES%", true},
			{"TIME%", true}, {"MIN", true}, {"MAX", true}, {"MEAN", true},
			{"+-%", true}},
		[VH_EXITS_MSR] = {{"MSR", false}, {"SAMPLES", true}, {"SAMPLES%", true},
			{"TIME%", true}, {"MIN", true}, {"MAX", true}, {"MEAN", true},
			{"+-%", true}},
	};
	struct vh_view_section *s = add_table(v, columns[o->of], 8);
	struct vh_exit_key *keys = NULL;
	struct vh_exits_line *lines = NULL;
	struct whole w = {0};
	size_t n_keys = keys_of_any_reason(m, vh_exits_kind_of(o->of), &keys, &w), n = 0;

	for (size_t i = 0; i < n_keys; i++)
		VH_PUSH(lines, n) = (struct vh_exits_line){.timing = &keys[i].timing,
			.key = &keys[i],
			.name = keys[i].text ? keys[i].text : ""};
	vh_exits_sort_lines(lines, n, o->sort);
	for (size_t i = 0; i < n; i++) {
		vh_auto_free char *name = vh_exit_key_name(lines[i].key);

		add_row(s, 0, name, lines[i].timing, &w, NAN, false);
	}
	free(lines);
	free(keys);
}

void vh_exits_add_table(struct vh_view *v, const struct vh_exits *e,
	const struct vh_exits_merged *m, const struct vh_exits_options *o)
{
	if (vh_exits_is_statistics(e))
		vh_exits_add_counters(v, e, m, o);
	else if (o->of != VH_EXITS_VMEXIT)
		add_one_kind(v, m, o);
	else if (vh_exits_has_reasons(e))
		add_exits(v, m, o);
	else
		add_events(v, m, o);
}
