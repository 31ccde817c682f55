/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/perf_ring.h"

#include <errno.h>
#include <sys/mman.h>

int vh_ring_map(struct vh_ring *r, int fd, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	/* Writable: only then does the kernel keep what was not taken, and count what has no room.
	 */
	void *map = mmap(NULL, page + bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	*r = (struct vh_ring){.page = map, .data = (uint8_t *)map + page, .bytes = bytes};
	return 0;
}

void vh_ring_unmap(struct vh_ring *r)
{
	if (r->page)
		munmap(r->page, (size_t)sysconf(_SC_PAGESIZE) + r->bytes);
	free(r->copy);
	*r = (struct vh_ring){0};
}

static void throw_away(struct vh_ring *r, uint64_t head)
{
	r->broken++;
	r->tail = head;
}

/* n bytes at the tail, in one piece. */
static const void *piece(struct vh_ring *r, size_t n)
{
	size_t at = (size_t)(r->tail & (r->bytes - 1)), first = r->bytes - at;

	if (n <= first)
		return r->data + at;
	if (!r->copy)
		r->copy = vh_alloc(UINT16_MAX + 1);
	memcpy(r->copy, r->data + at, first);
	memcpy(r->copy + first, r->data, n - first);
	return r->copy;
}

const struct perf_event_header *vh_ring_peek(struct vh_ring *r)
{
	uint64_t head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t n = head - r->tail;
	struct perf_event_header header;

	if (!n)
		return NULL;
	if (n > r->bytes || n < sizeof(header)) {
		throw_away(r, head);
		return NULL;
	}
	memcpy(&header, piece(r, sizeof(header)), sizeof(header));
	if (header.size < sizeof(header) || header.size > n || header.size % sizeof(uint64_t)) {
		throw_away(r, head);
		return NULL;
	}
	return piece(r, header.size);
}

void vh_ring_take(struct vh_ring *r, const struct perf_event_header *record)
{
	r->tail += record->size;
}

void vh_ring_give_back(struct vh_ring *r)
{
	__atomic_store_n(&r->page->data_tail, r->tail, __ATOMIC_RELEASE);
}

size_t vh_ring_waiting(const struct vh_ring *r)
{
	uint64_t n = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE) - r->tail;

	return (size_t)VH_MIN(n, r->bytes);
}

void vh_tp_ids_fill(struct vh_tp_ids *ids, const struct vh_tp_format formats[VH_N_TP])
{
	memset(ids->tp, VH_N_TP, sizeof(ids->tp));
	for (int tp = 0; tp < VH_N_TP; tp++)
		if (formats[tp].usable)
			ids->tp[formats[tp].id & UINT16_MAX] = (uint8_t)tp;
}

/* The time that ends every record but samples. */
static int64_t time_behind(const struct perf_event_header *record)
{
	int64_t time_ns;

	memcpy(&time_ns, (const uint8_t *)record + record->size - sizeof(time_ns), sizeof(time_ns));
	return time_ns;
}

/* header, time, size of raw, raw, whose first two bytes are the tracepoint's id. */
static void decode_sample(const struct perf_event_header *record, const struct vh_tp_ids *ids,
	const struct vh_tp_format formats[VH_N_TP], struct vh_perf_record *out)
{
	const uint8_t *at = (const uint8_t *)(record + 1);
	size_t left = record->size - sizeof(*record);
	uint32_t n;
	uint16_t id;

	if (left < sizeof(out->time_ns) + sizeof(n) + sizeof(id))
		return;
	memcpy(&out->time_ns, at, sizeof(out->time_ns));
	memcpy(&n, at + sizeof(out->time_ns), sizeof(n));
	at += sizeof(out->time_ns) + sizeof(n);
	left -= sizeof(out->time_ns) + sizeof(n);
	if (n < sizeof(id) || n > left)
		return;
	memcpy(&id, at, sizeof(id));
	if (ids->tp[id] == VH_N_TP)
		return;
	out->kind = VH_PERF_TRACEPOINT;
	out->tp = (enum vh_tp)ids->tp[id];
	for (int i = 0; i < VH_TP_FIELDS; i++)
		if (vh_tp_value(&formats[out->tp].layout.field[i], at, n, &out->value[i]))
			out->present |= 1u << i;
}

void vh_perf_decode(const struct perf_event_header *record, const struct vh_tp_ids *ids,
	const struct vh_tp_format formats[VH_N_TP], struct vh_perf_record *out)
{
	size_t body = record->size - sizeof(*record);

	*out = (struct vh_perf_record){.kind = VH_PERF_OTHER};
	switch (record->type) {
	case PERF_RECORD_SAMPLE:
		decode_sample(record, ids, formats, out);
		return;
	case PERF_RECORD_SWITCH:
		if (body < sizeof(uint64_t))
			return;
		out->kind = record->misc & PERF_RECORD_MISC_SWITCH_OUT ? VH_PERF_SWITCH_OUT
								       : VH_PERF_SWITCH_IN;
		out->preempted = record->misc & PERF_RECORD_MISC_SWITCH_OUT_PREEMPT;
		break;
	case PERF_RECORD_EXIT:
		if (body < 4 * sizeof(uint32_t) + 2 * sizeof(uint64_t))
			return;
		out->kind = VH_PERF_EXIT;
		break;
	case PERF_RECORD_LOST: /* id, lost */
		if (body < 3 * sizeof(uint64_t))
			return;
		out->kind = VH_PERF_LOST;
		memcpy(&out->lost, (const uint8_t *)(record + 1) + sizeof(uint64_t),
			sizeof(out->lost));
		break;
	default:
		return;
	}
	out->time_ns = time_behind(record);
}
