/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The counting, driven as a backend drives it, with a clock that the test sets. */
#include "../test.h"

#include <linux/types.h>
#include <string.h>

#include "base/util.h"
#include "bpf/tables.h"

#define SLOTS   16
#define THREADS 2

struct tables {
	__u64 now;
	unsigned clock_reads;
	struct vh_key_slot keys[THREADS * 2 * VH_N_TABLE * SLOTS];
	struct vh_exit_slot exits[THREADS * 2 * 64];
	struct vh_shared_key shared;
	unsigned n_shared;
};

static inline __u64 vh_op_now(void *ops)
{
	struct tables *t = ops;

	t->clock_reads++;
	return t->now;
}
static inline struct vh_key_slot *vh_op_key_slot(void *ops, __u32 index)
{
	struct tables *t = ops;

	return index < VH_ARRAY_SIZE(t->keys) ? &t->keys[index] : NULL;
}
static inline struct vh_exit_slot *vh_op_exit_slot(void *ops, __u32 index)
{
	struct tables *t = ops;

	return index < VH_ARRAY_SIZE(t->exits) ? &t->exits[index] : NULL;
}
static inline void vh_op_shared(void *ops, const struct vh_shared_key *key)
{
	struct tables *t = ops;

	t->shared = *key;
	t->n_shared++;
}

#include "bpf/exits_core.h"

struct world {
	struct tables t;
	struct vh_vcpu_state state;
	struct vh_core core;
};

