/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the tables to the evidence: docs/trace-format.md, read back as decode reads it. */
#include "../test.h"

#include "bpf/tables.h"
#include "collect/trace_tally.h"
#include "decode/exits.h"

static __u64 clock_ns;

static inline __u64 vh_op_now(void *ops)
{
	(void)ops;
	return clock_ns;
}
static inline struct vh_key_slot *vh_op_key_slot(void *ops, __u32 index)
{
	return &((struct vh_tally *)ops)->keys[index];
}
static inline struct vh_exit_slot *vh_op_exit_slot(void *ops, __u32 index)
{
	return &((struct vh_tally *)ops)->exits[index];
}
static inline void vh_op_shared(void *ops, const struct vh_shared_key *key)
{
	struct vh_tally *t = ops;

	VH_PUSH(t->shared, t->n_shared) = (struct vh_tally_shared){*key, 1};
}

#include "bpf/exits_core.h"

static int set_up(void **state)
{
	struct vh_tally *t = vh_alloc(sizeof(*t));

	vh_tally_alloc(t, 4);
	clock_ns = 1000000;
	t->read_ns = (int64_t)clock_ns;
	for (int tp = 0; tp < VH_N_TP; tp++)
		t->events[tp] = (struct vh_tally_event){.name = "kvm:some"};
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct vh_tally *t = *state;

	free(t->shared);
	vh_tally_free_own(t);
	free(t);
	return 0;
}

static struct vh_core core(struct vh_tally *t, __u32 thread, __u32 epoch)
{
	return (struct vh_core){.ops = t,
		.state = &t->states[thread],
		.thread = thread,
		.epoch = epoch,
		.slots = t->slots};
}

static struct vh_exits *take(struct vh_tally *t, __u32 epoch, int64_t now)
{
	vh_auto_json struct json_object *o = vh_tally_read(t, epoch, now);
	struct vh_error *err = NULL;

	vh_json_put_text(o, "backend", "bpf");
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	struct vh_exits *e = vh_exits_decode(vh_str(text), "x86_64", NULL, &err);

	if (!e)
		fail_msg("%s in %s", err->message, text);
	return e;
}

/* An exit that lasts over the end of an interval; sums and counts of both. */
static void two_intervals(void **state)
{
	struct vh_tally *t = *state;

	assert_true(vh_tally_add(t, 100, 0, (int64_t)clock_ns, true));
	struct vh_core c = core(t, 0, 0);

	clock_ns = 1001000;
	vh_on_entry(&c);
	for (int i = 0; i < 3; i++) {
		clock_ns += 5000;
		vh_on_exit(&c, 0x7b, 0x7c00, 2);
		vh_on_pio(&c, 0, 0x3fd, 1);
		clock_ns += 1000;
		vh_on_entry(&c);
	}
	clock_ns += 5000;
	vh_on_exit(&c, 0x78, 0x7c05, 2);
	struct vh_exits *e = take(t, 0, 1030000);
	const struct vh_vcpu_exits *v = vh_exits_of(e, 0);

	assert_non_null(v);
	assert_int_equal(e->isa, VH_ISA_SVM);
	assert_true(v->span_ns == 30000 && e->span_ns == 30000);
	assert_true(v->time_ns[VH_PLACE_GUEST][VH_REST_ON] == 20000);
	assert_true(v->time_ns[VH_PLACE_KVM][VH_REST_ON] == 3000 + 30000 - 24000);
	assert_true(v->time_ns[VH_PLACE_UNKNOWN][VH_REST_ON] == 1000);
	assert_int_equal(v->place, VH_PLACE_KVM);
	assert_int_equal(v->entries, 4);
	assert_int_equal(v->exits, 4);
	assert_int_equal(v->n_rows, 2);
	assert_int_equal(v->rows[0].reason, 0x7b);
	assert_int_equal(v->rows[0].timing.timed, 3);
	assert_true(v->rows[0].timing.mean_ns == 1000 && v->rows[0].timing.deviation == 0);
	assert_int_equal(v->rows[0].timing.log2[9], 3);
	assert_int_equal(vh_exits_top(v, VH_KEY_PIO)->timing.count, 3);
	assert_int_equal(vh_exits_top(v, VH_KEY_PIO)->reason, 0x7b);
	vh_exits_free(e);

	c.epoch = 1;
	clock_ns = 2030000;
	vh_on_entry(&c);
	e = take(t, 1, 2040000);
	v = vh_exits_of(e, 0);
	assert_true(v->span_ns == 1010000);
	assert_true(v->time_ns[VH_PLACE_KVM][VH_REST_ON] == 1000000);
	assert_int_equal(v->n_rows, 1);
	assert_int_equal(v->rows[0].timing.count, 1); /* it ended here */
	assert_true(v->rows[0].timing.max_ns == 2030000 - 1024000);
	assert_int_equal(v->n_keys, 0);
	vh_exits_free(e);
	/* The tables are empty: the epoch after the next one uses them again. */
	for (size_t i = 0; i < vh_tally_key_bytes(4, t->slots) / sizeof(*t->keys); i++)
		assert_int_equal(t->keys[i].used, 0);
}

