/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All vCPUs of a VM as one: what perf kvm stat shows without --vcpu. */
#include "report/exits.h"

/* Sum of the squared distances from the mean. The deviation is the relative standard error of the
 * mean, sqrt(this / (n - 1) / n) / mean. NAN where it is not known. */
static double spread(const struct vh_timing *t)
{
	double n = (double)t->timed, error = t->deviation * t->mean_ns;

	if (t->timed < 2 || !(t->mean_ns > 0))
		return 0;
	return error * error * n * (n - 1);
}

void vh_timing_merge(struct vh_timing *a, const struct vh_timing *b)
{
	uint64_t count = a->count + b->count;

	if (!a->timed) {
		*a = *b;
	} else if (b->timed) {
		double na = (double)a->timed, nb = (double)b->timed, n = na + nb;
		double apart = b->mean_ns - a->mean_ns;
		/* Chan, Golub, LeVeque: the spread of two sets together. */
		double all = spread(a) + spread(b) + apart * apart * na * nb / n;

		a->timed += b->timed;
		a->total_ns += b->total_ns;
		a->mean_ns = a->total_ns / n;
		a->min_ns = fmin(a->min_ns, b->min_ns);
		a->max_ns = fmax(a->max_ns, b->max_ns);
		a->deviation = a->mean_ns > 0 ? sqrt(all / (n - 1) / n) / a->mean_ns : NAN;
		for (size_t i = 0; i < VH_N_LOG2; i++)
			a->log2[i] += b->log2[i];
	}
	a->count = count;
	if (!a->timed)
		a->total_ns = a->min_ns = a->max_ns = a->mean_ns = a->deviation = NAN;
}

static int by_reason(const void *a, const void *b)
{
	const struct vh_exit_row *x = a, *y = b;

	return (x->reason > y->reason) - (x->reason < y->reason);
}

static int by_key(const void *a, const void *b)
{
	const struct vh_exit_key *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	if (x->detail != y->detail)
		return x->detail < y->detail ? -1 : 1;
	return (x->reason > y->reason) - (x->reason < y->reason);
}

/* A file may hold numbers that nobody counted. */
static int64_t sum_of(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return a > 0 ? INT64_MAX : INT64_MIN;
	return sum;
}

/* Counters of a VM are few and have few distinct names. */
static void add_statistics(struct vh_vcpu_exits *sum, const struct vh_vcpu_exits *v)
{
	for (size_t i = 0; i < v->n_statistics; i++) {
		size_t k = 0;

		while (k < sum->n_statistics &&
			!vh_streq(sum->statistics[k].name, v->statistics[i].name))
			k++;
		if (k == sum->n_statistics)
			VH_PUSH(sum->statistics, sum->n_statistics).name = v->statistics[i].name;
		sum->statistics[k].value = sum_of(sum->statistics[k].value, v->statistics[i].value);
	}
}

static void add_vcpu(
	struct vh_exits_merged *m, const struct vh_exits *e, const struct vh_vcpu_exits *v)
{
	struct vh_vcpu_exits *sum = &m->sum;

	/* The VM as a whole spends no time. */
	for (int place = 0; v->vcpu >= 0 && place < VH_N_PLACE; place++)
		for (int rest = 0; rest < VH_N_REST; rest++)
			sum->time_ns[place][rest] += v->time_ns[place][rest];
	sum->span_ns += v->vcpu >= 0 ? v->span_ns : 0;
	sum->entries += v->entries;
	sum->exits += v->exits;
	for (size_t i = 0; i < v->n_rows; i++)
		VH_PUSH(sum->rows, sum->n_rows) = v->rows[i];
	for (size_t i = 0; i < v->n_keys; i++)
		VH_PUSH(sum->keys, sum->n_keys) = v->keys[i];
	for (int kind = 0; kind < VH_N_KEY_KIND; kind++) {
		double rate = vh_exits_rate(e, v, (enum vh_key_kind)kind);

		m->rate[kind] += isnan(rate) ? 0 : rate;
		sum->more[kind].keys += v->more[kind].keys;
		sum->more[kind].count += v->more[kind].count;
	}
	add_statistics(sum, v);
}

