/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Circles of tasks that wait for each other. */
#include "guest/tasks.h"
#include "tests/unit/test.h"

/* Pairs: who waits, for whom; ends with 0. */
static size_t circle(const int64_t *pairs, int64_t *pids, size_t most)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_LINUX);
	size_t n;

	for (; pairs[0]; pairs += 2)
		VH_PUSH(in->tasks, in->n_tasks) = (struct vh_inside_task){.pid = pairs[0],
			.lock = {.kind = VH_BLOCKED_MUTEX, .holder_pid = pairs[1]}};
	n = vh_inside_deadlock(in, pids, most);
	vh_inside_free(in);
	return n;
}

static void test_circles(void **state)
{
	int64_t pids[4] = {0};

	(void)state;
	assert_int_equal(circle((int64_t[]){0, 0}, pids, 4), 0);
	assert_int_equal(circle((int64_t[]){5, 6, 6, 7, 7, -1, 0}, pids, 4), 0);
	assert_int_equal(circle((int64_t[]){5, 6, 6, 5, 0}, pids, 4), 2);
	assert_int_equal(pids[0], 5);
	assert_int_equal(pids[1], 6);
	/* Others wait for one of three, who are given in the order of who waits for whom. */
	assert_int_equal(
		circle((int64_t[]){1, 2, 2, 30, 30, 10, 9, 1, 10, 20, 20, 30, 0}, pids, 4), 3);
	assert_int_equal(pids[0], 10);
	assert_int_equal(pids[1], 20);
	assert_int_equal(pids[2], 30);
	/* For itself; and more than there is room for. */
	assert_int_equal(circle((int64_t[]){8, 8, 0}, pids, 4), 1);
	assert_int_equal(pids[0], 8);
	pids[1] = -7;
	assert_int_equal(circle((int64_t[]){1, 2, 2, 3, 3, 1, 0}, pids, 1), 3);
	assert_int_equal(pids[0], 1);
	assert_int_equal(pids[1], -7);
	/* Pid 0 is every CPU's idle task. */
	assert_int_equal(circle((int64_t[]){4, 0, 0, 4, 0, 0}, pids, 4), 0);
}

static void test_with_vcpu(void **state)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_LINUX);
	int64_t pids[2];

	(void)state;
	VH_PUSH(in->tasks, in->n_tasks) = (struct vh_inside_task){
		.pid = 11, .lock = {.kind = VH_BLOCKED_MUTEX, .holder_pid = 12}};
	VH_PUSH(in->vcpus, in->n_vcpus) = (struct vh_inside_vcpu){
		.pid = 12, .lock = {.kind = VH_BLOCKED_SPINLOCK, .holder_pid = 11}};
	assert_int_equal(vh_inside_deadlock(in, pids, 2), 2);
	assert_int_equal(pids[0], 11);
	assert_int_equal(pids[1], 12);
	/* What is not known to be a lock is no edge. */
	in->vcpus[0].lock.kind = VH_BLOCKED_UNKNOWN;
	assert_int_equal(vh_inside_deadlock(in, pids, 2), 0);
	vh_inside_free(in);
}

/* As many as there may be, all in one circle, or in none. */
static void test_many(void **state)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_LINUX);

	(void)state;
	for (size_t i = 0; i < VH_INSIDE_MAX_TASKS; i++)
		VH_PUSH(in->tasks, in->n_tasks) = (struct vh_inside_task){.pid = (int64_t)i + 1,
			.lock = {.kind = VH_BLOCKED_RWSEM, .holder_pid = (int64_t)i + 2}};
	assert_int_equal(vh_inside_deadlock(in, NULL, 0), 0);
	in->tasks[in->n_tasks - 1].lock.holder_pid = 1;
	assert_int_equal(vh_inside_deadlock(in, NULL, 0), VH_INSIDE_MAX_TASKS);
	vh_inside_free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_circles),
		cmocka_unit_test(test_with_vcpu),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