/* A thread that comes, one that ends, one that never was a vCPU, and one whose name tells nothing.
 */
static void threads_come_and_go(void **state)
{
	struct vh_tally *t = *state;
	struct vh_core c;

	vh_tally_add(t, 100, 0, (int64_t)clock_ns, true);
	vh_tally_add(t, 101, -1, (int64_t)clock_ns, false);
	vh_tally_add(t, 102, -1, (int64_t)clock_ns, false);
	t->threads[0].ended = true;
	t->threads[0].ended_ns = 1400000;
	vh_tally_add(t, 103, 7, 1600000, false);
	assert_false(vh_tally_add(t, 104, 8, 1600000, false));
	c = core(t, 2, 0);
	clock_ns = 1500000;
	vh_on_fpu(&c, 1);
	struct vh_exits *e = take(t, 0, 2000000);

	assert_true(vh_exits_of(e, 0)->ended);
	assert_true(vh_exits_of(e, 0)->span_ns == 400000);
	assert_non_null(vh_exits_of(e, 1));
	assert_int_equal(vh_exits_of(e, 1)->tid, 102);
	assert_true(vh_exits_of(e, 1)->time_ns[VH_PLACE_INSIDE][VH_REST_ON] == 500000);
	assert_true(vh_exits_of(e, 1)->time_ns[VH_PLACE_UNKNOWN][VH_REST_ASLEEP] == 500000);
	assert_true(vh_exits_of(e, 7)->span_ns == 400000);
	assert_int_equal(e->n_vcpus, 3);
	assert_int_equal(t->untraced, 1);
	vh_exits_free(e);
	e = take(t, 1, 3000000);
	assert_null(vh_exits_of(e, 0));
	assert_true(vh_exits_of(e, 7)->span_ns == 1000000);
	vh_exits_free(e);
}

static int by_gap(void *data, uint32_t id)
{
	(void)data;
	return id == 8 ? 1 : (int)id;
}

static void shared_keys_find_their_owner(void **state)
{
	struct vh_tally *t = *state;

	vh_tally_add(t, 100, 0, (int64_t)clock_ns, true);
	vh_tally_add(t, 101, 1, (int64_t)clock_ns, true);
	t->index_of = by_gap;
	vh_on_accept(t, 0, 8, 5, 0, 0x99);
	vh_on_shared(t, 0, VH_KEY_GSI, VH_TRACE_VM, 4, 1);
	struct vh_exits *e = take(t, 0, 2000000);

	assert_null(vh_exits_top(vh_exits_of(e, 0), VH_KEY_ACCEPT));
	assert_int_equal(vh_exits_top(vh_exits_of(e, 1), VH_KEY_ACCEPT)->value, 0x99);
	assert_non_null(e->vm);
	assert_int_equal(vh_exits_top(e->vm, VH_KEY_GSI)->value, 4);
	vh_exits_free(e);
	/* vCPU 1 is plugged in anew: what it accepted counts once. */
	t->threads[1].ended = true;
	t->threads[1].ended_ns = 2500000;
	vh_tally_add(t, 102, 1, 2600000, true);
	e = take(t, 1, 3000000);
	assert_int_equal(e->n_vcpus, 3);
	assert_int_equal(vh_exits_count(e->vcpus[1], VH_KEY_ACCEPT) +
				 vh_exits_count(e->vcpus[2], VH_KEY_ACCEPT),
		1);
	vh_exits_free(e);
}