static int set_up(void **state)
{
	struct world *w = vh_alloc(sizeof(*w));

	w->t.now = w->state.begin_ns = w->state.since_ns = 1000;
	w->core = (struct vh_core){
		.ops = &w->t, .state = &w->state, .thread = 1, .epoch = 0, .slots = SLOTS};
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static const struct vh_key_slot *key_of(
	struct world *w, __u32 epoch, enum vh_key_kind kind, __u64 value)
{
	__u32 base = vh_key_base(w->core.thread, epoch, vh_key_table(kind), SLOTS);
	const struct vh_key_slot *found = NULL;

	for (__u32 i = base; i < base + SLOTS; i++)
		if (w->t.keys[i].used == (__u32)kind + 1 && w->t.keys[i].value == value) {
			assert_null(found); /* each key once */
			found = &w->t.keys[i];
		}
	return found;
}

static const struct vh_exit_slot *exit_of(struct world *w, __u32 epoch, __u64 reason)
{
	__u32 base = vh_exit_base(w->core.thread, epoch);

	for (__u32 i = base; i < base + VH_EXIT_SLOTS; i++)
		if (w->t.exits[i].used && w->t.exits[i].reason == reason)
			return &w->t.exits[i];
	return NULL;
}

static __u64 sum(const struct vh_vcpu_state *s)
{
	__u64 ns = 0;

	for (int p = 0; p < VH_N_PLACE; p++)
		for (int r = 0; r < VH_N_REST; r++)
			ns += s->time_ns[p][r];
	return ns;
}

/* exit -> pio -> user space and back -> entry: times of all of them, and where the time went. */
static void an_exit_to_user_space(void **state)
{
	struct world *w = *state;

	w->t.now = 2000;
	vh_on_entry(&w->core);
	w->t.now = 5000;
	vh_on_exit(&w->core, 30, 0xffffffff81000000, 1);
	w->t.now = 5100;
	vh_on_pio(&w->core, 1, 0x3f8, 1);
	w->t.now = 5200;
	vh_on_fpu(&w->core, 0);
	w->t.now = 5300;
	vh_on_userspace_exit(&w->core, 2, 0);
	w->t.now = 8200;
	vh_on_fpu(&w->core, 1);
	w->t.now = 8400;
	vh_on_entry(&w->core);

	const struct vh_exit_slot *e = exit_of(w, 0, 30);
	const struct vh_key_slot *pio = key_of(w, 0, VH_KEY_PIO, 0x3f8);
	const struct vh_key_slot *user = key_of(w, 0, VH_KEY_USERSPACE, 2);
	const struct vh_key_slot *rip = key_of(w, 0, VH_KEY_RIP, 0xffffffff81000000);

	assert_non_null(e);
	assert_int_equal(e->timing.count, 1);
	assert_int_equal(e->timing.timed, 1);
	assert_int_equal(e->timing.total_ns, 3400);
	assert_int_equal(e->log2[11], 1); /* 2048 to 4095 */
	assert_non_null(pio);
	assert_int_equal(pio->detail, 0x101);
	assert_int_equal(pio->reason, 30);
	assert_int_equal(pio->timing.total_ns, 3300);
	assert_non_null(user);
	assert_int_equal(user->reason, 30);
	assert_int_equal(user->timing.total_ns, 3000); /* since kvm_fpu, until kvm_fpu */
	assert_non_null(rip);
	assert_int_equal(rip->timing.timed, 0);
	assert_int_equal(w->state.time_ns[VH_PLACE_UNKNOWN][VH_REST_ON], 1000);
	assert_int_equal(w->state.time_ns[VH_PLACE_GUEST][VH_REST_ON], 3000);
	assert_int_equal(w->state.time_ns[VH_PLACE_KVM][VH_REST_ON], 200 + 200);
	assert_int_equal(w->state.time_ns[VH_PLACE_USER][VH_REST_ON], 3000);
	assert_int_equal(sum(&w->state), w->state.since_ns - w->state.begin_ns);
	assert_int_equal(w->state.entries, 2);
	assert_int_equal(w->state.missed, 0);
}

/* A KVM that emulates: no kvm_exit ever. Nothing is timed to an entry, and no clock is read for it.
 */
static void without_exits(void **state)
{
	struct world *w = *state;

	w->t.now = 2000;
	vh_on_fpu(&w->core, 1);
	assert_int_equal(w->state.place, VH_PLACE_INSIDE);
	w->t.clock_reads = 0;
	for (int i = 0; i < 10; i++)
		vh_on_pio(&w->core, 0, 0x71, 2);
	assert_int_equal(w->t.clock_reads, 0);
	w->t.now = 2500;
	vh_on_fpu(&w->core, 0);
	vh_on_userspace_exit(&w->core, 2, (__u64)(__s64)-4);
	assert_int_equal(w->t.clock_reads, 1);
	w->t.now = 2600;
	vh_on_fpu(&w->core, 1);

	const struct vh_key_slot *pio = key_of(w, 0, VH_KEY_PIO, 0x71);
	const struct vh_key_slot *user = key_of(w, 0, VH_KEY_USERSPACE, 2);

	assert_int_equal(pio->timing.count, 10);
	assert_int_equal(pio->timing.timed, 0);
	assert_true(pio->reason == VH_NO_REASON);
	assert_int_equal(user->detail, 0xfffffffc);
	assert_int_equal(user->timing.total_ns, 100);
	assert_int_equal(w->state.time_ns[VH_PLACE_INSIDE][VH_REST_ON], 500);
}

/* A guest that halts and is woken, and never leaves KVM_RUN: no event says so but what it does. */
static void inside_for_good(void **state)
{
	struct world *w = *state;

	assert_int_equal(w->state.place, VH_PLACE_UNKNOWN);
	vh_on_switch_out(&w->state, 2000, 1);
	vh_on_switch_in(&w->state, 3000);
	assert_int_equal(w->state.place, VH_PLACE_UNKNOWN);
	w->t.now = 3100;
	vh_on_wakeup(&w->core, 1000, 1, 1);
	assert_int_equal(w->state.place, VH_PLACE_INSIDE);
	vh_on_switch_out(&w->state, 3200, 1);
	vh_on_switch_in(&w->state, 4200);
	assert_int_equal(w->state.time_ns[VH_PLACE_UNKNOWN][VH_REST_ASLEEP], 1000);
	assert_int_equal(w->state.time_ns[VH_PLACE_INSIDE][VH_REST_ON], 100);
	assert_int_equal(w->state.time_ns[VH_PLACE_INSIDE][VH_REST_ASLEEP], 1000);
	assert_int_equal(sum(&w->state), w->state.since_ns - w->state.begin_ns);
}

/* Asleep in KVM, woken, waiting for a CPU, preempted. */
static void rests(void **state)
{
	struct world *w = *state;

	w->t.now = 2000;
	vh_on_entry(&w->core);
	w->t.now = 3000;
	vh_on_exit(&w->core, 12, 0, 1);
	vh_on_switch_out(&w->state, 3100, 1);
	vh_on_wake(&w->state, 9100);
	vh_on_wake(&w->state, 9200); /* awake already: says nothing new */
	vh_on_switch_in(&w->state, 9500);
	w->t.now = 9600;
	vh_on_entry(&w->core);
	vh_on_switch_out(&w->state, 9700, 0);
	vh_on_wake(&w->state, 9750);
	vh_on_switch_in(&w->state, 9900);

	assert_int_equal(w->state.time_ns[VH_PLACE_KVM][VH_REST_ASLEEP], 6000);
	assert_int_equal(w->state.time_ns[VH_PLACE_KVM][VH_REST_READY], 400);
	assert_int_equal(w->state.time_ns[VH_PLACE_KVM][VH_REST_ON], 200);
	assert_int_equal(w->state.time_ns[VH_PLACE_GUEST][VH_REST_READY], 200);
	assert_int_equal(w->state.rest, VH_REST_ON);
	assert_int_equal(sum(&w->state), w->state.since_ns - w->state.begin_ns);
}

/* Who is runnable at the begin may run or wait for a CPU: the first switch tells. */
static void waits_at_the_begin(void **state)
{
	struct world *w = *state;

	assert_int_equal(w->state.rest, VH_REST_ON);
	vh_on_switch_in(&w->state, 81000);
	vh_on_switch_out(&w->state, 85000, 0);
	assert_int_equal(w->state.time_ns[VH_PLACE_UNKNOWN][VH_REST_READY], 80000);
	assert_int_equal(w->state.time_ns[VH_PLACE_UNKNOWN][VH_REST_ON], 4000);
}

/* ... and so may one whose leaving was missed, as the ring of perf was full. */
static void a_switch_is_missed(void **state)
{
	struct world *w = *state;

	w->t.now = 2000;
	vh_on_entry(&w->core);
	vh_on_switch_in(&w->state, 9000);
	assert_int_equal(w->state.time_ns[VH_PLACE_UNKNOWN][VH_REST_ON], 1000);
	assert_int_equal(w->state.time_ns[VH_PLACE_GUEST][VH_REST_READY], 7000);
	assert_int_equal(w->state.rest, VH_REST_ON);
}

/* A clock that runs backwards between two CPUs must not make the sums wrong. */
static void a_clock_that_jumps_back(void **state)
{
	struct world *w = *state;

	w->t.now = 5000;
	vh_on_entry(&w->core);
	w->t.now = 4000;
	vh_on_exit(&w->core, 12, 0, 1);
	w->t.now = 3000;
	vh_on_entry(&w->core);
	assert_int_equal(exit_of(w, 0, 12)->timing.total_ns, 0);
	assert_int_equal(exit_of(w, 0, 12)->log2[0], 1);
	assert_int_equal(sum(&w->state), w->state.since_ns - w->state.begin_ns);
}

/* What began in one interval and ends in the next is counted in the first, timed in the second. */
static void across_epochs(void **state)
{
	struct world *w = *state;

	vh_on_entry(&w->core);
	w->t.now = 2000;
	vh_on_exit(&w->core, 48, 0x1000, 1);
	vh_on_msr(&w->core, 1, 0x80b, 1);
	w->core.epoch = 1;
	memset(w->t.keys, 0, vh_key_base(1, 1, 0, SLOTS) * sizeof(w->t.keys[0]));
	w->t.now = 2900;
	vh_on_entry(&w->core);
	assert_int_equal(exit_of(w, 0, 48)->timing.count, 1);
	assert_int_equal(exit_of(w, 0, 48)->timing.timed, 0);
	assert_int_equal(exit_of(w, 1, 48)->timing.count, 0);
	assert_int_equal(exit_of(w, 1, 48)->timing.max_ns, 900);
	assert_null(key_of(w, 0, VH_KEY_MSR, 0x80b));
	assert_int_equal(key_of(w, 1, VH_KEY_MSR, 0x80b)->timing.total_ns, 900);
	assert_int_equal(key_of(w, 1, VH_KEY_MSR, 0x80b)->detail, 3);
}

static void full_tables_count_what_they_miss(void **state)
{
	struct world *w = *state;
	__u64 counted = 0;

	for (__u64 port = 0; port < 1000; port++)
		vh_on_pio(&w->core, 0, port, 1);
	for (__u32 i = 0; i < VH_ARRAY_SIZE(w->t.keys); i++)
		counted += w->t.keys[i].timing.count;
	assert_in_range(counted, VH_N_PROBES, SLOTS);
	assert_int_equal(counted + w->state.missed, 1000);
	/* Another table, another thread: untouched. */
	vh_on_page_fault(&w->core, 0xfee00123, 2, 0x7c00);
	assert_int_equal(key_of(w, 0, VH_KEY_FAULT, 0xfee00000)->timing.count, 1);
	assert_int_equal(key_of(w, 0, VH_KEY_FAULT_RIP, 0x7c00)->detail, 0xfee00000);
	for (__u32 i = 0; i < vh_key_base(1, 0, 0, SLOTS); i++)
		assert_int_equal(w->t.keys[i].used, 0);

	w->state.missed = counted = 0;
	for (__u64 reason = 0; reason < 1000; reason++)
		vh_on_exit(&w->core, reason * 0x1001, 0, 1);
	for (__u32 i = 0; i < VH_ARRAY_SIZE(w->t.exits); i++)
		counted += w->t.exits[i].timing.count;
	assert_in_range(counted, VH_N_PROBES, VH_EXIT_SLOTS);
	assert_true(counted + w->state.missed >= 1000);
}

/* More keys in one exit than can wait: all are counted, the first four are timed. */
static void more_keys_than_can_wait(void **state)
{
	struct world *w = *state;
	__u64 timed = 0;

	vh_on_entry(&w->core);
	vh_on_exit(&w->core, 30, 0, 1);
	for (__u64 port = 0; port < 6; port++)
		vh_on_pio(&w->core, 0, port, 1);
	w->t.now += 10;
	vh_on_entry(&w->core);
	for (__u64 port = 0; port < 6; port++) {
		assert_int_equal(key_of(w, 0, VH_KEY_PIO, port)->timing.count, 1);
		timed += key_of(w, 0, VH_KEY_PIO, port)->timing.timed;
	}
	assert_int_equal(timed, VH_N_PENDING);
}

static void sums_of_squares(void **state)
{
	static const __u64 ns[] = {0, 1, 12345, 0xffffffff, 0x100000000, 0x1ffffffff, 3600000000000,
		0xffffffffffffffff, 0x8000000000000001, 0x123456789abcdef};
	struct vh_tally_timing t = {0};
	unsigned __int128 want = 0;

	(void)state;
	for (size_t i = 0; i < VH_ARRAY_SIZE(ns); i++) {
		want += (unsigned __int128)ns[i] * ns[i];
		vh_timing_add(&t, ns[i]);
		assert_true(t.squares[0] == (__u64)want);
		assert_true(t.squares[1] == (__u64)(want >> 64));
	}
	assert_int_equal(t.timed, VH_ARRAY_SIZE(ns));
	assert_int_equal(t.min_ns, 0);
	assert_true(t.max_ns == ~0ULL);
}

static void reasons(void **state)
{
	struct world *w = *state;
	const __u64 svm[VH_TP_FIELDS] = {0x78, 0x1000, 2};
	const __u64 arm_trap[VH_TP_FIELDS] = {0x24, 0x1000, 0, 2};
	const __u64 arm_irq[VH_TP_FIELDS] = {0, 0x1000, 0, 0x80000000};

	vh_on_event(&w->core, VH_TP_EXIT, svm);
	assert_int_equal(w->state.isa, 2);
	vh_on_event(&w->core, VH_TP_EXIT, arm_trap);
	vh_on_event(&w->core, VH_TP_EXIT, arm_irq);
	assert_int_equal(exit_of(w, 0, 0x78)->timing.count, 1);
	assert_int_equal(exit_of(w, 0, 0x24)->timing.count, 1);
	assert_int_equal(exit_of(w, 0, 0x100)->timing.count, 1);
}

static void histogram(void **state)
{
	(void)state;
	assert_int_equal(vh_core_log2(0), 0);
	assert_int_equal(vh_core_log2(1), 0);
	for (unsigned i = 1; i < VH_N_LOG2; i++) {
		assert_int_equal(vh_core_log2(1ULL << i), i);
		assert_int_equal(vh_core_log2((1ULL << i) - 1), i - 1);
	}
	assert_int_equal(vh_core_log2(1ULL << VH_N_LOG2), VH_N_LOG2 - 1);
	assert_int_equal(vh_core_log2(~0ULL), VH_N_LOG2 - 1);
}

/* Each kind of key, by its fields as user space reads them. */
static void kinds(void **state)
{
	static const struct {
		enum vh_tp tp;
		__u64 f[4];
		enum vh_key_kind kind;
		__u64 value, detail, total_ns;
	} rows[] = {
		{VH_TP_MSR, {1, 0x1b, 77, 1}, VH_KEY_MSR, 0x1b, 3, 0},
		{VH_TP_MMIO, {1, 4, 0xfee00020}, VH_KEY_MMIO, 0xfee00020, 0x401, 0},
		{VH_TP_FAST_MMIO, {0xfe003000}, VH_KEY_MMIO, 0xfe003000, 3, 0},
		{VH_TP_CR, {1, 8}, VH_KEY_CR, 8, 1, 0},
		{VH_TP_CPUID, {0xd, 1}, VH_KEY_CPUID, 0xd, 1, 0},
		{VH_TP_HYPERCALL, {5}, VH_KEY_HYPERCALL, 5, 0, 0},
		{VH_TP_HV_HYPERCALL, {0x5c}, VH_KEY_HV_HYPERCALL, 0x5c, 0, 0},
		{VH_TP_XEN_HYPERCALL, {29}, VH_KEY_XEN_HYPERCALL, 29, 0, 0},
		{VH_TP_INJ_VIRQ, {0xec, 1, 0}, VH_KEY_VIRQ, 0xec, 2, 0},
		{VH_TP_INJ_EXCEPTION, {14, 1, 6}, VH_KEY_EXCEPTION, 14, 0x100000006, 0},
		{VH_TP_INJ_EXCEPTION, {6, 0, 77}, VH_KEY_EXCEPTION, 6, 0, 0},
		{VH_TP_APIC_IPI, {0x4608, 3}, VH_KEY_IPI, 0x4608, 3, 0},
		{VH_TP_EOI, {236}, VH_KEY_EOI, 236, 0, 0},
		{VH_TP_EMULATE, {0xfff0, 0xf0000, 1}, VH_KEY_EMULATED, 0xffff0, 1, 0},
		{VH_TP_VMGEXIT, {0x80000001, 0xfee00000}, VH_KEY_NAE, 0x80000001, 0xfee00000, 0},
		{VH_TP_VMGEXIT_MSR, {0x12}, VH_KEY_NAE_MSR, 0x12, 0, 0},
		{VH_TP_VCPU_WAKEUP, {7000, 1, 1}, VH_KEY_WAKEUP, 0, 1, 7000},
		{VH_TP_VCPU_WAKEUP, {100, 0, 0}, VH_KEY_WAKEUP, 1, 0, 100},
	};
	struct world *w = *state;

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		memset(w->t.keys, 0, sizeof(w->t.keys));
		memset(w->state.seen, 0, sizeof(w->state.seen));
		vh_on_event(&w->core, rows[i].tp, rows[i].f);
		const struct vh_key_slot *k = key_of(w, 0, rows[i].kind, rows[i].value);

		assert_non_null(k);
		assert_true(k->detail == rows[i].detail);
		assert_int_equal(k->timing.count, 1);
		assert_int_equal(k->timing.total_ns, rows[i].total_ns);
		assert_int_equal(w->state.seen[rows[i].tp], 1);
	}
	vh_on_accept(&w->t, 7, 3, 5, 1, 0x99);
	assert_int_equal(w->t.n_shared, 1);
	assert_int_equal(w->t.shared.owner, 3);
	assert_int_equal(w->t.shared.value, 0x99);
	assert_int_equal(w->t.shared.detail, 0x105);
	assert_int_equal(w->t.shared.epoch, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_exit_to_user_space, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_exits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(inside_for_good, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rests, set_up, tear_down),
		cmocka_unit_test_setup_teardown(waits_at_the_begin, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_switch_is_missed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_clock_that_jumps_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(across_epochs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			full_tables_count_what_they_miss, set_up, tear_down),
		cmocka_unit_test_setup_teardown(more_keys_than_can_wait, set_up, tear_down),
		cmocka_unit_test(sums_of_squares),
		cmocka_unit_test(histogram),
		cmocka_unit_test_setup_teardown(reasons, set_up, tear_down),
		cmocka_unit_test_setup_teardown(kinds, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
