/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of task_struct without BTF. */
#include "guest/tasks_table.h"
#include "tests/unit/guest/image.h"
#include "tests/unit/test.h"

/* As in Linux 4.19, roughly. */
#define O_STATE   0x10
#define O_STACK   0x18
#define O_FLAGS   0x24
#define O_ON_CPU  0x30
#define O_CPU     0x34
#define O_GROUP   0x90 /* se.group_node; on_rq and exec_start behind it */
#define O_TASKS   0x6c0
#define O_MM      0x710
#define O_PID     0x7b8
#define O_NODE    0x860
#define O_COMM    0x9f8
#define O_SIGNAL  0xa40
#define O_SP      0x1188
#define O_CLOCK   0x840 /* of the run queue; clock_task behind it */
#define N_TASKS   12u
#define INIT      UINT64_C(0xffffffff82000000)
#define SIGNALS   UINT64_C(0xffffffff82004000)
#define HEAP      UINT64_C(0xffff888000100000)
#define QUEUES    UINT64_C(0xffffffff82006000)
#define STACKS    UINT64_C(0xffffc90000000000)
#define TASK_SIZE UINT64_C(0x4000)

static uint64_t gva_of(unsigned i)
{
	return i ? HEAP + i * TASK_SIZE : INIT;
}

static void put(struct image *i, uint64_t gva, uint64_t value, size_t size)
{
	image_put(i, gva, &value, size);
}

static void put_task(struct image *i, unsigned n)
{
	uint64_t t = gva_of(n), next = gva_of((n + 1) % N_TASKS),
		 before = gva_of((n + N_TASKS - 1) % N_TASKS), stack = STACKS + n * 0x4000,
		 sp = stack + 0x1f00, mm = n == 1 || n > 9 ? HEAP + n * 64 : 0;
	vh_auto_free char *comm = n ? vh_asprintf("task-%u", n) : vh_strdup("swapper/0");

	put(i, t + O_STATE, n == 3 ? 2 : n == 4 ? 0 : n % 2 ? 1 : 0x402, 8);
	put(i, t + O_STACK, stack, 8);
	put(i, t + O_FLAGS, mm ? 0x400100 : 0x200040, 4);
	put(i, t + O_ON_CPU, n <= 1, 4); /* pid 1 on CPU 0, the idle task on CPU 1 */
	put(i, t + O_CPU, n == 1 ? 0 : n % 3 == 0, 4);
	put(i, t + O_GROUP, t + O_GROUP, 8);
	put(i, t + O_GROUP + 8, t + O_GROUP, 8);
	put(i, t + O_GROUP + 24, n ? 1000000 + n : 0, 8);
	put(i, t + O_GROUP + 32, n ? 500 + n : 0, 8);
	put(i, t + O_TASKS, next + O_TASKS, 8);
	put(i, t + O_TASKS + 8, before + O_TASKS, 8);
	put(i, t + O_MM, mm, 8);
	put(i, t + O_MM + 8, mm, 8);
	put(i, t + O_PID, n, 4);
	put(i, t + O_PID + 4, n, 4);
	image_put(i, t + O_COMM, comm, strlen(comm) + 1);
	put(i, t + O_SP, sp, 8);
	put(i, sp + 48, 0xffffffff81000010, 8);
}

static struct image *make_image(void)
{
	struct image *i = image_new("map ffffffff81000000 1000000 1000 x\n"
				    "map ffffffff82000000 2000000 8000 w\n"
				    "map ffff888000100000 100000 34000 w\n"
				    "map ffffc90000000000 400000 30000 w\n"
				    "symbol _stext ffffffff81000000 T\n"
				    "symbol init_task ffffffff82000000 D\n"
				    "symbol init_signals ffffffff82004000 D\n"
				    "symbol nr_cpu_ids ffffffff82004800 D\n"
				    "symbol __per_cpu_offset ffffffff82004810 D\n"
				    "symbol current_task ffffffff82004820 D\n"
				    "symbol runqueues ffffffff82006000 D\n"
				    "u32 ffffffff82004800 2\n"
				    "u64 ffffffff82004810 0 1000\n"
				    "u64 ffffffff82004820 ffff888000104000\n"
				    "u64 ffffffff82005820 ffffffff82000000\n");

	for (unsigned n = 0; n < N_TASKS; n++)
		put_task(i, n);
	for (unsigned cpu = 0; cpu < 2; cpu++) {
		uint64_t rq = QUEUES + cpu * 0x1000;

		put(i, rq + 4, cpu ? 0 : 3, 4);
		put(i, rq + 0x200, 70000000000, 8); /* some other time */
		put(i, rq + O_CLOCK, 2000000 + cpu, 8);
		put(i, rq + O_CLOCK + 0x20, 1900000 + cpu, 8);
	}
	put(i, INIT + O_SIGNAL, SIGNALS, 8);
	put(i, INIT + O_NODE, SIGNALS + 16, 8);
	put(i, INIT + O_NODE + 8, SIGNALS + 16, 8);
	put(i, SIGNALS + 16, INIT + O_NODE, 8);
	put(i, SIGNALS + 24, INIT + O_NODE, 8);
	return i;
}

struct inferred {
	struct image *i;
	struct vh_kernel k;
	struct vh_inside *in;
	bool done;
};

static struct inferred infer(struct image *i)
{
	struct inferred x = {.i = image_done(i), .in = vh_inside_new(VH_INSIDE_LINUX)};

