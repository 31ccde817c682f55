/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What keys do on the screen of `vmhang exits`, and how they come from a terminal. */
#include "cli/exits_live.h"
#include "cli/terminal.h"
#include "tests/unit/test.h"

static void bytes_become_keys(void **state VH_UNUSED)
{
	static const struct {
		const char *bytes;
		int keys[4];
	} rows[] = {
		{"q", {'q'}},
		{"\033[A", {VH_PRESS_UP}},
		{"\033OB", {VH_PRESS_DOWN}},
		{"\033[Bs", {VH_PRESS_DOWN, 's'}},
		{"\033[1;5As", {VH_PRESS_UP, 's'}},  /* Ctrl and up */
		{"\033[15~q", {'q'}},                /* F5 */
		{"\033q", {0}},                      /* Alt and q */
		{"\033\033[As", {VH_PRESS_UP, 's'}}, /* Escape, then up */
		{"\xc3\xa4k", {'k'}},                /* a letter that is none of ours */
		{"12", {'1', '2'}},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		int parser = 0, n = 0;

		for (const char *s = rows[i].bytes; *s; s++) {
			int key = vh_press_of_byte(&parser, (unsigned char)*s);

			if (key != VH_PRESS_NONE)
				assert_int_equal(key, rows[i].keys[n++]);
		}
		assert_int_equal(rows[i].keys[n], 0);
	}
}

static void keys_change_what_is_shown(void **state VH_UNUSED)
{
	static const char json[] = "{\"backend\":\"bpf\",\"span_ns\":1000,\"threads\":["
				   "{\"vcpu\":0},{\"vcpu\":2},{\"vcpu\":11}]}";
	static const struct {
		int key, vcpu;
		enum vh_exits_sort sort;
		bool keys, paused, draws;
	} steps[] = {
		{'2', 2, VH_SORT_SAMPLES, true, false, true},
		{'5', 2, VH_SORT_SAMPLES, true, false, false}, /* there is none */
		{VH_PRESS_DOWN, 11, VH_SORT_SAMPLES, true, false, true},
		{VH_PRESS_DOWN, 11, VH_SORT_SAMPLES, true, false, true},
		{VH_PRESS_UP, 2, VH_SORT_SAMPLES, true, false, true},
		{VH_PRESS_UP, 0, VH_SORT_SAMPLES, true, false, true},
		{VH_PRESS_UP, VH_ALL_VCPUS, VH_SORT_SAMPLES, true, false, true},
		{VH_PRESS_UP, VH_ALL_VCPUS, VH_SORT_SAMPLES, true, false, true},
		{VH_PRESS_DOWN, 0, VH_SORT_SAMPLES, true, false, true},
		{'a', VH_ALL_VCPUS, VH_SORT_SAMPLES, true, false, true},
		{'s', VH_ALL_VCPUS, VH_SORT_TIME, true, false, true},
		{'s', VH_ALL_VCPUS, VH_SORT_MEAN, true, false, true},
		{'s', VH_ALL_VCPUS, VH_SORT_MAX, true, false, true},
		{'s', VH_ALL_VCPUS, VH_SORT_NAME, true, false, true},
		{'s', VH_ALL_VCPUS, VH_SORT_SAMPLES, true, false, true},
		{'k', VH_ALL_VCPUS, VH_SORT_SAMPLES, false, false, true},
		{'p', VH_ALL_VCPUS, VH_SORT_SAMPLES, false, true, true},
		{'p', VH_ALL_VCPUS, VH_SORT_SAMPLES, false, false, true},
		{'x', VH_ALL_VCPUS, VH_SORT_SAMPLES, false, false, false},
		{VH_PRESS_REDRAW, VH_ALL_VCPUS, VH_SORT_SAMPLES, false, false, true},
	};
	struct vh_error *err = NULL;
	struct vh_exits *e = vh_exits_decode(vh_str(json), NULL, NULL, &err);
	struct vh_exits_screen s = {.show = {.vcpu = VH_ALL_VCPUS, .keys = true}};

	assert_null(err);
	for (size_t i = 0; i < VH_ARRAY_SIZE(steps); i++) {
		assert_int_equal(vh_exits_press(&s, e, steps[i].key), steps[i].draws);
		assert_int_equal(s.show.vcpu, steps[i].vcpu);
		assert_int_equal(s.show.sort, steps[i].sort);
		assert_int_equal(s.show.keys, steps[i].keys);
		assert_int_equal(s.paused, steps[i].paused);
		assert_false(s.quit);
	}
	/* Before the first interval there are no vCPUs to choose from. */
	assert_false(vh_exits_press(&s, NULL, VH_PRESS_DOWN));
	assert_false(vh_exits_press(&s, NULL, '0'));
	vh_exits_press(&s, NULL, 'q');
	assert_true(s.quit);
	vh_exits_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_become_keys),
		cmocka_unit_test(keys_change_what_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
