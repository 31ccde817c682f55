/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/perf_ring.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "collect/perf.h"
#include "fixture.h"

#define RING_BYTES 4096u
#define ID_PIO     110u
#define ID_FPU     37u

/* kvm_pio and kvm_fpu as Linux 6.18 has them. */
static void formats_of(struct vh_tp_format formats[VH_N_TP])
{
	memset(formats, 0, sizeof(*formats) * VH_N_TP);
	formats[VH_TP_PIO] = (struct vh_tp_format){.usable = true,
		.id = ID_PIO,
		.layout.field = {{8, 4, 0}, {12, 4, 0}, {16, 4, 0}, {20, 4, 0}, {24, 4, 0}}};
	formats[VH_TP_FPU] =
		(struct vh_tp_format){.usable = true, .id = ID_FPU, .layout.field = {{8, 4, 0}}};
}

struct made {
	struct vh_ring ring;
	struct perf_event_mmap_page page;
	uint8_t data[RING_BYTES];
	struct vh_tp_format formats[VH_N_TP];
	struct vh_tp_ids ids;
};

static struct made *make(uint64_t at)
{
	struct made *m = vh_alloc(sizeof(*m));

	m->ring = (struct vh_ring){
		.page = &m->page, .data = m->data, .bytes = RING_BYTES, .tail = at};
	m->page.data_head = m->page.data_tail = at;
	formats_of(m->formats);
	vh_tp_ids_fill(&m->ids, m->formats);
	return m;
}

static void unmake(struct made *m)
{
	free(m->ring.copy);
	free(m);
}

static void put(struct made *m, const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		m->data[m->page.data_head++ & (RING_BYTES - 1)] = ((const uint8_t *)bytes)[i];
}

static void put_record(struct made *m, uint32_t type, uint16_t misc, const void *body, size_t n)
{
	struct perf_event_header h = {
		.type = type, .misc = misc, .size = (uint16_t)(sizeof(h) + n)};

	put(m, &h, sizeof(h));
	put(m, body, n);
}

struct __attribute__((packed)) pio_sample {
	int64_t time_ns;
	uint32_t raw_size;
	uint16_t id, flags;
	int32_t pid;
	uint32_t rw, port, size, count, val;
	uint32_t pad[2];
};

static struct pio_sample pio(int64_t time_ns, uint32_t port)
{
	return (struct pio_sample){.time_ns = time_ns,
		.raw_size = 36,
		.id = ID_PIO,
		.rw = 1,
		.port = port,
		.size = 2,
		.count = 1,
		.val = 0xabcd};
}

static bool next(struct made *m, struct vh_perf_record *r)
{
	const struct perf_event_header *h = vh_ring_peek(&m->ring);

	if (!h)
		return false;
	vh_perf_decode(h, &m->ids, m->formats, r);
	vh_ring_take(&m->ring, h);
	vh_ring_give_back(&m->ring);
	return true;
}

/* Records that wrap around at each place where they can. */
static void samples_around_the_end(void **state VH_UNUSED)
{
	for (uint64_t i = 0; i <= RING_BYTES / 8; i++) {
		struct made *m = make(i * 8 - RING_BYTES);
		struct pio_sample s = pio(77, 0x3f8);
		struct vh_perf_record r;

		put_record(m, PERF_RECORD_SAMPLE, 0, &s, sizeof(s));
		assert_true(next(m, &r));
		assert_int_equal(r.kind, VH_PERF_TRACEPOINT);
		assert_int_equal(r.tp, VH_TP_PIO);
		assert_int_equal(r.time_ns, 77);
		assert_int_equal(r.value[VH_F_PIO_RW], 1);
		assert_int_equal(r.value[VH_F_PIO_PORT], 0x3f8);
		assert_int_equal(r.value[VH_F_PIO_SIZE], 2);
		assert_int_equal(r.value[VH_F_PIO_VAL], 0xabcd);
		assert_false(next(m, &r));
		assert_int_equal(m->page.data_tail, m->page.data_head);
		assert_int_equal(m->ring.broken, 0);
		unmake(m);
	}
}

