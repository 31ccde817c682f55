/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Per vCPU: where its time went, or how its counters grew. */
#include "base/units.h"
#include "report/exits_view.h"

/* vCPUs in a table; --vcpu and --json show any. */
#define MAX_VCPUS        16
#define MAX_VCPUS_SCREEN 6
/* A state that lasts for at least this share of the interval is told. */
#define LASTS 0.1
/* Less of a vCPU's time than this is a matter of the interval's ends. */
#define NEGLIGIBLE 0.0005
/* So much of it passes before the first event that tells where a vCPU is. */
#define UNTOLD 0.01

enum column {
	OF,
	GUEST,
	KVM,
	INSIDE,
	USER,
	BLOCKED,
	HALTED,
	WAITING,
	ASLEEP,
	UNKNOWN,
	EXITS,
	NOW,
	N_COLUMNS
};

/* Of the columns those that can say something: a set of bits. */
static unsigned columns_of(const struct vh_exits *e, const struct vh_exits_split *all)
{
	unsigned set = 1U << OF | 1U << USER | 1U << NOW;

	if (vh_exits_has_reasons(e))
		set |= 1U << GUEST | 1U << KVM | 1U << EXITS;
	if (!vh_exits_has_reasons(e) || all->inside >= NEGLIGIBLE)
		set |= 1U << INSIDE;
	if (e->sees_switches)
		set |= 1U << BLOCKED | 1U << HALTED | 1U << WAITING;
	if (all->asleep >= UNTOLD)
		set |= 1U << ASLEEP;
	if (all->unknown >= UNTOLD)
		set |= 1U << UNKNOWN;
	return set;
}

/* "halted for 3.2 s" */
static char *now_text(const struct vh_exits *e, const struct vh_vcpu_exits *v)
{
	static const char *const on[VH_N_PLACE] = {[VH_PLACE_UNKNOWN] = "on a CPU",
		[VH_PLACE_GUEST] = "in the guest",
		[VH_PLACE_KVM] = "in KVM",
		[VH_PLACE_INSIDE] = "in KVM_RUN",
		[VH_PLACE_USER] = "in user space"};
	const char *what = on[v->place];

	if (v->ended)
		return vh_strdup("ended");
	if (v->vcpu < 0 || !(v->since_ns >= LASTS * e->span_ns) || v->since_ns > 1e18)
		return vh_strdup("");
	if (v->rest == VH_REST_READY)
		what = "waits for a CPU";
	else if (v->rest == VH_REST_ASLEEP)
		what = v->place == VH_PLACE_USER      ? "blocked"
		       : v->place == VH_PLACE_UNKNOWN ? "asleep"
						      : "halted";
	return vh_asprintf("%s for %s", what, vh_duration_text((int64_t)v->since_ns).s);
}

static void add_row(struct vh_view_section *s, const struct vh_exits *e,
	const struct vh_vcpu_exits *v, unsigned set)
{
	const struct vh_exits_split p = vh_exits_split(v);
	const double share[N_COLUMNS] = {[GUEST] = p.guest,
		[KVM] = p.kvm,
		[INSIDE] = p.inside,
		[USER] = p.user,
		[BLOCKED] = p.blocked,
		[HALTED] = p.halted,
		[WAITING] = p.waiting,
		[ASLEEP] = p.asleep,
		[UNKNOWN] = p.unknown};
	vh_auto_free char *now = now_text(e, v);

	for (int c = 0; c < N_COLUMNS; c++) {
		if (!(set & 1U << c))
			continue;
		if (c == OF && v->vcpu < 0)
			vh_view_cell(s, "all");
		else if (c == OF)
			vh_view_cell(s, "%d", v->vcpu);
		else if (c == EXITS)
			vh_exits_cell_rate(s, vh_exits_per_second(e, (double)v->exits));
		else if (c == NOW)
			vh_view_cell(s, "%s", now[0] ? now : " ");
		else
			vh_view_percent(s, share[c]);
	}
}

bool *vh_exits_told_vcpus(const struct vh_exits *e, size_t most)
{
	bool *told = vh_alloc(e->n_vcpus + 1);

	for (size_t n = 0; n < VH_MIN(most, e->n_vcpus); n++) {
		size_t best = SIZE_MAX;
		double best_awake = -1;

		for (size_t i = 0; i < e->n_vcpus; i++) {
			double awake = 1 - vh_exits_share(e->vcpus[i], -1, VH_REST_ASLEEP);

			awake = isnan(awake) ? 0 : awake;
			if (told[i] || awake <= best_awake)
				continue;
			best = i;
			best_awake = awake;
		}
		if (best != SIZE_MAX)
			told[best] = true;
	}
	return told;
}

static void add_rest(struct vh_view_section *s, size_t left_out, size_t n_cells)
{
	vh_view_cell(s, "...");
	for (size_t i = 1; i < n_cells; i++)
		vh_view_cell(s, " ");
	vh_view_cell(s, "%zu more slept as much or more", left_out);
}

