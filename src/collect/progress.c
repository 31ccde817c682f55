/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the VMM is busy with: a migration, block jobs, a dump. Where one goes on it is asked again,
 * whether the VM runs or not, and where it has not moved by then it is given some time more: a slow
 * one must not be called stalled. A VM whose VMM does nothing of the kind pays for none of this.
 */
#include "collect/session.h"

#define GAP_NS      (105 * VH_NS_PER_MS) /* from the first answer to the second */
#define STEP_NS     (100 * VH_NS_PER_MS) /* from then on */
#define PATIENCE_NS (800 * VH_NS_PER_MS) /* in all, where nothing moves */

static bool migration_goes_on(struct json_object *o)
{
	static const char *const on[] = {"setup", "cancelling", "active", "postcopy-active",
		"postcopy-device", "postcopy-paused", "postcopy-recover", "postcopy-recover-setup",
		"pre-switchover", "device", "wait-unplug", "colo"};
	const char *status = vh_json_string(o, "status", "");

	for (size_t i = 0; i < VH_ARRAY_SIZE(on); i++)
		if (vh_streq(status, on[i]))
			return true;
	return false;
}

static bool job_goes_on(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) && json_object_array_length(list);
}

static bool dump_goes_on(struct json_object *o)
{
	return vh_streq(vh_json_string(o, "status", NULL), "active");
}

/* A number that changes whenever it moves; false where there is none. */
static bool migration_moved(struct json_object *o, uint64_t *moved)
{
	const char *status = vh_json_string(o, "status", "");

	return (vh_streq(status, "active") || vh_streq(status, "device") ||
		       vh_streq(status, "postcopy-active")) &&
	       vh_json_u64(vh_json_at(o, "ram", NULL), "transferred", moved);
}

static bool job_moved(struct json_object *list, uint64_t *moved)
{
	bool any = false;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *job = json_object_array_get_idx(list, i);
		uint64_t done;

		if (!vh_streq(vh_json_string(job, "status", NULL), "running") ||
			!vh_json_u64(job, "offset", &done))
			continue;
		*moved += done;
		any = true;
	}
	return any;
}

static bool dump_moved(struct json_object *o, uint64_t *moved)
{
	return vh_json_u64(o, "completed", moved);
}

static const struct kind {
	const char *source;
	bool (*goes_on)(struct json_object *answer);
	bool (*moved)(struct json_object *answer, uint64_t *moved);
} kinds[] = {
	{"qmp.query-migrate", migration_goes_on, migration_moved},
	{"qmp.query-block-jobs", job_goes_on, job_moved},
	{"qmp.query-dump", dump_goes_on, dump_moved},
};

static struct json_object *parse(const struct vh_evidence *e)
{
	struct vh_error *err = NULL;
	struct json_object *o = e ? vh_json_parse(vh_evidence_text(e), &err) : NULL;

	vh_error_free(err);
	return o;
}

static bool has_moved(const struct kind *k, struct json_object *from, struct json_object *to)
{
	uint64_t before = 0, now = 0;

	return !k->goes_on(to) || !k->moved(from, &before) || !k->moved(to, &now) || now != before;
}

static void ask_again(struct vh_session *s, const struct kind *k)
{
	const struct vh_question *q = vh_plan_find(k->source, NULL);
	const struct vh_evidence *e = vh_case_find_data(s->c, k->source, NULL, VH_ASKED);
	vh_auto_json struct json_object *first = parse(e);

	if (!first || !q || !k->goes_on(first))
		return;
	vh_auto_free char *where = vh_asprintf("QMP %s", q->command);
	int64_t began = e->at_ns + s->c->began_ns, next = began + GAP_NS;
	bool over = false;

	while (!over) {
		vh_auto_qmp_answer struct vh_qmp_answer a = {0};

		vh_sleep_until_ns(VH_MIN(next, s->total.at_ns));
		if (!vh_session_goes_on(s))
			return;
		vh_session_ask(s, q->command, NULL, &a);
		next = vh_now_ns() + STEP_NS;
		/* Only the last answer is kept. */
		over = !a.value || has_moved(k, first, a.value) || next > began + PATIENCE_NS ||
		       next > s->total.at_ns;
		if (over)
			vh_session_add(s, VH_ASKED_AGAIN, k->source, NULL, where, &a);
	}
}

void vh_session_watch_progress(struct vh_session *s)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(kinds); i++)
		if (vh_session_goes_on(s))
			ask_again(s, &kinds[i]);
}

bool vh_session_migrates(const struct vh_session *s)
{
	vh_auto_json struct json_object *o =
		parse(vh_case_find_data(s->c, "qmp.query-migrate", NULL, VH_ASKED));

	return o && migration_goes_on(o);
}
