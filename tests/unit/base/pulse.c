/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/pulse.h"
#include "base/buf.h"
#include "tests/unit/test.h"

#define STEP (50 * VH_NS_PER_MS)

/* What two vCPUs do for some looks: CPUs used by the first, state and wait of both. */
struct phase {
	size_t looks;
	double cpus;
	char state;
	const char *wchan;
};

static struct vh_turn turn_of(const struct phase *phases, size_t n)
{
	struct vh_buf text = {0};
	int64_t at_ns = 0;
	uint64_t run_ns = 1000;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < phases[i].looks; k++, at_ns += STEP) {
			const struct phase *p = &phases[i];
			bool held = p->state == 'T';

			run_ns += (uint64_t)(p->cpus * STEP);
			vh_pulse_write(&text, &(struct vh_pulse_thread){.at_ns = at_ns,
						      .tid = 5,
						      .is_main = true,
						      .state = held ? 'T' : 'S',
						      .run_ns = 7,
						      .wchan = vh_str("do_poll")});
			for (int v = 0; v < 2; v++)
				vh_pulse_write(&text, &(struct vh_pulse_thread){.at_ns = at_ns,
							      .tid = 6 + v,
							      .is_vcpu = true,
							      .state = p->state,
							      .run_ns = v ? 99 : run_ns,
							      .wchan = vh_str(p->wchan)});
		}
	struct vh_turn turn = vh_pulse_turn((struct vh_str){vh_buf_str(&text), text.len});

	vh_buf_free(&text);
	return turn;
}
#define TURN(...)                                                                                  \
	turn_of((const struct phase[]){__VA_ARGS__},                                               \
		VH_ARRAY_SIZE(((const struct phase[]){__VA_ARGS__})))

static const struct phase busy = {10, 1.0, 'R', "0"}, halted = {10, 0, 'S', "kvm_vcpu_block"},
			  paused = {10, 0, 'S', "futex_do_wait"},
			  idle = {10, 0.01, 'S', "kvm_vcpu_block"},
			  stopped = {10, 0, 'T', "do_signal_stop"};

static void what_stays_so_has_no_turn(void **state VH_UNUSED)
{
	assert_int_equal(TURN(busy, busy).kind, VH_TURN_NONE);
	assert_int_equal(TURN(halted, halted).kind, VH_TURN_NONE);
	assert_int_equal(TURN(idle, idle).kind, VH_TURN_NONE);
	assert_int_equal(TURN(stopped, stopped).kind, VH_TURN_NONE);
	/* Works for a moment now and then. */
	assert_int_equal(TURN({4, 0, 'S', "kvm_vcpu_block"}, {1, 0.9, 'R', "0"},
				 {5, 0, 'S', "kvm_vcpu_block"}, {1, 0.9, 'R', "0"},
				 {5, 0, 'S', "kvm_vcpu_block"})
				 .kind,
		VH_TURN_NONE);
}

static void finds_each_turn_and_when(void **state VH_UNUSED)
{
	static const struct {
		const struct phase *before, *after;
		enum vh_turn_kind kind;
	} rows[] = {
		{&busy, &stopped, VH_TURN_STOPPED},
		{&stopped, &idle, VH_TURN_WENT_ON},
		{&busy, &halted, VH_TURN_FELL_SILENT},
		{&idle, &paused, VH_TURN_FELL_SILENT},
		{&paused, &busy, VH_TURN_CAME_ALIVE},
		{&paused, &halted, VH_TURN_WAITS_ELSEWHERE},
		{&idle, &busy, VH_TURN_LOAD_ROSE},
		{&busy, &idle, VH_TURN_LOAD_FELL},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_turn turn = TURN(*rows[i].before, *rows[i].after);

		assert_int_equal(turn.kind, rows[i].kind);
		/* In the stretch between the tenth look and the eleventh, or one beside it. */
		assert_in_range(turn.at_ns, 8 * STEP, 11 * STEP);
		assert_int_equal(turn.begin_ns, 0);
		assert_int_equal(turn.end_ns, 19 * STEP);
	}
	struct vh_turn turn = TURN(paused, busy);

	assert_string_equal(turn.before.wchan, "futex_do_wait");
	assert_string_equal(turn.after.wchan, "");
}

/* As where a freezer's thread had been thawed, and waited for a CPU, when it was looked at. */
static void who_is_ready_but_has_not_run_yet_waits_no_more(void **state VH_UNUSED)
{
	struct vh_turn turn = TURN({9, 0, 'D', "__refrigerator"}, {1, 0, 'R', "0"}, busy);

	assert_int_equal(turn.kind, VH_TURN_CAME_ALIVE);
	assert_string_equal(turn.before.wchan, "__refrigerator");
	assert_in_range(turn.at_ns, 8 * STEP, 9 * STEP);
}

static void too_short_a_side_tells_nothing(void **state VH_UNUSED)
{
	assert_int_equal(TURN({18, 1, 'R', "0"}, {1, 0, 'S', "kvm_vcpu_block"}).kind, VH_TURN_NONE);
	assert_int_equal(TURN({2, 1, 'R', "0"}, {2, 0, 'S', "kvm_vcpu_block"}).kind, VH_TURN_NONE);
}

static void takes_any_text(void **state VH_UNUSED)
{
	static const char *const texts[] = {"", "\n\n", "1 2 3\n", "x y vcpu S 1 z\n",
		"9223372036854775807 1 vcpu R 18446744073709551615 w\n",
		"-99999999999999999 1 vcpu S 0\n99999999999999999 1 vcpu R 99999999999999999\n"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(texts); i++)
		assert_int_equal(vh_pulse_turn(vh_str(texts[i])).kind, VH_TURN_NONE);
	/* Looks that go backwards are left out. */
	struct vh_buf text = {0};

	for (int64_t i = 0; i < 40; i++)
		vh_buf_printf(&text, "%d 6 vcpu S %d futex\n", (int)(1000 - i), (int)i);
	assert_int_equal(vh_pulse_turn(vh_str(vh_buf_str(&text))).kind, VH_TURN_NONE);
	vh_buf_free(&text);
	/* No more looks than are kept, however many there are. */
	for (int64_t i = 0; i < 3 * VH_PULSE_LOOKS; i++)
		vh_buf_printf(&text, "%lld 6 vcpu R %lld 0\n", (long long)(i * 1000000),
			(long long)(i * 999999));
	assert_true(
		vh_pulse_turn(vh_str(vh_buf_str(&text))).end_ns < 2 * VH_PULSE_LOOKS * 1000000LL);
	vh_buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stays_so_has_no_turn),
		cmocka_unit_test(finds_each_turn_and_when),
		cmocka_unit_test(who_is_ready_but_has_not_run_yet_waits_no_more),
		cmocka_unit_test(too_short_a_side_tells_nothing),
		cmocka_unit_test(takes_any_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
