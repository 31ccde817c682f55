/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The queues of virtio disks: how many requests the device has taken and not given back, and how
 * far either side has come. Of devices that QEMU serves itself alone: of a vhost device
 * x-query-virtio-queue-status asks the backend with GET_VRING_BASE, which stops the ring, or waits
 * for ever. Nor is x-query-virtio-queue-element asked: it changes what the device keeps of the
 * ring, beside an I/O thread that uses it. What the guest wrote is read from its memory instead.
 */
#include "collect/session.h"

#include <stdio.h>

#define MAX_DEVICES  16u
#define MAX_PER_DISK 8u  /* queues: as many as vCPUs, mostly */
#define MAX_QUEUES   32u /* of all */
#define MAX_PATH     256u

/* Its rings are where it says, in a layout that has indices in it. */
static bool rings_are_plain(struct json_object *status)
{
	struct json_object *list = vh_json_at(status, "guest-features", "transports", NULL);
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(list, i));

		if (text && (vh_prefix(text, "VIRTIO_F_RING_PACKED") ||
				    vh_prefix(text, "VIRTIO_F_IOMMU_PLATFORM") ||
				    vh_prefix(text, "VIRTIO_F_ACCESS_PLATFORM")))
			return false;
	}
	return true;
}

static bool has_event_index(struct json_object *status)
{
	struct json_object *list = vh_json_at(status, "guest-features", "transports", NULL);
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++)
		if (vh_prefix(json_object_get_string(json_object_array_get_idx(list, i)),
			    "VIRTIO_RING_F_EVENT_IDX"))
			return true;
	return false;
}

static void find_queues(struct vh_session *s, const char *path)
{
	vh_auto_qmp_answer struct vh_qmp_answer type = {0}, status = {0};
	vh_auto_json struct json_object *arguments = json_object_new_object();
	uint64_t n = 0;

	vh_session_ask_property(s, path, "type", &type);
	const char *name = json_object_is_type(type.value, json_type_string)
				   ? json_object_get_string(type.value)
				   : "";

	if (!vh_session_goes_on(s) ||
		(!vh_streq(name, "virtio-blk-device") && !vh_streq(name, "virtio-scsi-device")))
		return;
	vh_json_put_text(arguments, "path", path);
	vh_session_ask(s, "x-query-virtio-status", arguments, &status);
	vh_session_add(s, VH_ASKED, "qmp.x-query-virtio-status", path, "QMP x-query-virtio-status",
		&status);
	/* Beside the disks' queues, SCSI has one for control and one for events. */
	unsigned first = vh_streq(name, "virtio-scsi-device") ? 2 : 0;
	bool plain = rings_are_plain(status.value);

	vh_json_u64(status.value, "num-vqs", &n);
	for (unsigned i = first; i < n && i < first + MAX_PER_DISK && s->n_queues < MAX_QUEUES; i++)
		VH_PUSH(s->queues, s->n_queues) = (struct vh_queue_view){.path = vh_strdup(path),
			.number = i,
			.rings_are_plain = plain,
			.has_events = has_event_index(status.value)};
}

void vh_session_find_queues(struct vh_session *s)
{
	vh_auto_qmp_answer struct vh_qmp_answer a = {0};
	unsigned devices = 0;

	vh_session_ask(s, "x-query-virtio", NULL, &a);
	vh_session_add(s, VH_ASKED, "qmp.x-query-virtio", NULL, "QMP x-query-virtio", &a);
	size_t n = json_object_is_type(a.value, json_type_array) ? json_object_array_length(a.value)
								 : 0;

	for (size_t i = 0; i < n && devices < MAX_DEVICES && vh_session_goes_on(s); i++) {
		struct json_object *o = json_object_array_get_idx(a.value, i);
		const char *name = vh_json_string(o, "name", "");
		const char *path = vh_json_string(o, "path", "");

		if ((!vh_streq(name, "virtio-blk") && !vh_streq(name, "virtio-scsi")) || !*path ||
			strlen(path) > MAX_PATH)
			continue;
		devices++;
		find_queues(s, path);
	}
}

