/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first line: what there was most of, and where the time went. */
#include "base/units.h"
#include "report/exits_view.h"

/* So many of vh_exits_event_kinds tell what the guest does; what follows is a consequence, and goes
 * into the first line only where there is nothing else. */
#define N_GUEST_KINDS 13
/* Rarer than this is not worth the first line. */
#define WORTH_PER_S 1.0
/* The largest parts of the time, and a part that is too small to name. */
#define TIME_PARTS  3
#define WORTH_SHARE 0.02

static void put_rate(struct vh_buf *out, double rate)
{
	vh_buf_printf(out, "%.*f", rate < 100 && rate > 0 ? 1 : 0, rate);
}

/* The most frequent key of a kind, where it stands for all of them. */
static const struct vh_exit_key *top_key(const struct vh_exits_merged *m, enum vh_key_kind kind,
	bool any, uint64_t reason, double of)
{
	size_t n;
	struct vh_exits_line *lines =
		vh_exits_keys_of(&m->sum, kind, any, reason, VH_SORT_SAMPLES, &n);
	const struct vh_exit_key *top = n ? lines[0].key : NULL;

	free(lines);
	return top && (double)top->timing.count >= VH_EXITS_MOST * of ? top : NULL;
}

static void put_key(struct vh_buf *out, const struct vh_exit_key *k)
{
	vh_auto_free char *name = vh_exit_key_name(k);

	vh_buf_printf(out, ": %s", name);
}

static void put_exits(struct vh_buf *out, const struct vh_exits *e, const struct vh_exits_merged *m)
{
	const struct vh_exit_row *top = NULL;

	for (size_t i = 0; i < m->sum.n_rows; i++)
		if (!top || m->sum.rows[i].timing.count > top->timing.count)
			top = &m->sum.rows[i];
	if (!m->sum.exits || !top) {
		vh_buf_printf(out, "no exit in %s", vh_duration_text((int64_t)e->span_ns).s);
		return;
	}
	put_rate(out, vh_exits_per_second(e, (double)m->sum.exits));
	vh_buf_printf(out, " exits a second, %.0f %% of them %s",
		100 * (double)top->timing.count / (double)m->sum.exits, top->text);
	for (size_t i = 0; i < N_GUEST_KINDS; i++) {
		const struct vh_exit_key *k = top_key(
			m, vh_exits_event_kinds[i], false, top->reason, (double)top->timing.count);

		if (k) {
			put_key(out, k);
			return;
		}
	}
}

/* The kind of key that happened most often among those from..to of the table. */
static int top_kind(const struct vh_exits_merged *m, size_t from, size_t to)
{
	int top = -1;

	for (size_t i = from; i < to; i++) {
		enum vh_key_kind kind = vh_exits_event_kinds[i];

		if (m->rate[kind] >= WORTH_PER_S && (top < 0 || m->rate[kind] > m->rate[top]))
			top = (int)kind;
	}
	return top;
}

static void put_kind(struct vh_buf *out, const struct vh_exits_merged *m, enum vh_key_kind kind)
{
	const struct vh_exit_key *k = top_key(m, kind, true, 0, (double)m->count[kind]);

	vh_buf_printf(out, "%s ", vh_key_kind_title(kind));
	put_rate(out, m->rate[kind]);
	vh_buf_puts(out, " times a second");
	if (k)
		put_key(out, k);
}

static void put_events(
	struct vh_buf *out, const struct vh_exits *e, const struct vh_exits_merged *m)
{
	const struct vh_trace_event *emulated = vh_exits_event(e, "kvm:kvm_emulate_insn");
	int kind = top_kind(m, 0, N_GUEST_KINDS);

	if (kind < 0)
		kind = top_kind(m, N_GUEST_KINDS, vh_exits_n_event_kinds);
	if (kind >= 0) {
		put_kind(out, m, (enum vh_key_kind)kind);
		return;
	}
	/* It is not counted for long, because it never stops. */
	bool emulates = emulated && emulated->state == VH_EVENT_UNWANTED && emulated->why;

	vh_buf_printf(out, "nothing%s in %s", emulates ? " but emulated instructions" : "",
		vh_duration_text((int64_t)e->span_ns).s);
}

static void put_counters(
	struct vh_buf *out, const struct vh_exits *e, const struct vh_exits_merged *m)
{
	for (size_t i = 0; i < m->sum.n_statistics; i++)
		if (vh_streq(m->sum.statistics[i].name, "exits")) {
			put_rate(out, vh_exits_per_second(e, (double)m->sum.statistics[i].value));
			vh_buf_puts(out, " exits a second");
			return;
		}
	vh_buf_puts(out, "KVM's counters tell no number of exits");
}

struct part {
	double share;
	const char *text;
};

static int by_share(const void *a, const void *b)
{
	double x = ((const struct part *)a)->share, y = ((const struct part *)b)->share;

	return (x < y) - (x > y);
}

/* "; time: halted 50 %, guest 35 %, user space 10 %" */
static void put_time(struct vh_buf *out, const struct vh_exits_merged *m)
{
	const struct vh_exits_split p = vh_exits_split(&m->sum);
	struct part parts[] = {
		{p.guest, "guest"},
		{p.kvm, "KVM"},
		{p.inside, "KVM_RUN"},
		{p.user, "user space"},
		{p.blocked, "blocked in user space"},
		{p.halted, "halted"},
		{p.waiting, "waiting for a CPU"},
		{p.asleep, "asleep"},
		{p.unknown, "unknown"},
	};

	if (isnan(p.guest))
		return;
	qsort(parts, VH_ARRAY_SIZE(parts), sizeof(*parts), by_share);
	for (size_t i = 0; i < TIME_PARTS && (!i || parts[i].share >= WORTH_SHARE); i++)
		vh_buf_printf(out, "%s%s %.0f %%", i ? ", " : "; time: ", parts[i].text,
			100 * parts[i].share);
}

char *vh_exits_headline(
	const struct vh_exits *e, const struct vh_exits_merged *m, const struct vh_exits_options *o)
{
	vh_auto_buf struct vh_buf out = {0};

	if (o->vcpu != VH_ALL_VCPUS)
		vh_buf_printf(&out, "vCPU %d: ", o->vcpu);
	if (vh_exits_is_statistics(e)) {
		put_counters(&out, e, m);
	} else if (o->of != VH_EXITS_VMEXIT) {
		put_kind(&out, m, vh_exits_kind_of(o->of));
		put_time(&out, m);
	} else {
		if (vh_exits_has_reasons(e))
			put_exits(&out, e, m);
		else
			put_events(&out, e, m);
		put_time(&out, m);
	}
	return vh_escaped(vh_buf_str(&out));
}