/* A kind with more keys than are listed: the most frequent ones are, the rest is told as a sum. */
static void too_many_keys(void **state)
{
	struct vh_tally *t = *state;

	vh_tally_add(t, 100, 0, (int64_t)clock_ns, true);
	struct vh_core c = core(t, 0, 0);

	for (__u64 i = 0; i < 200; i++)
		for (__u64 n = 0; n <= i % 7; n++)
			vh_on_plain(&c, VH_TP_CPUID, VH_KEY_CPUID, i, 0);
	uint64_t kept = 0, counted = 0, all = t->states[0].seen[VH_TP_CPUID];
	vh_auto_json struct json_object *o = vh_tally_read(t, 0, 2000000);
	struct json_object *thread = json_object_array_get_idx(vh_json_at(o, "threads", NULL), 0);
	struct json_object *keys = vh_json_at(thread, "keys", NULL);
	int64_t value, last = INT64_MAX;

	for (size_t i = 0; i < json_object_array_length(keys); i++) {
		assert_true(vh_json_i64(json_object_array_get_idx(keys, i), "count", &value));
		assert_true(value <= last);
		last = value;
		kept += (uint64_t)value;
	}
	assert_int_equal(json_object_array_length(keys), 128);
	assert_true(vh_json_i64(vh_json_at(thread, "more", "cpuid", NULL), "count", &value));
	counted = kept + (uint64_t)value;
	assert_true(vh_json_i64(o, "missed", &value));
	assert_int_equal(counted + (uint64_t)value, all);
}

/* Firmware that looks for PCI devices reads thousands of addresses: its ports are counted still. */
static void addresses_do_not_crowd_out_ports(void **state)
{
	struct vh_tally *t = *state;

	vh_tally_add(t, 100, 0, (int64_t)clock_ns, true);
	struct vh_core c = core(t, 0, 0);

	for (__u64 gpa = 0; gpa < 4ULL * t->slots; gpa++)
		vh_on_mmio(&c, 1, 4, 0xb0000000 + gpa * 0x1000);
	for (__u64 port = 0; port < 16; port++)
		vh_on_pio(&c, 1, 0x3f0 + port, 1);
	assert_true(t->states[0].missed > 0);
	struct vh_exits *e = take(t, 0, 2000000);

	assert_true(e->missed >= 3ULL * t->slots && e->missed <= 4ULL * t->slots);
	assert_int_equal(vh_exits_count(vh_exits_of(e, 0), VH_KEY_PIO), 16);
	vh_exits_free(e);
}

/* A guest that spins under a KVM that emulates it has no other events: its thread is a vCPU's. */
static void emulated_alone_is_a_vcpu(void **state)
{
	struct vh_tally *t = *state;

	vh_tally_add(t, 101, -1, (int64_t)clock_ns, false);
	vh_tally_add(t, 102, -1, (int64_t)clock_ns, false);
	t->states[0].seen[VH_TP_SCHED_SWITCH] = 5;
	struct vh_core c = core(t, 1, 0);

	vh_on_plain(&c, VH_TP_EMULATE, VH_KEY_EMULATED, 0xf0000, 0);
	struct vh_exits *e = take(t, 0, 2000000);

	assert_int_equal(e->n_vcpus, 1);
	assert_int_equal(vh_exits_of(e, 0)->tid, 102);
	vh_exits_free(e);
}

/* A reading booked time on the place before, for an event was under way: it is taken back. */
static void an_event_under_way(void **state)
{
	struct vh_tally *t = *state;

	vh_tally_add(t, 100, 0, (int64_t)clock_ns, true);
	struct vh_core c = core(t, 0, 0);

	clock_ns = 1001000;
	vh_on_entry(&c);
	vh_exits_free(take(t, 0, 1010000));
	c.epoch = 1;
	clock_ns = 1009000; /* before the reading, but told after it */
	vh_on_exit(&c, 1, 0, 1);
	struct vh_exits *e = take(t, 1, 1020000);
	const struct vh_vcpu_exits *v = vh_exits_of(e, 0);

	assert_true(v->span_ns == 10000);
	assert_true(v->time_ns[VH_PLACE_KVM][VH_REST_ON] == 10000);
	assert_true(v->time_ns[VH_PLACE_GUEST][VH_REST_ON] == 0);
	vh_exits_free(e);
}

static void sizes(void **state)
{
	(void)state;
	assert_int_equal(vh_tally_slots(1), 512);
	for (size_t n = 1; n <= VH_MAX_TRACED; n *= 2) {
		uint32_t slots = vh_tally_slots(n);

		assert_int_equal(slots & (slots - 1), 0);
		assert_true(slots >= 32);
		assert_true(slots == 32 || vh_tally_key_bytes(n, slots) <= 32u << 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(two_intervals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(threads_come_and_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(shared_keys_find_their_owner, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many_keys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			addresses_do_not_crowd_out_ports, set_up, tear_down),
		cmocka_unit_test_setup_teardown(emulated_alone_is_a_vcpu, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_event_under_way, set_up, tear_down),
		cmocka_unit_test(sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
