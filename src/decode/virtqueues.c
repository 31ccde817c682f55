/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queues of virtio disks: x-query-virtio-* (QEMU qapi/virtio.json, from 7.2), and what the
 * guest's own memory holds of them. */
#include "decode/decoder.h"

#define MAX_QUEUES 256

static bool keyed_u16(struct vh_str text, const char *key, uint16_t *value)
{
	uint64_t number;

	if (!vh_keyed_u64(text, key, &number) || number > UINT16_MAX)
		return false;
	*value = (uint16_t)number;
	return true;
}

static void take_ring(
	struct vh_decoder *d, struct vh_queue_look *look, const char *subject, enum vh_round round)
{
	struct vh_str text = vh_seek_text(&d->in, "guest.vring", subject, round);

	look->has_ring = keyed_u16(text, "avail", &look->offered) &&
			 keyed_u16(text, "used", &look->returned);
	look->has_event = keyed_u16(text, "used-event", &look->event);
}

/* The look of a round: the newest, as a third one follows where nothing moved. */
static void take_look(struct vh_decoder *d, struct vh_queue *q, int sample, const char *subject,
	enum vh_round round)
{
	struct vh_queue_look *look = &q->looks[sample];
	static const char source[] = "qmp.x-query-virtio-queue-status";
	const struct vh_found *f = vh_seek_data(&d->in, source, subject, round);
	vh_auto_json struct json_object *o = vh_seek_json(&d->in, source, subject, round);
	uint64_t size, taken, used, in_use;

	if (!f || !vh_json_u64(o, "vring-num", &size) || !size ||
		!vh_json_u64(o, "inuse", &in_use) || !vh_json_u64(o, "last-avail-idx", &taken) ||
		!vh_json_u64(o, "used-idx", &used) || taken > UINT16_MAX || used > UINT16_MAX)
		return;
	q->size = size;
	*look = (struct vh_queue_look){.seen = true,
		.at_ns = f->e->at_ns,
		.in_flight = in_use,
		.taken = (uint16_t)taken,
		.used = (uint16_t)used};
	take_ring(d, look, subject, round);
}

static const char *drive_of(const struct vh_model *m, const char *path)
{
	for (size_t i = 0; i < m->n_drives; i++)
		if (vh_streq(m->drives[i].qdev, path))
			return m->drives[i].name;
	return NULL;
}

static void take_status(struct vh_decoder *d, const char *path)
{
	vh_auto_json struct json_object *o =
		vh_seek_json(&d->in, "qmp.x-query-virtio-status", path, VH_N_ROUND);

	if (!vh_json_bool(o, "broken", false))
		return;
	VH_PUSH(d->m->broken_devices, d->m->n_broken_devices) = vh_strdup(path);
}

void vh_decode_virtqueues(struct vh_decoder *d)
{
	size_t begin, end;

	vh_lookup_source(&d->in, "qmp.x-query-virtio-status", &begin, &end);
	for (size_t i = begin; i < end && d->m->n_broken_devices < MAX_QUEUES; i++)
		take_status(d, d->in.list[i].e->subject);
	vh_lookup_source(&d->in, "qmp.x-query-virtio-queue-status", &begin, &end);
	for (size_t i = begin; i < end && d->m->n_queues < MAX_QUEUES; i++) {
		const char *subject = d->in.list[i].e->subject, *dot = strrchr(subject, '.');
		struct vh_queue q = {0};
		uint64_t number;

		if ((i > begin && vh_streq(subject, d->in.list[i - 1].e->subject)) || !dot ||
			!vh_parse_u64(vh_str(dot + 1), 10, &number) || number > UINT16_MAX)
			continue;
		take_look(d, &q, 0, subject, VH_ASKED);
		take_look(d, &q, 1, subject, VH_ASKED_AGAIN);
		if (!q.looks[0].seen)
			continue;
		q.subject = vh_strdup(subject);
		q.device = vh_strdup(subject);
		q.device[dot - subject] = '\0';
		q.number = (unsigned)number;
		q.drive = vh_strdup(drive_of(d->m, q.device));
		VH_PUSH(d->m->queues, d->m->n_queues) = q;
	}
}
