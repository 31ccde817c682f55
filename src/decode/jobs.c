/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * query-migrate, query-block-jobs and query-dump, each asked twice (QEMU qapi/migration.json,
 * qapi/block-core.json, qapi/dump.json).
 */
#include <math.h>

#include "decode/decoder.h"

#define MAX_JOBS 64

static const enum vh_round rounds[2] = {VH_ASKED, VH_ASKED_AGAIN};

const struct vh_migration_look *vh_migration_last(const struct vh_migration_view *v)
{
	return v->looks[1].seen ? &v->looks[1] : v->looks[0].seen ? &v->looks[0] : NULL;
}

static char *text_of(struct json_object *o, const char *key)
{
	const char *s = vh_json_string(o, key, NULL);

	return s ? vh_escaped(s) : NULL;
}

/* Replaces what is there, where the newer answer has it. */
static void take_text(char **to, struct json_object *o, const char *key)
{
	char *s = text_of(o, key);

	if (!s)
		return;
	free(*to);
	*to = s;
}

static int64_t number_or(struct json_object *o, const char *key, int64_t otherwise)
{
	int64_t n;

	return vh_json_i64(o, key, &n) && n >= 0 ? n : otherwise;
}

static uint64_t product(uint64_t a, uint64_t b)
{
	return b && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

static void take_ram(struct vh_migration_look *look, struct json_object *ram)
{
	struct json_object *mbps = vh_json_at(ram, "mbps", NULL);
	uint64_t page = 4096, dirty = 0;

	if (!vh_json_u64(ram, "transferred", &look->moved))
		return;
	look->has_ram = true;
	vh_json_u64(ram, "remaining", &look->remaining_bytes);
	vh_json_u64(ram, "total", &look->total_bytes);
	vh_json_u64(ram, "dirty-sync-count", &look->rounds);
	vh_json_u64(ram, "page-size", &page);
	if (vh_json_u64(ram, "dirty-pages-rate", &dirty))
		look->dirty_bytes_per_s = product(dirty, page);
	if (mbps)
		look->bytes_per_s = json_object_get_double(mbps) * 1e6 / 8;
	if (!isfinite(look->bytes_per_s) || look->bytes_per_s < 0)
		look->bytes_per_s = 0;
}

static void decode_migration(struct vh_decoder *d)
{
	struct vh_migration_view *v = &d->m->migration;
	vh_auto_json struct json_object *parameters =
		vh_seek_json(&d->in, "qmp.query-migrate-parameters", "", VH_N_ROUND);

	v->downtime_limit_ms = number_or(parameters, "downtime-limit", -1);
	v->max_bytes_per_s = number_or(parameters, "max-bandwidth", -1);
	for (int i = 0; i < 2; i++) {
		const struct vh_found *found =
			vh_seek_data(&d->in, "qmp.query-migrate", "", rounds[i]);
		vh_auto_json struct json_object *o =
			vh_seek_json(&d->in, "qmp.query-migrate", "", rounds[i]);
		struct vh_migration_look *look = &v->looks[i];

		look->expected_downtime_ms = look->throttle_percent = -1;
		if (!found || !json_object_is_type(o, json_type_object))
			continue;
		look->seen = true;
		look->at_ns = found->e->at_ns;
		look->status = text_of(o, "status");
		take_text(&v->error, o, "error-desc");
		take_ram(look, vh_json_at(o, "ram", NULL));
		look->expected_downtime_ms = number_or(o, "expected-downtime", -1);
		look->throttle_percent = number_or(o, "cpu-throttle-percentage", -1);
	}
}

static struct vh_block_job *job_get(struct vh_jobs_view *v, const char *id)
{
	for (size_t i = 0; i < v->n; i++)
		if (vh_streq(v->list[i].id, id))
			return &v->list[i];
	if (v->n >= MAX_JOBS)
		return NULL;
	VH_PUSH(v->list, v->n) = (struct vh_block_job){.id = vh_strdup(id)};
	return &v->list[v->n - 1];
}

static void take_job(struct vh_jobs_view *v, struct json_object *o, int round)
{
	vh_auto_free char *id = text_of(o, "device");
	struct vh_block_job *job = id ? job_get(v, id) : NULL;

	if (!job)
		return;
	take_text(&job->type, o, "type");
	take_text(&job->status, o, "status");
	take_text(&job->io_status, o, "io-status");
	take_text(&job->error, o, "error");
	job->has_done[round] = vh_json_u64(o, "offset", &job->done_bytes[round]);
	vh_json_u64(o, "len", &job->total_bytes);
	vh_json_u64(o, "speed", &job->bytes_per_s_limit);
	job->paused = vh_json_bool(o, "paused", false);
	job->ready = vh_json_bool(o, "ready", false);
	job->by_hand =
		!vh_json_bool(o, "auto-finalize", true) || !vh_json_bool(o, "auto-dismiss", true);
}

static void decode_block_jobs(struct vh_decoder *d)
{
	struct vh_jobs_view *v = &d->m->jobs;

	for (int i = 0; i < 2; i++) {
		const struct vh_found *found =
			vh_seek_data(&d->in, "qmp.query-block-jobs", "", rounds[i]);
		vh_auto_json struct json_object *list =
			vh_seek_json(&d->in, "qmp.query-block-jobs", "", rounds[i]);

		if (!found || !json_object_is_type(list, json_type_array))
			continue;
		v->at_ns[i] = found->e->at_ns;
		for (size_t k = 0; k < VH_MIN(json_object_array_length(list), MAX_JOBS); k++)
			take_job(v, json_object_array_get_idx(list, k), i);
	}
}

static void decode_dump(struct vh_decoder *d)
{
	struct vh_dump_view *v = &d->m->dump;

	for (int i = 0; i < 2; i++) {
		const struct vh_found *found =
			vh_seek_data(&d->in, "qmp.query-dump", "", rounds[i]);
		vh_auto_json struct json_object *o =
			vh_seek_json(&d->in, "qmp.query-dump", "", rounds[i]);

		if (!found || !json_object_is_type(o, json_type_object))
			continue;
		v->at_ns[i] = found->e->at_ns;
		take_text(&v->status, o, "status");
		v->has_done[i] = vh_json_u64(o, "completed", &v->done_bytes[i]);
		vh_json_u64(o, "total", &v->total_bytes);
	}
}

void vh_decode_jobs(struct vh_decoder *d)
{
	decode_migration(d);
	decode_block_jobs(d);
	decode_dump(d);
}

void vh_jobs_free(struct vh_model *m)
{
	for (int i = 0; i < 2; i++)
		free(m->migration.looks[i].status);
	free(m->migration.error);
	for (size_t i = 0; i < m->jobs.n; i++) {
		free(m->jobs.list[i].id);
		free(m->jobs.list[i].type);
		free(m->jobs.list[i].status);
		free(m->jobs.list[i].io_status);
		free(m->jobs.list[i].error);
	}
	free(m->jobs.list);
	free(m->dump.status);
}
