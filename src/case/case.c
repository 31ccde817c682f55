/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "case/case.h"

#include <json-c/linkhash.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const round_names[VH_N_ROUND] = {
	[VH_ONCE] = "once",
	[VH_FIRST] = "first",
	[VH_LAST] = "last",
	[VH_ASKED] = "asked",
	[VH_ASKED_AGAIN] = "asked-again",
	[VH_AFTER] = "after",
};
VH_NAMES_DEFINE(vh_round, enum vh_round, round_names)

struct vh_case *vh_case_new(struct vh_vm *vm)
{
	struct vh_case *c = vh_alloc(sizeof(*c));

	c->vm = vm;
	c->tool = vh_strdup("vmhang " VH_VERSION);
	c->began_wall_ns = vh_wall_clock_ns();
	c->began_ns = vh_now_ns();
	return c;
}

void vh_evidence_free(struct vh_evidence *e)
{
	if (!e)
		return;
	free(e->source);
	free(e->subject);
	free(e->where);
	free(e->detail);
	free(e->data);
	free(e->attachment);
	json_object_put(e->meta);
	free(e);
}

void vh_case_free(struct vh_case *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_evidence; i++)
		vh_evidence_free(c->evidence[i]);
	if (c->newest_alike) {
		lh_table_free(c->newest_alike);
		lh_table_free(c->newest_of_source);
	}
	free(c->evidence);
	free(c->tool);
	vh_vm_free(c->vm);
	free(c);
}

/*
 * Finding a piece must not take longer the more there are: a big VM has ten thousand, a case file
 * that means harm a hundred thousand. One table holds the newest piece of each source and subject,
 * another of each source; each piece knows the next older one. (json-c's tables have a random seed,
 * so that nobody can choose names that all fall together.)
 */
static char *key_of(const char *source, const char *subject)
{
	/* Not unambiguous, and need not be: who walks the chain compares the names. */
	return vh_asprintf("%s\n%s", source, subject);
}

static void free_key(struct lh_entry *entry)
{
	free(lh_entry_k(entry));
}

/* Makes e the newest under the key, which it takes, and returns the one before. */
static struct vh_evidence *make_newest(struct lh_table *table, char *key, struct vh_evidence *e)
{
	struct lh_entry *entry = lh_table_lookup_entry(table, key);
	struct vh_evidence *older = NULL;

	if (entry) {
		older = (struct vh_evidence *)lh_entry_v(entry);
		lh_entry_set_val(entry, e);
		free(key);
	} else {
		lh_table_insert(table, key, e);
	}
	return older;
}

void vh_case_take(struct vh_case *c, struct vh_evidence *e)
{
	if (!c->newest_alike) {
		c->newest_alike = lh_kchar_table_new(64, free_key);
		c->newest_of_source = lh_kchar_table_new(64, free_key);
	}
	e->index = c->n_evidence;
	VH_PUSH(c->evidence, c->n_evidence) = e;
	e->older_alike = make_newest(c->newest_alike, key_of(e->source, e->subject), e);
	e->older_of_source = make_newest(c->newest_of_source, vh_strdup(e->source), e);
}

/* The newest piece of that source and, unless NULL, subject. */
static struct vh_evidence *newest(const struct vh_case *c, const char *source, const char *subject)
{
	vh_auto_free char *key = subject ? key_of(source, subject) : vh_strdup(source);
	struct lh_table *table = subject ? c->newest_alike : c->newest_of_source;
	void *found = NULL;

	if (!table || !lh_table_lookup_ex(table, key, &found))
		return NULL;
	return found;
}

static struct vh_evidence *older(const struct vh_evidence *e, const char *subject)
{
	return subject ? e->older_alike : e->older_of_source;
}

static bool fits(
	const struct vh_evidence *e, const char *source, const char *subject, enum vh_round round)
{
	return (round == VH_N_ROUND || e->round == round) && strcmp(e->source, source) == 0 &&
	       (!subject || strcmp(e->subject, subject) == 0);
}

struct vh_evidence *vh_case_add(struct vh_case *c, enum vh_round round, const char *source,
	const char *subject, const char *where)
{
	struct vh_evidence *e = vh_alloc(sizeof(*e));

	e->source = vh_strdup(source);
	e->subject = vh_strdup(subject ? subject : "");
	e->where = vh_strdup(where ? where : "");
	e->round = round;
	e->at_ns = vh_now_ns() - c->began_ns;
	vh_case_take(c, e);
	return e;
}

struct vh_evidence *vh_case_add_reading(struct vh_case *c, enum vh_round round, const char *source,
	const char *subject, const char *where, struct vh_reading *r)
{
	struct vh_evidence *e = vh_case_add(c, round, source, subject, where);

	e->status = r->status;
	e->err = r->err;
	e->at_ns = r->at_ns - c->began_ns;
	e->took_ns = r->took_ns;
	e->data = r->data;
	e->size = r->size;
	if (r->err)
		e->detail = vh_strdup(strerror(r->err));
	r->data = NULL;
	vh_reading_free(r);
	return e;
}

void vh_case_add_skipped(struct vh_case *c, enum vh_round round, const char *source,
	const char *subject, const char *where, const char *reason)
{
	struct vh_evidence *e = vh_case_add(c, round, source, subject, where);

	e->status = VH_SKIPPED;
	e->detail = vh_strdup(reason);
}

void vh_evidence_set_data(struct vh_evidence *e, const char *data, size_t size)
{
	free(e->data);
	e->data = vh_alloc(size + 1);
	if (size)
		memcpy(e->data, data, size);
	e->size = size;
}

void vh_evidence_fail(struct vh_evidence *e, enum vh_status status, int err, const char *fmt, ...)
{
	va_list args;
	char *detail;

	va_start(args, fmt);
	detail = vh_vasprintf(fmt, args);
	va_end(args);
	free(e->detail);
	e->detail = detail;
	e->status = status;
	e->err = err;
}

void vh_evidence_set_number(struct vh_evidence *e, const char *key, int64_t value)
{
	if (!e->meta)
		e->meta = json_object_new_object();
	vh_json_put_i64(e->meta, key, value);
}

int64_t vh_evidence_number(const struct vh_evidence *e, const char *key, int64_t fallback)
{
	int64_t value;

	return e && vh_json_i64(e->meta, key, &value) ? value : fallback;
}

struct vh_evidence *vh_case_find(
	const struct vh_case *c, const char *source, const char *subject, enum vh_round round)
{
	struct vh_evidence *e = newest(c, source, subject);

	while (e && !fits(e, source, subject, round))
		e = older(e, subject);
	return e;
}

struct vh_evidence *vh_case_find_data(
	const struct vh_case *c, const char *source, const char *subject, enum vh_round round)
{
	struct vh_evidence *e = newest(c, source, subject);

	while (e && !(e->data && vh_status_has_data(e->status) && fits(e, source, subject, round)))
		e = older(e, subject);
	return e;
}

struct vh_evidence *vh_case_older(const struct vh_evidence *e, const char *subject)
{
	struct vh_evidence *next = older(e, subject);

	while (next && !fits(next, e->source, subject, VH_N_ROUND))
		next = older(next, subject);
	return next;
}

size_t vh_case_index(const struct vh_case *c, const struct vh_evidence *e)
{
	return e->index < c->n_evidence && c->evidence[e->index] == e ? e->index : SIZE_MAX;
}
