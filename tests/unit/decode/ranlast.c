/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of an idle guest's programs ran last, and what they wait in. */
#include "decode/insight.h"
#include "tests/unit/test.h"

static struct vh_frame frame_of(const char *symbol)
{
	return (struct vh_frame){.symbol = (char *)symbol};
}

static void test_order(void **state)
{
	struct vh_frame poll[] = {frame_of("__schedule"), frame_of("do_sys_poll")};
	struct vh_inside_task tasks[] = {
		{.pid = 1, .state = 'S', .waited_ns = 500, .stack = {poll, 2, NULL}},
		{.pid = 2,
			.state = 'S',
			.waited_ns = 9,
			.kernel_thread = true,
			.stack = {poll, 2, NULL}},
		{.pid = 3, .state = 'S', .waited_ns = 20, .stack = {poll, 2, NULL}},
		{.pid = 4, .state = 'S', .waited_ns = 20, .stack = {poll, 2, NULL}},
		{.pid = 5, .state = 'S', .waited_ns = -1, .stack = {poll, 2, NULL}},
		{.pid = 6, .state = 'R', .waited_ns = 1, .stack = {poll, 2, NULL}},
		{.pid = 7, .state = 'S', .waited_ns = 2},
	};
	struct vh_inside in = {.tasks = tasks, .n_tasks = VH_ARRAY_SIZE(tasks)};
	const struct vh_inside_task *t = NULL;
	int64_t pids[8];
	size_t n = 0;

	(void)state;
	while (n < 8 && (t = vh_inside_ran_last(&in, t)))
		pids[n++] = t->pid;
	assert_int_equal(n, 3);
	/* 3 and 4 ran at the same moment: each comes, and comes once. */
	assert_int_equal(pids[0] + pids[1], 7);
	assert_int_equal(pids[2], 1);
	assert_string_equal(vh_inside_wait_frame(&tasks[0].stack)->symbol, "do_sys_poll");
	assert_false(vh_inside_any_blocked(&in));
	tasks[1].state = 'D';
	assert_true(vh_inside_any_blocked(&in));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_order)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