static void switches_losses_and_ends(void **state VH_UNUSED)
{
	struct made *m = make(0);
	struct vh_perf_record r;
	uint64_t time = 5, lost[] = {1, 4711, 6}, ended[] = {1, 2, 0, 7};

	put_record(m, PERF_RECORD_SWITCH, PERF_RECORD_MISC_SWITCH_OUT, &time, 8);
	put_record(m, PERF_RECORD_SWITCH,
		PERF_RECORD_MISC_SWITCH_OUT | PERF_RECORD_MISC_SWITCH_OUT_PREEMPT, &time, 8);
	put_record(m, PERF_RECORD_SWITCH, 0, &time, 8);
	put_record(m, PERF_RECORD_LOST, 0, lost, sizeof(lost));
	put_record(m, PERF_RECORD_EXIT, 0, ended, sizeof(ended));
	put_record(m, 9999, 0, &time, 8);
	assert_true(next(m, &r) && r.kind == VH_PERF_SWITCH_OUT && !r.preempted && r.time_ns == 5);
	assert_true(next(m, &r) && r.kind == VH_PERF_SWITCH_OUT && r.preempted);
	assert_true(next(m, &r) && r.kind == VH_PERF_SWITCH_IN);
	assert_true(next(m, &r) && r.kind == VH_PERF_LOST && r.lost == 4711 && r.time_ns == 6);
	assert_true(next(m, &r) && r.kind == VH_PERF_EXIT && r.time_ns == 7);
	assert_true(next(m, &r) && r.kind == VH_PERF_OTHER);
	assert_false(next(m, &r));
	unmake(m);
}

/* Whatever is shorter than it claims, at every length. */
static void truncated_records(void **state VH_UNUSED)
{
	static const uint32_t types[] = {
		PERF_RECORD_SAMPLE, PERF_RECORD_SWITCH, PERF_RECORD_LOST, PERF_RECORD_EXIT};

	for (size_t i = 0; i < VH_ARRAY_SIZE(types); i++)
		for (size_t n = 0; n <= sizeof(struct pio_sample); n += 8) {
			struct made *m = make(RING_BYTES - 16);
			struct pio_sample s = pio(1, 2);
			struct vh_perf_record r;
			size_t least = types[i] == PERF_RECORD_SAMPLE   ? 8 + 4 + 36
				       : types[i] == PERF_RECORD_SWITCH ? 8
				       : types[i] == PERF_RECORD_LOST   ? 24
									: 32;

			put_record(m, types[i], 0, &s, n);
			assert_true(next(m, &r));
			if ((r.kind == VH_PERF_OTHER) != (n < least))
				fail_msg("type %u of %zu bytes is %d", types[i], n, r.kind);
			unmake(m);
		}
	/* A raw part that is shorter than the event: what is there counts, the rest is 0. */
	struct made *m = make(0);
	struct pio_sample s = pio(1, 0x3f8);
	struct vh_perf_record r;

	s.raw_size = 18;
	put_record(m, PERF_RECORD_SAMPLE, 0, &s, 32);
	assert_true(next(m, &r) && r.kind == VH_PERF_TRACEPOINT);
	assert_int_equal(r.value[VH_F_PIO_PORT], 0x3f8);
	assert_int_equal(r.value[VH_F_PIO_SIZE], 0);
	/* An id of nobody; a raw part that would end behind the record. */
	s = pio(1, 2);
	s.id = 1111;
	put_record(m, PERF_RECORD_SAMPLE, 0, &s, 48);
	assert_true(next(m, &r) && r.kind == VH_PERF_OTHER);
	s = pio(1, 2);
	s.raw_size = UINT32_MAX;
	put_record(m, PERF_RECORD_SAMPLE, 0, &s, 48);
	assert_true(next(m, &r) && r.kind == VH_PERF_OTHER);
	unmake(m);
}

