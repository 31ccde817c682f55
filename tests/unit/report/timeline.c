/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/timeline_slices.h"

#include <stdio.h>

#include "base/buf.h"
#include "tests/unit/test.h"

struct told {
	struct vh_buf text;
	struct {
		int64_t from_ns, to_ns;
	} slices[4096];
	size_t n;
	size_t instants;
};

static void slice(void *data, const struct vh_slice *s)
{
	struct told *told = data;

	vh_buf_printf(
		&told->text, "%lld-%lld %s\n", (long long)s->from_ns, (long long)s->to_ns, s->name);
	assert_true(s->from_ns <= s->to_ns);
	if (told->n == VH_ARRAY_SIZE(told->slices))
		return;
	told->slices[told->n].from_ns = s->from_ns;
	told->slices[told->n++].to_ns = s->to_ns;
}

static void instant(void *data, const struct vh_perf_record *r)
{
	struct told *told = data;

	told->instants++;
	vh_buf_printf(&told->text, "%lld %s\n", (long long)r->time_ns,
		r->kind == VH_PERF_LOST   ? "lost"
		: r->kind == VH_PERF_EXIT ? "ended"
					  : vh_tp_name(r->tp));
}

/* Two slices of a thread are apart, or one holds the other. */
static void check_nesting(const struct told *told)
{
	for (size_t i = 0; i < told->n; i++)
		for (size_t j = 0; j < i; j++) {
			int64_t a = told->slices[i].from_ns, b = told->slices[i].to_ns;
			int64_t c = told->slices[j].from_ns, d = told->slices[j].to_ns;

			if (!(b <= c || d <= a || (a <= c && d <= b) || (c <= a && b <= d)))
				fail_msg("%lld-%lld and %lld-%lld", (long long)a, (long long)b,
					(long long)c, (long long)d);
		}
}

static struct vh_perf_record event(int64_t time_ns, enum vh_tp tp, uint64_t first, uint64_t third)
{
	return (struct vh_perf_record){.kind = VH_PERF_TRACEPOINT,
		.time_ns = time_ns,
		.tp = tp,
		.value = {first, 0x1000, third},
		.present = 7};
}

static struct vh_perf_record other(int64_t time_ns, enum vh_perf_kind kind, bool preempted)
{
	return (struct vh_perf_record){
		.kind = kind, .time_ns = time_ns, .preempted = preempted, .lost = 3};
}

static const char *play(struct told *told, const struct vh_perf_record *records, size_t n)
{
	struct vh_slicer s = {.slice = slice, .instant = instant, .data = told};

	for (size_t i = 0; i < n; i++)
		vh_slicer_take(&s, &records[i]);
	vh_slicer_end(&s, 1000);
	check_nesting(told);
	return vh_buf_str(&told->text);
}

/* SVM: an I/O exit that goes to user space, then HLT. */
static void a_guest_that_writes_and_halts(void **state VH_UNUSED)
{
	const struct vh_perf_record records[] = {
		event(10, VH_TP_ENTRY, 0, 0),
		event(20, VH_TP_EXIT, 0x7b, 2),
		event(21, VH_TP_PIO, 1, 1),
		event(25, VH_TP_FPU, 0, 0),
		event(26, VH_TP_USERSPACE_EXIT, 2, 0),
		other(30, VH_PERF_SWITCH_OUT, true),
		other(35, VH_PERF_SWITCH_IN, false),
		event(40, VH_TP_FPU, 1, 0),
		event(45, VH_TP_ENTRY, 0, 0),
		event(50, VH_TP_EXIT, 0x78, 2),
		other(55, VH_PERF_SWITCH_OUT, false),
		other(90, VH_PERF_SWITCH_IN, false),
		event(91, VH_TP_VCPU_WAKEUP, 30, 1),
		event(95, VH_TP_ENTRY, 0, 0),
	};
	struct told told = {0};

	assert_string_equal(play(&told, records, VH_ARRAY_SIZE(records)),
		"0-10 unknown\n10-20 guest\n21 kvm:kvm_pio\n20-25 KVM: io\n"
		"30-35 waits for a CPU\n25-40 user space: KVM_EXIT_IO\n40-45 KVM\n45-50 guest\n"
		"91 kvm:kvm_vcpu_wakeup\n55-90 halted\n50-95 KVM: hlt\n95-1000 guest\n");
	vh_buf_free(&told.text);
}