void vh_exits_add_split(struct vh_view *v, const struct vh_exits *e,
	const struct vh_exits_merged *m, const struct vh_exits_options *o)
{
	static const struct vh_view_column all_columns[N_COLUMNS] = {[OF] = {"VCPU", true},
		[GUEST] = {"GUEST%", true},
		[KVM] = {"KVM%", true},
		[INSIDE] = {"KVM_RUN%", true},
		[USER] = {"USER%", true},
		[BLOCKED] = {"BLOCKED%", true},
		[HALTED] = {"HALTED%", true},
		[WAITING] = {"WAITING%", true},
		[ASLEEP] = {"ASLEEP%", true},
		[UNKNOWN] = {"UNKNOWN%", true},
		[EXITS] = {"EXITS/S", true},
		[NOW] = {"NOW", false}};
	const struct vh_exits_split all = vh_exits_split(&m->sum);
	const unsigned set = columns_of(e, &all);
	struct vh_view_section *s = vh_view_add(v, "split", VH_VIEW_TABLE, "%s", "");
	size_t shown = 0;

	for (int c = 0; c < N_COLUMNS; c++)
		if (set & 1U << c)
			VH_PUSH(s->own_columns, s->n_columns) = all_columns[c];
	s->columns = s->own_columns;
	if (o->vcpu != VH_ALL_VCPUS) {
		add_row(s, e, &m->sum, set);
		return;
	}
	bool *told = vh_exits_told_vcpus(e, o->height ? MAX_VCPUS_SCREEN : MAX_VCPUS);

	for (size_t i = 0; i < e->n_vcpus; i++)
		if (told[i]) {
			add_row(s, e, e->vcpus[i], set);
			shown++;
		}
	free(told);
	if (shown < e->n_vcpus)
		add_rest(s, e->n_vcpus - shown, s->n_columns - 1);
	if (e->n_vcpus > 1)
		add_row(s, e, &m->sum, set);
}

static double counter_rate(
	const struct vh_exits *e, const struct vh_vcpu_exits *v, const char *name)
{
	for (size_t i = 0; i < v->n_statistics; i++)
		if (vh_streq(v->statistics[i].name, name))
			return vh_exits_per_second(e, (double)v->statistics[i].value);
	return NAN;
}

/* "0: 1204, 1: 17": of the vCPUs where the counter grew. */
static char *by_vcpu(const struct vh_exits *e, const char *name)
{
	struct vh_buf out = {0};
	size_t n = 0;

	for (size_t i = 0; i < e->n_vcpus; i++) {
		double rate = counter_rate(e, e->vcpus[i], name);

		if (isnan(rate) || rate == 0)
			continue;
		if (n++ == MAX_VCPUS) {
			vh_buf_puts(&out, ", ...");
			break;
		}
		vh_buf_printf(&out, "%s%d: %.*f", n > 1 ? ", " : "", e->vcpus[i]->vcpu,
			fabs(rate) < 100 ? 1 : 0, rate);
	}
	return vh_buf_steal(&out);
}

static int by_growth(const void *a, const void *b)
{
	const struct vh_growth *x = a, *y = b;

	if (x->value != y->value)
		return x->value < y->value ? 1 : -1;
	return strcmp(x->name, y->name);
}

static int by_counter_name(const void *a, const void *b)
{
	return strcmp(((const struct vh_growth *)a)->name, ((const struct vh_growth *)b)->name);
}

void vh_exits_add_counters(struct vh_view *v, const struct vh_exits *e,
	const struct vh_exits_merged *m, const struct vh_exits_options *o)
{
	static const struct vh_view_column columns[] = {
		{"COUNTER", false}, {"PER SECOND", true}, {"BY VCPU", false}};
	struct vh_view_section *s = vh_view_add(v, "table", VH_VIEW_TABLE, "%s", "");
	const bool all = o->vcpu == VH_ALL_VCPUS && e->n_vcpus > 1;

	s->columns = columns;
	s->n_columns = all ? 3 : 2;
	/* The merged list is ours to sort. */
	if (m->sum.n_statistics)
		qsort(m->sum.statistics, m->sum.n_statistics, sizeof(*m->sum.statistics),
			o->sort == VH_SORT_NAME ? by_counter_name : by_growth);
	for (size_t i = 0; i < m->sum.n_statistics; i++) {
		const struct vh_growth *g = &m->sum.statistics[i];

		/* Most counters never count. */
		if (!g->value)
			continue;
		vh_view_cell(s, "%s", g->name);
		vh_exits_cell_rate(s, vh_exits_per_second(e, (double)g->value));
		vh_auto_free char *vcpus = all ? by_vcpu(e, g->name) : NULL;

		if (all)
			vh_view_cell(s, "%s", vcpus[0] ? vcpus : " ");
	}
}
