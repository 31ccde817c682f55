/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/decoder.h"

static int compare(const void *a, const void *b)
{
	const struct vh_found *x = a, *y = b;
	int order = strcmp(x->e->source, y->e->source);

	if (!order)
		order = strcmp(x->e->subject, y->e->subject);
	if (!order)
		order = (int)x->e->round - (int)y->e->round;
	if (!order)
		order = x->index < y->index ? -1 : x->index > y->index;
	return order;
}

void vh_lookup_init(struct vh_lookup *l, const struct vh_case *c)
{
	*l = (struct vh_lookup){.c = c};
	l->list = vh_realloc_array(NULL, c->n_evidence + 1, sizeof(*l->list));
	for (size_t i = 0; i < c->n_evidence; i++)
		l->list[l->n++] = (struct vh_found){c->evidence[i], i};
	qsort(l->list, l->n, sizeof(*l->list), compare);
}

void vh_lookup_free(struct vh_lookup *l)
{
	free(l->list);
	*l = (struct vh_lookup){0};
}

/* The first position whose source (and subject, unless NULL) is not below the one asked for, or,
 * with `past`, is above it. */
static size_t bound(const struct vh_lookup *l, const char *source, const char *subject, bool past)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct vh_evidence *e = l->list[middle].e;
		int order = strcmp(e->source, source);

		if (!order && subject)
			order = strcmp(e->subject, subject);
		if (order < 0 || (past && order == 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void vh_lookup_source(const struct vh_lookup *l, const char *source, size_t *begin, size_t *end)
{
	*begin = bound(l, source, NULL, false);
	*end = bound(l, source, NULL, true);
}

void vh_lookup_subject(const struct vh_lookup *l, const char *source, const char *subject,
	size_t *begin, size_t *end)
{
	*begin = bound(l, source, subject, false);
	*end = bound(l, source, subject, true);
}

static const struct vh_found *seek(const struct vh_lookup *l, const char *source,
	const char *subject, enum vh_round round, bool with_data)
{
	size_t begin, end;

	vh_lookup_subject(l, source, subject, &begin, &end);
	while (end-- > begin) {
		const struct vh_evidence *e = l->list[end].e;

		if ((round == VH_N_ROUND || e->round == round) &&
			(!with_data || (vh_status_has_data(e->status) && e->data)))
			return &l->list[end];
	}
	return NULL;
}

const struct vh_found *vh_seek(
	const struct vh_lookup *l, const char *source, const char *subject, enum vh_round round)
{
	return seek(l, source, subject, round, false);
}

const struct vh_found *vh_seek_data(
	const struct vh_lookup *l, const char *source, const char *subject, enum vh_round round)
{
	return seek(l, source, subject, round, true);
}

struct vh_str vh_seek_text(
	const struct vh_lookup *l, const char *source, const char *subject, enum vh_round round)
{
	const struct vh_found *f = vh_seek_data(l, source, subject, round);

	return vh_evidence_text(f ? f->e : NULL);
}

struct vh_str vh_seek_window(const struct vh_lookup *l, const char *source, const char *subject)
{
	static const enum vh_round order[] = {VH_LAST, VH_FIRST, VH_ONCE};

	for (size_t i = 0; i < VH_ARRAY_SIZE(order); i++) {
		const struct vh_found *f = vh_seek_data(l, source, subject, order[i]);

		if (f)
			return vh_evidence_text(f->e);
	}
	return vh_str("");
}

struct json_object *vh_seek_json(
	const struct vh_lookup *l, const char *source, const char *subject, enum vh_round round)
{
	const struct vh_found *f = vh_seek_data(l, source, subject, round);
	vh_auto_error struct vh_error *err = NULL;

	return f ? vh_json_parse(vh_evidence_text(f->e), &err) : NULL;
}

bool vh_subject_number(const char *prefix, const char *subject, uint64_t *value)
{
	return vh_prefix(subject, prefix) &&
	       vh_parse_u64(vh_str(subject + strlen(prefix)), 10, value);
}

void vh_cpu_set_add(struct vh_cpu_set *set, int64_t cpu)
{
	if (cpu >= 0 && (uint64_t)cpu < 8 * sizeof(set->bits))
		set->bits[cpu / 8] |= (uint8_t)(1u << (cpu % 8));
}

bool vh_cpu_set_has(const struct vh_cpu_set *set, int64_t cpu)
{
	return cpu >= 0 && (uint64_t)cpu < 8 * sizeof(set->bits) &&
	       (set->bits[cpu / 8] >> (cpu % 8) & 1);
}

int vh_cpu_set_count(const struct vh_cpu_set *set)
{
	int n = 0;

	for (size_t i = 0; i < sizeof(set->bits); i++)
		n += __builtin_popcount(set->bits[i]);
	return n;
}

static void add_range(struct vh_cpu_set *set, uint64_t first, uint64_t last)
{
	while (first <= last)
		if (first % 8 == 0 && first + 7 <= last) {
			set->bits[first / 8] = 0xff;
			first += 8;
		} else {
			vh_cpu_set_add(set, (int64_t)first++);
		}
}

bool vh_cpu_set_parse(struct vh_str list, struct vh_cpu_set *set)
{
	struct vh_str rest = vh_str_trim(list), part;
	bool any = false;

	while (vh_next_part(&rest, ',', &part)) {
		struct vh_str first;
		uint64_t a, b;

		if (!vh_next_part(&part, '-', &first) || !vh_parse_u64(first, 10, &a))
			return false;
		if (!part.n)
			b = a;
		else if (!vh_parse_u64(part, 10, &b))
			return false;
		add_range(set, a, VH_MIN(b, 8 * sizeof(set->bits) - 1));
		any = true;
	}
	return any;
}