/* An index in a ring: 16 bits, little endian as virtio 1 has it, and x86 always. */
static bool read_index(struct vh_session *s, uint64_t at, struct vh_evidence *e, uint16_t *index)
{
	uint64_t hva;
	uint8_t b[2];

	if (!vh_session_ask_number(s, "gpa2hva", at, -1, " is ", e, &hva) ||
		!vh_session_read_hva(s, hva, b, sizeof(b), e))
		return false;
	*index = (uint16_t)(b[0] | b[1] << 8);
	return true;
}

static void read_rings(struct vh_session *s, struct vh_queue_view *q, enum vh_round round,
	const char *subject, struct json_object *status)
{
	uint64_t avail_ring, used_ring, size = 0;
	uint16_t avail, used, event;

	if (!q->rings_are_plain || s->outlook.against[VH_NEED_MEMORY] ||
		s->outlook.against[VH_NEED_ACCESS] || s->outlook.against[VH_NEED_X86] ||
		!vh_json_u64(status, "vring-avail", &avail_ring) || !avail_ring ||
		!vh_json_u64(status, "vring-used", &used_ring) || !used_ring)
		return;
	struct vh_evidence *e =
		vh_case_add(s->c, round, "guest.vring", subject, "HMP gpa2hva; process_vm_readv");
	int64_t now = vh_now_ns();

	vh_json_u64(status, "vring-num", &size);
	/* struct vring_avail and vring_used: flags, idx, ring[]; behind the first one used_event.
	 */
	if (read_index(s, avail_ring + 2, e, &avail) && read_index(s, used_ring + 2, e, &used)) {
		vh_auto_buf struct vh_buf text = {0};

		vh_buf_printf(&text, "avail %u\nused %u\n", avail, used);
		if (q->has_events && read_index(s, avail_ring + 4 + 2 * size, e, &event)) {
			q->unseen = (uint16_t)(used - event);
			vh_buf_printf(&text, "used-event %u\n", event);
		}
		vh_evidence_set_data(e, text.data, text.len);
		q->untaken = avail;
	}
	vh_session_set_time(s, e, now);
}

static void look_at(struct vh_session *s, struct vh_queue_view *q, enum vh_round round)
{
	vh_auto_qmp_answer struct vh_qmp_answer a = {0};
	vh_auto_json struct json_object *arguments = json_object_new_object();
	vh_auto_free char *subject = vh_asprintf("%s.%u", q->path, q->number);
	struct vh_queue_view before = *q;
	uint64_t in_use = 0, taken = 0, used = 0, size = 0;

	vh_json_put_text(arguments, "path", q->path);
	vh_json_put_u64(arguments, "queue", q->number);
	vh_session_ask(s, "x-query-virtio-queue-status", arguments, &a);
	vh_session_add(s, round, "qmp.x-query-virtio-queue-status", subject,
		"QMP x-query-virtio-queue-status", &a);
	vh_json_u64(a.value, "vring-num", &size);
	vh_json_u64(a.value, "vring-desc", &q->descriptors);
	/* A queue that the guest has not set up. */
	q->idle = !a.value || !size || !q->descriptors;
	if (q->idle || !vh_json_u64(a.value, "inuse", &in_use) ||
		!vh_json_u64(a.value, "last-avail-idx", &taken) ||
		!vh_json_u64(a.value, "used-idx", &used))
		return;
	q->in_use = in_use;
	q->taken = taken;
	q->used = used;
	q->untaken = taken;
	q->unseen = 0;
	read_rings(s, q, round, subject, a.value);
	q->waits = q->looked && before.taken == taken && before.used == used &&
		   before.in_use == in_use && before.untaken == q->untaken &&
		   before.unseen == q->unseen && (in_use || q->untaken != taken || q->unseen);
	q->looked = true;
}

void vh_session_look_at_queues(struct vh_session *s, enum vh_round round)
{
	for (size_t i = 0; i < s->n_queues && vh_session_goes_on(s); i++)
		if (!s->queues[i].idle)
			look_at(s, &s->queues[i], round);
}

bool vh_session_queue_waits(const struct vh_session *s)
{
	for (size_t i = 0; i < s->n_queues; i++)
		if (s->queues[i].waits)
			return true;
	return false;
}

void vh_session_free_queues(struct vh_session *s)
{
	for (size_t i = 0; i < s->n_queues; i++)
		free(s->queues[i].path);
	free(s->queues);
}
