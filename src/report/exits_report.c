/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was counted of exits, among the tables of --verbose: where each vCPU's time went, and of the
 * vCPUs that slept least the exits that matter, with what lies behind them. `vmhang exits` shows
 * all of it. */
#include <inttypes.h>

#include "base/units.h"
#include "report/exits_view.h"

#define MAX_VCPUS 4
#define MAX_LINES 8

/* The section that was added last, if one was. */
static void set_heading(struct vh_view *v, size_t before, const char *heading)
{
	if (v->n_sections > before)
		vh_replace(&v->sections[v->n_sections - 1]->heading, heading);
}

static void add_line(struct vh_view_section *s, const struct vh_vcpu_exits *v, const char *name,
	bool behind, const struct vh_timing *t, double rate)
{
	vh_view_cell(s, "%s%s", behind ? "  " : "", name);
	vh_exits_cell_rate(s, rate);
	vh_view_cell(s, "%s",
		t->timed && t->mean_ns < 1e15 ? vh_duration_text(llround(t->mean_ns)).s : "-");
	vh_view_percent(s, t->timed && v->span_ns > 0 ? t->total_ns / v->span_ns : NAN);
}

static bool is_full(const struct vh_view_section *s)
{
	return s->n_cells >= MAX_LINES * s->n_columns;
}

/* The most frequent key of a kind, in any exit or behind that one. */
static void add_key(struct vh_view_section *s, const struct vh_exits_merged *m,
	enum vh_key_kind kind, bool any, uint64_t reason)
{
	size_t n;
	struct vh_exits_line *keys =
		vh_exits_keys_of(&m->sum, kind, any, reason, VH_SORT_SAMPLES, &n);

	if (n && !is_full(s)) {
		vh_auto_free char *name = vh_exit_key_name(keys[0].key);

		add_line(s, &m->sum, name, true, keys[0].timing, vh_exits_key_rate(m, keys[0].key));
	}
	free(keys);
}

static void add_reasons(
	struct vh_view_section *s, const struct vh_exits *e, const struct vh_exits_merged *m)
{
	static const enum vh_key_kind behind[] = {VH_KEY_PIO, VH_KEY_MMIO, VH_KEY_MSR, VH_KEY_CR,
		VH_KEY_CPUID, VH_KEY_HYPERCALL, VH_KEY_HV_HYPERCALL, VH_KEY_XEN_HYPERCALL,
		VH_KEY_NAE, VH_KEY_NAE_MSR, VH_KEY_FAULT};
	struct vh_exits_line *lines = NULL;
	size_t n = 0;

	for (size_t i = 0; i < m->sum.n_rows; i++)
		VH_PUSH(lines, n) = (struct vh_exits_line){.timing = &m->sum.rows[i].timing,
			.row = &m->sum.rows[i],
			.name = m->sum.rows[i].text};
	vh_exits_sort_lines(lines, n, VH_SORT_SAMPLES);
	for (size_t i = 0; i < n && !is_full(s); i++) {
		add_line(s, &m->sum, lines[i].name, false, lines[i].timing,
			vh_exits_per_second(e, (double)lines[i].timing->count));
		for (size_t k = 0; k < VH_ARRAY_SIZE(behind); k++)
			add_key(s, m, behind[k], false, lines[i].row->reason);
	}
	free(lines);
}

/* Where no kvm_exit tells why: the kinds of events, each with its most frequent key. */
static void add_events(struct vh_view_section *s, const struct vh_exits_merged *m)
{
	for (size_t i = 0; i < vh_exits_n_event_kinds && !is_full(s); i++) {
		enum vh_key_kind kind = vh_exits_event_kinds[i];
		struct vh_timing sum = {0};

		for (size_t k = 0; k < m->sum.n_keys; k++)
			if (m->sum.keys[k].kind == kind)
				vh_timing_merge(&sum, &m->sum.keys[k].timing);
		if (!sum.count)
			continue;
		add_line(s, &m->sum, vh_key_kind_title(kind), false, &sum, m->rate[kind]);
		add_key(s, m, kind, true, 0);
	}
}

static void add_vcpu(struct vh_view *v, const struct vh_exits *e, int vcpu)
{
	static const struct vh_view_column columns[] = {
		{"EXIT", false}, {"PER SECOND", true}, {"MEAN", true}, {"OF THE TIME%", true}};
	struct vh_exits_merged *m = vh_exits_merge(e, vcpu);
	struct vh_view_section *s =
		vh_view_add(v, "exits-vcpu", VH_VIEW_TABLE, "Exits of vCPU %d", vcpu);

	s->columns = columns;
	s->n_columns = VH_ARRAY_SIZE(columns);
	if (vh_exits_has_reasons(e))
		add_reasons(s, e, m);
	else
		add_events(s, m);
	vh_exits_merged_free(m);
}

/* The counters that grew most. */
static void add_counters(struct vh_view *v, const struct vh_exits *e)
{
	static const struct vh_view_column columns[] = {{"COUNTER", false}, {"PER SECOND", true}};
	struct vh_exits_merged *m = vh_exits_merge(e, VH_ALL_VCPUS);
	struct vh_view_section *s =
		vh_view_add(v, "exits", VH_VIEW_TABLE, "Exits, by KVM's own counters");
	struct vh_growth *list = m->sum.statistics;

	s->columns = columns;
	s->n_columns = VH_ARRAY_SIZE(columns);
	for (size_t line = 0; line < MAX_LINES && line < m->sum.n_statistics; line++) {
		size_t most = line;

		for (size_t i = line + 1; i < m->sum.n_statistics; i++)
			if (list[i].value > list[most].value)
				most = i;
		struct vh_growth growth = list[most];

		list[most] = list[line];
		list[line] = growth;
		if (growth.value <= 0)
			break;
		vh_view_cell(s, "%s", growth.name);
		vh_exits_cell_rate(s, vh_exits_per_second(e, (double)growth.value));
	}
	vh_exits_merged_free(m);
}

void vh_view_add_exits(struct vh_view *v, const struct vh_exits *e)
{
	const struct vh_exits_options options = {.vcpu = VH_ALL_VCPUS};
	struct vh_exits_merged *all = vh_exits_merge(e, VH_ALL_VCPUS);
	vh_auto_free char *heading =
		vh_asprintf("Where the vCPUs' time went (counted by %s for %s)", e->backend,
			vh_duration_text((int64_t)e->span_ns).s);
	size_t before = v->n_sections;

	if (vh_exits_is_statistics(e)) {
		add_counters(v, e);
	} else if (e->n_vcpus) {
		bool *told = vh_exits_told_vcpus(e, MAX_VCPUS);

		vh_exits_add_split(v, e, all, &options);
		set_heading(v, before, heading);
		for (size_t i = 0; i < e->n_vcpus; i++)
			if (told[i] && (!i || e->vcpus[i]->vcpu != e->vcpus[i - 1]->vcpu))
				add_vcpu(v, e, e->vcpus[i]->vcpu);
		free(told);
	}
	before = v->n_sections;
	vh_exits_add_notes(v, e, &options);
	set_heading(v, before, "How exits were counted");
	vh_exits_merged_free(all);
}