static void a_head_that_lies(void **state VH_UNUSED)
{
	static const struct perf_event_header headers[] = {{.type = PERF_RECORD_SAMPLE, .size = 0},
		{.type = PERF_RECORD_SAMPLE, .size = 7}, {.type = PERF_RECORD_SAMPLE, .size = 12},
		{.type = PERF_RECORD_SAMPLE, .size = 0xfff8}};
	struct vh_perf_record r;

	for (size_t i = 0; i < VH_ARRAY_SIZE(headers); i++) {
		struct made *m = make(0);
		uint64_t time = 5;

		put(m, &headers[i], sizeof(headers[i]));
		put_record(m, PERF_RECORD_SWITCH, 0, &time, 8);
		assert_false(next(m, &r));
		assert_int_equal(m->ring.broken, 1);
		/* It goes on behind the mess. */
		put_record(m, PERF_RECORD_SWITCH, 0, &time, 8);
		assert_true(next(m, &r) && r.kind == VH_PERF_SWITCH_IN);
		unmake(m);
	}
	/* More than the ring holds; less than a header; backwards. */
	static const uint64_t heads[] = {RING_BYTES + 8, 4, (uint64_t)-8};

	for (size_t i = 0; i < VH_ARRAY_SIZE(heads); i++) {
		struct made *m = make(0);

		m->page.data_head = heads[i];
		assert_false(next(m, &r));
		assert_int_equal(m->ring.broken, 1);
		assert_int_equal(m->ring.tail, heads[i]);
		assert_true(vh_ring_waiting(&m->ring) == 0);
		unmake(m);
	}
}

struct seen {
	uint64_t kinds[VH_PERF_OTHER + 1];
	uint64_t switches;
	int64_t last_ns;
	bool in_order;
};

static void see(void *data, size_t owner, const struct vh_perf_record *r)
{
	struct seen *seen = data;

	assert_int_equal(owner, 3);
	seen->kinds[r->kind]++;
	seen->switches += r->kind == VH_PERF_TRACEPOINT && r->tp == VH_TP_SCHED_SWITCH;
	seen->in_order &= r->time_ns >= seen->last_ns;
	seen->last_ns = r->time_ns;
}

/* This very thread's switches, as the kernel tells them by two ways. */
static void switches_of_this_thread(void **state VH_UNUSED)
{
	struct vh_host *host = vh_host_create(NULL);
	struct vh_tp_format formats[VH_N_TP];
	vh_auto_free char *none = vh_tp_read(host, formats);
	vh_auto_free char *why = vh_perf_why_not(formats, getpid());
	struct seen seen = {.in_order = true};

	if (none || why) {
		vh_tp_free(formats);
		vh_host_destroy(host);
		skip();
	}
	struct vh_perf *p = vh_perf_new(formats, &(struct vh_perf_options){.threads = 1});

	assert_null(vh_perf_add(p, getpid(), 1u << VH_TP_SCHED_SWITCH, true, 3));
	for (int i = 0; i < 20; i++)
		vh_sleep_until_ns(vh_now_ns() + VH_NS_PER_MS);
	vh_perf_drain(p, vh_now_ns(), see, &seen);
	assert_int_equal(seen.kinds[VH_PERF_LOST], 0);
	assert_true(seen.in_order);
	assert_true(seen.kinds[VH_PERF_SWITCH_OUT] >= 20);
	assert_int_equal(seen.kinds[VH_PERF_SWITCH_IN], seen.kinds[VH_PERF_SWITCH_OUT]);
	/* sched_switch is an event of the one that leaves. */
	assert_int_equal(seen.switches, seen.kinds[VH_PERF_SWITCH_OUT]);
	assert_true(vh_perf_next_ns(p) > vh_now_ns() - VH_NS_PER_S);
	struct vh_error *err = vh_perf_add(p, 0x3fffffff, 1u << VH_TP_SCHED_SWITCH, true, 0);

	assert_non_null(err);
	assert_int_equal(err->code, ESRCH);
	vh_error_free(err);
	vh_perf_free(p);
	vh_tp_free(formats);
	vh_host_destroy(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_around_the_end),
		cmocka_unit_test(switches_losses_and_ends),
		cmocka_unit_test(truncated_records),
		cmocka_unit_test(a_head_that_lies),
		cmocka_unit_test(switches_of_this_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