	x.k = (struct vh_kernel){.space = i->space,
		.symbols = image_symbols(i),
		.layout = vh_layout_new(NULL, NULL),
		.stext = 0xffffffff81000000,
		.etext = 0xffffffff81001000};
	x.done = vh_tasks_infer(&x.k, x.in);
	return x;
}

static void close_inferred(struct inferred *x)
{
	vh_layout_free(x->k.layout);
	vh_symbols_free(x->k.symbols);
	vh_inside_free(x->in);
	image_free(x->i);
}

static void test_all(void **state)
{
	static const struct {
		const char *path;
		uint32_t offset;
	} rows[] = {{"comm", O_COMM}, {"tasks", O_TASKS}, {"pid", O_PID}, {"tgid", O_PID + 4},
		{"stack", O_STACK}, {"thread.sp", O_SP}, {"state", O_STATE}, {"mm", O_MM},
		{"flags", O_FLAGS}, {"signal", O_SIGNAL}, {"thread_node", O_NODE},
		{"se.exec_start", O_GROUP + 24}, {"on_cpu", O_ON_CPU}, {"cpu", O_CPU}};
	struct inferred x = infer(make_image());

	(void)state;
	assert_true(x.done);
	assert_true(x.in->kernel.layout_inferred);
	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		uint32_t offset =
			vh_layout_offset(x.k.layout, "task_struct", rows[i].path, UINT32_MAX);

		if (offset != rows[i].offset)
			fail_msg("%s: %#x, not %#x", rows[i].path, offset, rows[i].offset);
	}
	assert_int_equal(vh_layout_offset(x.k.layout, "signal_struct", "thread_head", 0), 16);
	assert_int_equal(vh_layout_offset(x.k.layout, "inactive_task_frame", "ret_addr", 0), 48);
	assert_int_equal(vh_layout_offset(x.k.layout, "inactive_task_frame", "bp", 0), 40);
	assert_int_equal(vh_layout_offset(x.k.layout, "rq", "nr_running", 0), 4);
	assert_int_equal(vh_layout_offset(x.k.layout, "rq", "clock", 0), O_CLOCK);
	assert_int_equal(vh_layout_offset(x.k.layout, "rq", "clock_task", 0), O_CLOCK + 0x20);
	close_inferred(&x);
}

static void test_impossible(void **state)
{
	struct image *i = make_image();
	struct inferred x;

	(void)state;
	image_put(i, INIT + O_COMM, "nobody", 7);
	x = infer(i);
	assert_false(x.done);
	assert_false(x.in->kernel.layout_inferred);
	assert_int_equal(x.in->n_notes, 1);
	close_inferred(&x);
	/* A list that does not lead back. */
	i = make_image();
	put(i, gva_of(1) + O_TASKS + 8, 0, 8);
	x = infer(i);
	assert_false(x.done);
	close_inferred(&x);
	/* Pids that are not alike. */
	i = make_image();
	put(i, gva_of(5) + O_PID, 77, 4);
	x = infer(i);
	assert_false(x.done);
	close_inferred(&x);
}

/* thread_info.cpu lies in front of the state from 5.16 on: of a guest of three CPUs its numbers
 * could be states too. */
static void test_cpu_before_state(void **state)
{
	struct image *i = make_image();
	struct inferred x;

	(void)state;
	for (unsigned n = 0; n < N_TASKS; n++)
		put(i, gva_of(n) + O_STATE - 4, n % 5 ? 1 + n % 2 : 0, 4);
	x = infer(i);
	assert_true(x.done);
	assert_int_equal(vh_layout_offset(x.k.layout, "task_struct", "state", 0), O_STATE);
	close_inferred(&x);
}

/* A queue that no clock is in, a CPU that is not known to run anything: the rest stays. */
static void test_no_clock(void **state)
{
	struct image *i = make_image();
	struct inferred x;
	struct vh_field f;

	(void)state;
	put(i, QUEUES + 0x1000 + O_CLOCK, 1, 8);
	x = infer(i);
	assert_true(x.done);
	assert_false(vh_layout_field(x.k.layout, "rq", "clock", &f));
	assert_true(vh_layout_field(x.k.layout, "rq", "nr_running", &f));
	close_inferred(&x);
	i = make_image();
	put(i, 0xffffffff82005820, 0, 8);
	x = infer(i);
	assert_true(x.done);
	assert_false(vh_layout_field(x.k.layout, "rq", "nr_running", &f));
	assert_false(vh_layout_field(x.k.layout, "task_struct", "on_cpu", &f));
	assert_true(vh_layout_field(x.k.layout, "task_struct", "thread.sp", &f));
	close_inferred(&x);
}

/* One member that cannot be told leaves the others known. */
static void test_partly(void **state)
{
	struct image *i = make_image();
	struct inferred x;
	struct vh_field f;

	(void)state;
	for (unsigned n = 0; n < N_TASKS; n++)
		put(i, gva_of(n) + O_STACK, 0, 8);
	put(i, INIT + O_SIGNAL, 0, 8);
	x = infer(i);
	assert_true(x.done);
	assert_true(vh_layout_field(x.k.layout, "task_struct", "pid", &f));
	assert_true(vh_layout_field(x.k.layout, "task_struct", "mm", &f));
	assert_false(vh_layout_field(x.k.layout, "task_struct", "stack", &f));
	assert_false(vh_layout_field(x.k.layout, "task_struct", "thread.sp", &f));
	assert_false(vh_layout_field(x.k.layout, "task_struct", "thread_node", &f));
	close_inferred(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_impossible),
		cmocka_unit_test(test_cpu_before_state),
		cmocka_unit_test(test_no_clock),
		cmocka_unit_test(test_partly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
