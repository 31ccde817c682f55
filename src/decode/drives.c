/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The block devices: query-blockstats, twice, and query-block (QEMU qapi/block-core.json). */
#include "decode/decoder.h"

#define MAX_ENTRIES 4096 /* of a list: each is compared with all drives */

/* A drive by what the answers call it: device ("virtio0"), else the device's QOM path, else the
 * node. NULL where the object has none, or beyond the cap. */
static struct vh_drive_view *drive_get(struct vh_model *m, struct json_object *o, bool create)
{
	const char *device = vh_json_string(o, "device", "");
	const char *qdev = vh_json_string(o, "qdev", "");
	const char *node = vh_json_string(o, "node-name", "");

	if (!*node)
		node = vh_json_string(vh_json_at(o, "inserted", NULL), "node-name", "");
	const char *names[] = {device, node, qdev};

	for (size_t k = 0; k < VH_ARRAY_SIZE(names); k++)
		for (size_t i = 0; *names[k] && i < m->n_drives; i++)
			if (vh_streq(m->drives[i].name, names[k]))
				return &m->drives[i];
	const char *name = *device ? device : *node ? node : qdev;

	if (!create || !*name || m->n_drives >= VH_MAX_DRIVES)
		return NULL;
	VH_PUSH(m->drives, m->n_drives) =
		(struct vh_drive_view){.name = vh_strdup(name), .idle_ns = -1};
	return &m->drives[m->n_drives - 1];
}

static uint64_t number(struct json_object *o, const char *key)
{
	uint64_t value = 0;

	vh_json_u64(o, key, &value);
	return value;
}

static void take_stats(struct vh_model *m, struct json_object *list, int sample)
{
	if (!json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < VH_MIN(json_object_array_length(list), MAX_ENTRIES); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		struct json_object *stats = vh_json_at(one, "stats", NULL);
		struct vh_drive_view *v = drive_get(m, one, true);
		uint64_t reads, writes;
		int64_t idle;

		if (!v || !vh_json_u64(stats, "rd_operations", &reads) ||
			!vh_json_u64(stats, "wr_operations", &writes))
			continue;
		v->flush_ops[sample] = number(stats, "flush_operations");
		v->busy_ns[sample] = number(stats, "rd_total_time_ns") +
				     number(stats, "wr_total_time_ns") +
				     number(stats, "flush_total_time_ns");
		if (!v->qdev)
			v->qdev = vh_strdup(vh_json_string(one, "qdev", NULL));
		v->rd_ops[sample] = reads;
		v->wr_ops[sample] = writes;
		v->has_stats[sample] = true;
		v->failed = number(stats, "failed_rd_operations") +
			    number(stats, "failed_wr_operations") +
			    number(stats, "failed_flush_operations");
		if (sample == 0)
			v->failed_first = v->failed;
		/* Only there once a request has been made. */
		if (vh_json_i64(stats, "idle_time_ns", &idle) && idle >= 0)
			v->idle_ns = idle;
	}
}

static void take_throttle(struct vh_drive_view *v, struct json_object *inserted)
{
	static const char *const iops[] = {"iops_rd", "iops_wr", "iops"};
	static const char *const bps[] = {"bps_rd", "bps_wr", "bps"};

	if (!inserted)
		return;
	v->throttle.seen = true;
	for (size_t i = 0; i < VH_ARRAY_SIZE(iops); i++) {
		v->throttle.iops[i] = number(inserted, iops[i]);
		v->throttle.bps[i] = number(inserted, bps[i]);
	}
}

static void take_blocks(struct vh_model *m, struct json_object *list)
{
	if (!json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < VH_MIN(json_object_array_length(list), MAX_ENTRIES); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		struct vh_drive_view *v = drive_get(m, one, true);
		const char *file = vh_json_string(vh_json_at(one, "inserted", NULL), "file", NULL);
		const char *io_status = vh_json_string(one, "io-status", NULL);

		if (v)
			take_throttle(v, vh_json_at(one, "inserted", NULL));
		if (v && file)
			vh_replace(&v->file, file);
		if (v && io_status)
			vh_replace(&v->io_status, io_status);
	}
}

/* Where query-block was not asked, the command line says which file it is. */
static void take_command_line(struct vh_model *m)
{
	for (size_t i = 0; i < m->n_drives; i++)
		for (size_t k = 0; k < m->vm->n_drives && !m->drives[i].file; k++)
			if (vh_streq(m->drives[i].name, m->vm->drives[k].id))
				m->drives[i].file = vh_strdup(m->vm->drives[k].file);
}

enum vh_backend vh_backend_of(const char *file)
{
	static const struct {
		const char *begins;
		enum vh_backend backend;
	} rows[] = {
		{"nbd:", VH_BACKEND_NBD},
		{"nbd+", VH_BACKEND_NBD},
		{"rbd:", VH_BACKEND_RBD},
		{"iscsi:", VH_BACKEND_ISCSI},
		{"iser:", VH_BACKEND_ISCSI},
		{"gluster", VH_BACKEND_OTHER_SERVER},
		{"ssh:", VH_BACKEND_OTHER_SERVER},
		{"http:", VH_BACKEND_OTHER_SERVER},
		{"https:", VH_BACKEND_OTHER_SERVER},
		{"nfs:", VH_BACKEND_OTHER_SERVER},
		{"/", VH_BACKEND_FILE},
		{"file:", VH_BACKEND_FILE},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++)
		if (vh_prefix(file, rows[i].begins))
			return rows[i].backend;
	return VH_BACKEND_UNKNOWN;
}

void vh_decode_drives(struct vh_decoder *d)
{
	vh_auto_json struct json_object *first =
		vh_seek_json(&d->in, "qmp.query-blockstats", "", VH_ASKED);
	vh_auto_json struct json_object *again =
		vh_seek_json(&d->in, "qmp.query-blockstats", "", VH_ASKED_AGAIN);
	vh_auto_json struct json_object *blocks =
		vh_seek_json(&d->in, "qmp.query-block", "", VH_N_ROUND);

	take_stats(d->m, first, 0);
	take_stats(d->m, again, 1);
	take_blocks(d->m, blocks);
	take_command_line(d->m);
	const struct vh_found *began = vh_seek_data(&d->in, "qmp.query-blockstats", "", VH_ASKED);
	const struct vh_found *ended =
		vh_seek_data(&d->in, "qmp.query-blockstats", "", VH_ASKED_AGAIN);

	for (size_t i = 0; began && ended && i < d->m->n_drives; i++)
		d->m->drives[i].seconds = vh_seconds(began->e->at_ns, ended->e->at_ns);
}