/* A KVM without kvm_exit; a sleep that no wake-up follows; numbers without a name. */
static void a_kvm_that_emulates(void **state VH_UNUSED)
{
	const struct vh_perf_record records[] = {
		event(10, VH_TP_FPU, 1, 0),
		other(12, VH_PERF_SWITCH_OUT, false),
		other(13, VH_PERF_SWITCH_IN, false),
		other(14, VH_PERF_SWITCH_OUT, false),
		other(16, VH_PERF_SWITCH_IN, false),
		event(17, VH_TP_VCPU_WAKEUP, 2, 1),
		event(20, VH_TP_FPU, 0, 0),
		event(21, VH_TP_USERSPACE_EXIT, 9999, 0),
		other(22, VH_PERF_SWITCH_OUT, false),
		event(30, VH_TP_FPU, 1, 0),
	};
	struct told told = {0};

	assert_string_equal(play(&told, records, VH_ARRAY_SIZE(records)),
		"0-10 unknown\n12-13 asleep\n17 kvm:kvm_vcpu_wakeup\n14-16 halted\n10-20 inside\n"
		"22-30 asleep\n20-30 user space: 0x270f\n30-1000 inside\n");
	vh_buf_free(&told.text);
}

static void what_was_lost_and_what_ended(void **state VH_UNUSED)
{
	const struct vh_perf_record records[] = {
		event(10, VH_TP_ENTRY, 0, 0),
		other(20, VH_PERF_SWITCH_OUT, false),
		other(30, VH_PERF_LOST, false),
		event(25, VH_TP_EXIT, 0xfff, 1), /* older than what came before */
		other(60, VH_PERF_EXIT, false),
		event(70, VH_TP_ENTRY, 0, 0),
	};
	struct told told = {0};

	assert_string_equal(play(&told, records, VH_ARRAY_SIZE(records)),
		"0-10 unknown\n20-30 asleep\n10-30 guest\n30 lost\n30-30 unknown\n"
		"30-60 KVM: 0xfff\n60 ended\n");
	vh_buf_free(&told.text);
}

/* Any order of anything: slices nest, and together the outer ones are the whole time. */
static void any_sequence(void **state VH_UNUSED)
{
	uint64_t seed = 1;

	for (int round = 0; round < 200; round++) {
		struct told told = {0};
		struct vh_perf_record records[300];

		for (size_t i = 0; i < VH_ARRAY_SIZE(records); i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			unsigned x = (unsigned)(seed >> 40);
			int64_t time_ns = (int64_t)(i * 3 + x % 7) - 3;

			records[i] =
				x % 3 ? event(time_ns, (enum vh_tp)(x / 64 % VH_N_TP), x / 8 % 4,
						x / 16 % 4)
				      : other(time_ns, (enum vh_perf_kind)(x / 4 % 3 + 1), x & 1);
			if (x % 97 == 0)
				records[i] = other(time_ns, VH_PERF_LOST, false);
		}
		/* An end would end it early. */
		for (size_t i = 0; i < VH_ARRAY_SIZE(records); i++)
			if (records[i].kind == VH_PERF_EXIT)
				records[i].kind = VH_PERF_SWITCH_IN;
		play(&told, records, VH_ARRAY_SIZE(records));
		int64_t covered = 0;

		for (size_t i = 0; i < told.n; i++) {
			bool inner = false;

			for (size_t j = 0; j < told.n && !inner; j++)
				inner = j != i &&
					told.slices[j].from_ns <= told.slices[i].from_ns &&
					told.slices[j].to_ns >= told.slices[i].to_ns &&
					(told.slices[j].from_ns < told.slices[i].from_ns ||
						told.slices[j].to_ns > told.slices[i].to_ns ||
						j > i);
			if (!inner)
				covered += told.slices[i].to_ns - told.slices[i].from_ns;
		}
		assert_int_equal(covered, 1000);
		vh_buf_free(&told.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_that_writes_and_halts),
		cmocka_unit_test(a_kvm_that_emulates),
		cmocka_unit_test(what_was_lost_and_what_ended),
		cmocka_unit_test(any_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