static void fold(struct vh_vcpu_exits *sum)
{
	size_t n = 0;

	if (sum->n_rows)
		qsort(sum->rows, sum->n_rows, sizeof(*sum->rows), by_reason);
	for (size_t i = 0; i < sum->n_rows; i++)
		if (n && by_reason(&sum->rows[n - 1], &sum->rows[i]) == 0)
			vh_timing_merge(&sum->rows[n - 1].timing, &sum->rows[i].timing);
		else
			sum->rows[n++] = sum->rows[i];
	sum->n_rows = n;
	n = 0;
	if (sum->n_keys)
		qsort(sum->keys, sum->n_keys, sizeof(*sum->keys), by_key);
	for (size_t i = 0; i < sum->n_keys; i++)
		if (n && by_key(&sum->keys[n - 1], &sum->keys[i]) == 0)
			vh_timing_merge(&sum->keys[n - 1].timing, &sum->keys[i].timing);
		else
			sum->keys[n++] = sum->keys[i];
	sum->n_keys = n;
}

struct vh_exits_merged *vh_exits_merge(const struct vh_exits *e, int vcpu)
{
	struct vh_exits_merged *m = vh_alloc(sizeof(*m));

	m->sum.vcpu = vcpu;
	for (size_t i = 0; i < e->n_vcpus; i++) {
		const struct vh_vcpu_exits *v = e->vcpus[i];

		if (vcpu != VH_ALL_VCPUS && v->vcpu != vcpu)
			continue;
		add_vcpu(m, e, v);
		/* Of a vCPU that was unplugged and plugged in again, the living thread is first. */
		if (m->n_vcpus++ || vcpu == VH_ALL_VCPUS)
			continue;
		m->sum.tid = v->tid;
		m->sum.ended = v->ended;
		m->sum.place = v->place;
		m->sum.rest = v->rest;
		m->sum.since_ns = v->since_ns;
	}
	if (e->vm && vcpu == VH_ALL_VCPUS)
		add_vcpu(m, e, e->vm);
	fold(&m->sum);
	for (int kind = 0; kind < VH_N_KEY_KIND; kind++)
		m->count[kind] = vh_exits_count(&m->sum, (enum vh_key_kind)kind);
	return m;
}

/* kvm_mmio's types are 0 for a read that is asked, 1 for its answer (include/trace/events/kvm.h,
 * Linux 6.12). */
static bool is_first_half(const struct vh_exit_key *k)
{
	return k->kind == VH_KEY_MMIO && (k->detail & 0xff) == 0;
}

void vh_exits_drop_first_halves(struct vh_exits_merged *m)
{
	struct vh_vcpu_exits *v = &m->sum;
	uint64_t before = m->count[VH_KEY_MMIO];
	size_t n = 0;

	for (size_t i = 0, end; i < v->n_keys; i = end) {
		const struct vh_exit_key first = v->keys[i];

		/* One access behind several reasons; its answers come right behind. */
		for (end = i + 1;
			end < v->n_keys && v->keys[end].kind == first.kind &&
			v->keys[end].value == first.value && v->keys[end].detail == first.detail;
			end++)
			;
		bool answered = end < v->n_keys && v->keys[end].kind == first.kind &&
				v->keys[end].value == first.value &&
				v->keys[end].detail == first.detail + 1;

		for (size_t k = i; k < end; k++)
			if (is_first_half(&first) && answered)
				m->count[VH_KEY_MMIO] -= v->keys[k].timing.count;
			else
				v->keys[n++] = v->keys[k];
	}
	v->n_keys = n;
	if (before)
		m->rate[VH_KEY_MMIO] *= (double)m->count[VH_KEY_MMIO] / (double)before;
}

void vh_exits_merged_free(struct vh_exits_merged *m)
{
	if (!m)
		return;
	free(m->sum.rows);
	free(m->sum.keys);
	free(m->sum.statistics);
	free(m);
}

struct vh_exits_split vh_exits_split(const struct vh_vcpu_exits *v)
{
	return (struct vh_exits_split){
		.guest = vh_exits_share(v, VH_PLACE_GUEST, VH_REST_ON),
		.kvm = vh_exits_share(v, VH_PLACE_KVM, VH_REST_ON),
		.inside = vh_exits_share(v, VH_PLACE_INSIDE, VH_REST_ON),
		.user = vh_exits_share(v, VH_PLACE_USER, VH_REST_ON),
		.blocked = vh_exits_share(v, VH_PLACE_USER, VH_REST_ASLEEP),
		.halted = vh_exits_share(v, VH_PLACE_GUEST, VH_REST_ASLEEP) +
			  vh_exits_share(v, VH_PLACE_KVM, VH_REST_ASLEEP) +
			  vh_exits_share(v, VH_PLACE_INSIDE, VH_REST_ASLEEP),
		.waiting = vh_exits_share(v, -1, VH_REST_READY),
		.asleep = vh_exits_share(v, VH_PLACE_UNKNOWN, VH_REST_ASLEEP),
		.unknown = vh_exits_share(v, VH_PLACE_UNKNOWN, VH_REST_ON),
	};
}
