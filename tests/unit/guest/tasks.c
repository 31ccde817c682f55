/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tasks and run queues: who waits for whom. */
#include "guest/tasks.h"

#include <errno.h>

#include "guest/tasks_table.h"
#include "tests/unit/guest/taskimage.h"
#include "tests/unit/test.h"

static struct task_image *open_image(const char *types, const char *more)
{
	struct task_image *t = vh_alloc(sizeof(*t));
	struct image *i = image_new(TASK_IMAGE);

	image_add(i, more);
	task_image_open(t, i, types);
	return t;
}

static void close_image(struct task_image *t)
{
	task_image_close(t);
	free(t);
}

static const struct vh_inside_task *task(const struct task_image *t, int64_t pid)
{
	for (size_t i = 0; i < t->in->n_tasks; i++)
		if (t->in->tasks[i].pid == pid)
			return &t->in->tasks[i];
	fail_msg("there is no pid %lld", (long long)pid);
	return NULL;
}

static bool has_note(const struct task_image *t, const char *text)
{
	for (size_t i = 0; i < t->in->n_notes; i++)
		if (strstr(t->in->notes[i], text))
			return true;
	return false;
}

static void test_list(void **state)
{
	struct task_image *t = open_image(ALL_TYPES, "");

	(void)state;
	assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
	assert_true(t->in->has_tasks);
	assert_int_equal(t->in->n_notes, 0);
	/* In the order of the list, threads behind their leader; not the idle task. */
	static const int64_t pids[] = {1, 2, 100, 101, 200};

	assert_int_equal(t->in->n_tasks, VH_ARRAY_SIZE(pids));
	for (size_t i = 0; i < VH_ARRAY_SIZE(pids); i++)
		assert_int_equal(t->in->tasks[i].pid, pids[i]);
	assert_string_equal(task(t, 1)->comm, "init");
	assert_true(task(t, 1)->on_cpu);
	assert_int_equal(task(t, 1)->state, 'R');
	assert_int_equal(task(t, 1)->waited_ns, 0);
	assert_true(task(t, 2)->kernel_thread);
	assert_int_equal(task(t, 2)->state, 'I');
	assert_int_equal(task(t, 2)->raw, 0x402);
	/* Its CPU's clock stands at 4000000000h, that of the other is the newest. */
	assert_int_equal(task(t, 2)->waited_ns, 0x4000000000);
	assert_int_equal(task(t, 100)->waited_ns, 0x2000000000);
	assert_int_equal(task(t, 100)->cpu, 1);
	assert_int_equal(task(t, 100)->state, 'D');
	assert_false(task(t, 100)->killable);
	assert_int_equal(task(t, 101)->tgid, 100);
	assert_int_equal(task(t, 101)->state, 'S');
	assert_false(task(t, 101)->kernel_thread);
	/* clock_task of its CPU lies behind that CPU's clock. */
	assert_int_equal(task(t, 101)->waited_ns, 0x1700000000);
	assert_true(task(t, 200)->killable);
	assert_int_equal(task(t, 200)->waited_ns, -1);
	close_image(t);
}

static void test_states(void **state)
{
	static const struct {
		unsigned raw, exit;
		char letter;
	} rows[] = {{0, 0, 'R'}, {1, 0, 'S'}, {2, 0, 'D'}, {4, 0, 'T'}, {8, 0, 't'}, {0x10, 0, 'X'},
		{0x40, 0, 'P'}, {0x80, 0x20, 'Z'}, {0x80, 0x10, 'X'}, {0x80, 0, 'X'},
		{0x200, 0, 'R'}, {0x800, 0, 'R'}, {0x2001, 0, 'S'}, {0x2102, 0, 'D'},
		{0x2402, 0, 'I'}, {0x8000, 0, 'D'}, {0x1000, 0, 'D'}, {0x402, 0, 'I'}};

	(void)state;
	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		vh_auto_free char *text = vh_asprintf(
			"u32 " TASK_2 " %x\nu32 ffff88800000127c %x\n", rows[i].raw, rows[i].exit);
		struct task_image *t = open_image(ALL_TYPES, text);

		assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
		if (task(t, 2)->state != rows[i].letter)
			fail_msg("%#x and %#x give %c, not %c", rows[i].raw, rows[i].exit,
				task(t, 2)->state, rows[i].letter);
		close_image(t);
	}
}

static void test_mutexes(void **state)
{
	struct task_image *t = open_image(ALL_TYPES, "");
	int64_t pids[4];

	(void)state;
	assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
	assert_int_equal(task(t, 100)->lock.kind, VH_BLOCKED_MUTEX);
	assert_true(task(t, 100)->lock.gva == 0xffffffff82000420);
	assert_string_equal(task(t, 100)->lock.symbol, "second");
	assert_int_equal(task(t, 100)->lock.holder_pid, 200);
	assert_string_equal(task(t, 100)->lock.holder_comm, "b");
	assert_string_equal(task(t, 200)->lock.symbol, "first");
	assert_int_equal(task(t, 200)->lock.holder_pid, 100);
	assert_int_equal(task(t, 1)->lock.holder_pid, -1);
	assert_int_equal(vh_inside_deadlock(t->in, pids, 4), 2);
	assert_int_equal(pids[0], 100);
	assert_int_equal(pids[1], 200);
	assert_true(task(t, 100)->stack.n > 0);
	assert_string_equal(task(t, 100)->stack.frames[0].symbol, "__mutex_lock.constprop.0");
	close_image(t);
}

/* Where no frame tells of a lock, the waiter does whose lock is of a task. */
static void test_no_frames(void **state)
{
	struct task_image *t = open_image(ALL_TYPES, "u64 ffff888000004f08 ffffffff81000010\n"
						     "u64 ffff888000006f08 ffffffff81000010\n"
						     "u64 ffffffff82000400 12345678\n");

	(void)state;
	assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
	assert_int_equal(task(t, 100)->lock.kind, VH_BLOCKED_MUTEX);
	assert_int_equal(task(t, 100)->lock.holder_pid, 200);
	assert_int_equal(task(t, 200)->lock.kind, VH_BLOCKED_UNKNOWN);
	assert_int_equal(task(t, 200)->lock.holder_pid, -1);
	close_image(t);
}

/* The second waiter of a mutex: its list leads over the first one, on another stack, to the lock.
 */
static void test_several_waiters(void **state)
{
	struct task_image *t = open_image(ALL_TYPES,
		"u64 ffff888000006f40 ffffffff82000430 ffff888000004f40 " TASK_B "\n"
		"u64 ffff888000004f40 ffff888000006f40 ffffffff82000430 " TASK_A "\n"
		"u64 ffffffff82000420 " TASK_1 " 0 ffff888000004f40 ffff888000006f40\n");

	(void)state;
	assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
	assert_int_equal(task(t, 100)->lock.holder_pid, 1);
	assert_int_equal(task(t, 200)->lock.holder_pid, 1);
	assert_string_equal(task(t, 200)->lock.symbol, "second");
	assert_int_equal(vh_inside_deadlock(t->in, NULL, 0), 0);
	close_image(t);
}

#define A_WAITS_FOR_RWSEM                                                                          \
	"u64 ffff888000004f08 ffffffff81000210\n"                                                  \
	"u64 ffff888000004f40 ffffffff82000458 ffffffff82000458 " TASK_A "\n"                      \
	"u64 ffffffff82000458 ffff888000004f40 ffff888000004f40\n"

static void test_rwsem(void **state)
{
	struct task_image *t =
		open_image(ALL_TYPES, A_WAITS_FOR_RWSEM "u64 ffffffff82000448 " TASK_B "\n");

	(void)state;
	assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
	assert_int_equal(task(t, 100)->lock.kind, VH_BLOCKED_RWSEM);
	assert_string_equal(task(t, 100)->lock.symbol, "third");
	assert_int_equal(task(t, 100)->lock.holder_pid, 200);
	close_image(t);
	/* Bit 0: a reader had it last, who need not have it any more. */
	t = open_image(ALL_TYPES, A_WAITS_FOR_RWSEM "u64 ffffffff82000448 ffff888000001801\n");
	assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
	assert_int_equal(task(t, 100)->lock.kind, VH_BLOCKED_RWSEM);
	assert_string_equal(task(t, 100)->lock.symbol, "third");
	assert_int_equal(task(t, 100)->lock.holder_pid, -1);
	close_image(t);
	/* Its own mmap_lock. */
	t = open_image(ALL_TYPES,
		A_WAITS_FOR_RWSEM "u64 ffff888000004f40 ffff888000007048 ffff888000007048\n"
				  "u64 ffff888000007038 " TASK_B " 0 ffff888000004f40\n"
				  "u64 ffff888000007048 ffff888000004f40 ffff888000004f40\n");
	assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
	assert_string_equal(task(t, 100)->lock.symbol, "mmap_lock");
	close_image(t);
}

/* Without types the version tells the order of its members. Readers hold it, so that no owner
 * helps.
 */
static void test_rwsem_without_types(void **state)
{
	static const struct {
		unsigned version;
		const char *head; /* of the waiters: 8 or 18 (hexadecimal) bytes behind the lock */
	} rows[] = {{418, "ffffffff82000448"}, {501, "ffffffff82000448"}, {504, "ffffffff82000458"},
		{515, "ffffffff82000458"}};

	(void)state;
	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		vh_auto_free char *text = vh_asprintf("u64 ffff888000004f08 ffffffff81000210\n"
						      "u64 ffff888000004f40 %s %s " TASK_A "\n"
						      "u64 %s ffff888000004f40 ffff888000004f40\n",
			rows[i].head, rows[i].head, rows[i].head);
		struct task_image *t = open_image(TASK_TYPES, text);

		t->k.version = rows[i].version;
		assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
		assert_int_equal(task(t, 100)->lock.kind, VH_BLOCKED_RWSEM);
		assert_true(task(t, 100)->lock.gva == 0xffffffff82000440);
		assert_string_equal(task(t, 100)->lock.symbol, "third");
		assert_int_equal(task(t, 100)->lock.holder_pid, -1);
		close_image(t);
	}
}

/* Without frames, a rwsem that readers had last looks like a mutex 8 bytes behind it, which the
 * last reader holds: its count tells it from one. */
static void test_rwsem_without_frames(void **state)
{
	static const struct {
		const char *words; /* count, owner */
		enum vh_blocked_on kind;
		int64_t holder;
	} rows[] = {
		{"u64 ffffffff82000440 102 ffff888000001801\n", VH_BLOCKED_UNKNOWN, -1},
		{"u64 ffffffff82000440 306 ffff888000001803\n", VH_BLOCKED_UNKNOWN, -1},
		{"u64 ffffffff82000440 3 " TASK_B "\n", VH_BLOCKED_RWSEM, 200},
		{"u64 ffffffff82000440 0 ffff888000001801\n", VH_BLOCKED_MUTEX, 200},
	};

	(void)state;
	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		vh_auto_free char *text =
			vh_asprintf(A_WAITS_FOR_RWSEM "u64 ffff888000004f08 ffffffff81000010\n%s",
				rows[i].words);
		struct task_image *t = open_image(ALL_TYPES, text);

		assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
		assert_int_equal(task(t, 100)->lock.kind, rows[i].kind);
		assert_int_equal(task(t, 100)->lock.holder_pid, rows[i].holder);
		close_image(t);
	}
}

/* Lists of waiters that lie. */
static void test_lying_waiters(void **state)
{
	static const char *const lies[] = {
		/* Of nobody, of itself, of an address that is none, of one that is not mapped. */
		"u64 ffff888000004f40 0 0\n",
		"u64 ffff888000004f40 ffff888000004f40 ffff888000004f40\n",
		"u64 ffff888000004f40 123456 123456\n",
		"u64 ffff888000004f40 ffff888000100000 ffff888000100000\n",
		/* What comes next does not point back. */
		"u64 ffffffff82000430 ffff888000004f40 ffff888000004f48\n",
		/* Round and round, never back. */
		"u64 ffffffff82000430 ffffffff82000430 ffff888000004f40\n",
	};

	(void)state;
	for (size_t i = 0; i < VH_ARRAY_SIZE(lies); i++) {
		struct task_image *t = open_image(ALL_TYPES, lies[i]);

		assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
		assert_int_equal(task(t, 100)->lock.kind, VH_BLOCKED_MUTEX);
		assert_int_equal(task(t, 100)->lock.holder_pid, -1);
		assert_true(task(t, 100)->lock.gva == 0);
		close_image(t);
	}
	/* An owner that is no task. */
	struct task_image *t = open_image(ALL_TYPES, "u64 ffffffff82000420 ffff888000002000\n");

	assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
	assert_string_equal(task(t, 100)->lock.symbol, "second");
	assert_int_equal(task(t, 100)->lock.holder_pid, -1);
	close_image(t);
}

/* From 7.0 on: no head, and the lock points to its first waiter. */
static void test_waiters_without_head(void **state)
{
	static const char types[] = TASK_TYPES "struct mutex 20\n"
					       "0 owner 8\n"
					       "10 first_waiter 8\n"
					       "struct mutex_waiter 18\n"
					       "0 list @list_head\n"
					       "10 task 8\n";
	struct task_image *t = open_image(types,
		"u64 ffffffff82000430 ffff888000004f40\n"
		"u64 ffff888000004f40 ffff888000004f40 ffff888000004f40 " TASK_A "\n"
		"u64 ffff888000004f80 ffffffff82000400 ffffffff82000420\n");

	(void)state;
	assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
	assert_string_equal(task(t, 100)->lock.symbol, "second");
	assert_int_equal(task(t, 100)->lock.holder_pid, 200);
	/* Of b no word leads to the lock. */
	assert_int_equal(task(t, 200)->lock.kind, VH_BLOCKED_MUTEX);
	assert_true(task(t, 200)->lock.gva == 0);
	close_image(t);
}

static void test_blocker(void **state)
{
	/* task_struct again, of which the last is found first, with a member more. */
	static const struct {
		const char *value;
		enum vh_blocked_on kind;
		int64_t holder;
	} rows[] = {
		{"ffffffff82000400", VH_BLOCKED_MUTEX, 100}, /* mutex */
		{"ffffffff82000443", VH_BLOCKED_RWSEM, 200}, /* rwsem, of a writer */
	};
	vh_auto_free char *types = vh_strdup(ALL_TYPES);
	char *place = strstr(types, "440 in_iowait :1\n");

	(void)state;
	memcpy(place, "90 blocker     8\n", strlen("440 in_iowait :1\n"));
	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		vh_auto_free char *text = vh_asprintf("u64 ffff888000001490 %s\n"
						      "u64 ffffffff82000448 " TASK_B "\n",
			rows[i].value);
		struct task_image *t = open_image(types, text);

		assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
		assert_int_equal(task(t, 100)->lock.kind, rows[i].kind);
		assert_int_equal(task(t, 100)->lock.holder_pid, rows[i].holder);
		close_image(t);
	}
}

static void test_other_waits(void **state)
{
	struct task_image *t = open_image(ALL_TYPES,
		"u64 ffff888000004f08 ffffffff81000310\n" /* a: a completion on its own stack */
		"u64 ffff888000004f40 " TASK_A " ffff888000004f90 ffff888000004f90\n"
		"u64 ffff888000004f80 0 0 ffff888000004f48 ffff888000004f48\n"
		"u64 ffff888000006f08 ffffffff81000410\n"); /* b: io_schedule */

	(void)state;
	assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
	assert_int_equal(task(t, 100)->lock.kind, VH_BLOCKED_COMPLETION);
	assert_true(task(t, 100)->lock.gva == 0xffff888000004f80);
	assert_null(task(t, 100)->lock.symbol);
	assert_int_equal(task(t, 200)->lock.kind, VH_BLOCKED_IO);
	close_image(t);
	/* in_iowait alone; and RCU. */
	t = open_image(ALL_TYPES, "u64 ffff888000004f08 ffffffff81000010\n"
				  "u8 ffff888000001488 1\n"
				  "u64 ffff888000006f08 ffffffff81000710\n");
	assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
	assert_int_equal(task(t, 100)->lock.kind, VH_BLOCKED_IO);
	assert_int_equal(task(t, 200)->lock.kind, VH_BLOCKED_RCU);
	close_image(t);
}

/* What the callers tell. What serves files to others waits for its own disk; a client's functions
 * alone tell of a server.
 */
static void test_by_callers(void **state)
{
	static const struct {
		const char *module, *caller;
		enum vh_blocked_on kind;
	} rows[] = {
		{NULL, "rpc_wait_bit_killable", VH_BLOCKED_FILE_SERVER},
		{"sunrpc", "__rpc_wait_for_completion_task", VH_BLOCKED_FILE_SERVER},
		{"nfsv4", "update_open_stateid", VH_BLOCKED_FILE_SERVER},
		{"fuse", "request_wait_answer", VH_BLOCKED_FILE_SERVER},
		{NULL, "fuse_simple_request", VH_BLOCKED_FILE_SERVER},
		{"sunrpc", "svc_process", VH_BLOCKED_UNKNOWN},
		{"nfsd", "nfsd_vfs_write", VH_BLOCKED_UNKNOWN},
		{"nfsv4", "nfs4_callback_svc", VH_BLOCKED_UNKNOWN},
		{NULL, "nfs4_callback_compound", VH_BLOCKED_UNKNOWN},
		{"fuse", "fuse_dev_do_read", VH_BLOCKED_UNKNOWN},
		{NULL, "fuse_dev_write", VH_BLOCKED_UNKNOWN},
		/* 4.18, whose callers end in a jump there. */
		{NULL, "_synchronize_rcu_expedited.constprop.65", VH_BLOCKED_RCU},
		{NULL, "_rcu_barrier", VH_BLOCKED_RCU},
	};
	struct task_image *t = open_image(ALL_TYPES, "");
	struct vh_task_table table = {.k = &t->k, .in = t->in};
	struct vh_task_row row = {0};

	(void)state;
	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_frame frames[] = {
			{.kind = VH_FRAME_TOP, .symbol = (char *)"schedule"},
			{.kind = VH_FRAME_CALL, .symbol = (char *)"xlog_wait_on_iclog"},
			{.kind = VH_FRAME_CALL,
				.symbol = (char *)rows[i].caller,
				.module = (char *)rows[i].module},
		};
		struct vh_backtrace stack = {.frames = frames, .n = VH_ARRAY_SIZE(frames)};
		struct vh_task_stack s = {
			.row = &row, .bytes = (const uint8_t *)"", .frames = &stack};
		struct vh_inside_lock lock;

		vh_task_wait(&table, &s, &lock);
		if (lock.kind != rows[i].kind)
			fail_msg("%s: %d", rows[i].caller, (int)lock.kind);
	}
	close_image(t);
}

/* A super block at ...8000, whose second percpu_rw_semaphore keeps a out. */
#define A_WAITS_FOR_SB                                                                             \
	"u64 ffff888000004f08 ffffffff81000510\n"                                                  \
	"u64 ffff888000004f40 0 " TASK_A " 0 ffff888000008090 ffff888000008090\n"                  \
	"u64 ffff888000008090 ffff888000004f58 ffff888000004f58\n"                                 \
	"str ffff888000008010 vda1\n"                                                              \
	"u64 ffff888000008008 ffff888000008200\n"                                                  \
	"u64 ffff888000008200 ffff888000008210\n"                                                  \
	"str ffff888000008210 ext4\n"

static void test_frozen(void **state)
{
	struct task_image *t = open_image(ALL_TYPES, A_WAITS_FOR_SB "u32 ffff888000008030 4\n");

	(void)state;
	assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
	assert_int_equal(task(t, 100)->lock.kind, VH_BLOCKED_FREEZE);
	assert_true(task(t, 100)->lock.gva == 0xffff888000008080);
	assert_string_equal(task(t, 100)->lock.symbol, "vda1 (ext4)");
	close_image(t);
	/* It is not frozen: the semaphore is another. */
	t = open_image(ALL_TYPES, A_WAITS_FOR_SB);
	assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
	assert_int_equal(task(t, 100)->lock.kind, VH_BLOCKED_RWSEM);
	assert_true(task(t, 100)->lock.gva == 0xffff888000008080);
	close_image(t);
}

/* Up to 5.6 a reader that is kept out waits in a rw_semaphore within, so that its innermost frames
 * are those of any other one. */
static void test_frozen_before_5_7(void **state)
{
	vh_auto_free char *types = vh_strdup(ALL_TYPES);
	char *member = strstr(types, "8 waiters @wait_queue_head\n");

	(void)state;
	memcpy(member, "8 rw_sem @rw_semaphore    \n", strlen("8 waiters @wait_queue_head\n"));
	struct task_image *t = open_image(types,
		A_WAITS_FOR_SB "symbol __percpu_down_read ffffffff81000800 T\n"
			       "u32 ffff888000008030 4\n"
			       "u64 ffff888000004f08 ffffffff81000210 ffffffff81000810\n"
			       "u64 ffff888000004f40 ffff8880000080a0 ffff8880000080a0 " TASK_A "\n"
			       "u64 ffff8880000080a0 ffff888000004f40 ffff888000004f40\n"
			       "u64 ffff888000004f00 ffff888000004fa0\n"
			       "u64 ffff888000004fa0 0 ffffffff81000810\n");

	assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
	assert_string_equal(task(t, 100)->stack.frames[1].symbol, "__percpu_down_read");
	assert_int_equal(task(t, 100)->lock.kind, VH_BLOCKED_FREEZE);
	assert_true(task(t, 100)->lock.gva == 0xffff888000008080);
	assert_string_equal(task(t, 100)->lock.symbol, "vda1 (ext4)");
	close_image(t);
}

/* What is runnable waits for a CPU, whatever it waited for before: a mutex that is handed over is
 * its own by then, and no deadlock. */
static void test_handed_over(void **state)
{
	static const char *const images[] = {
		/* b has been woken; b has not been woken yet, but the lock bears its name (PICKUP).
		 */
		"u64 ffff888000001800 0\n"
		"u64 ffffffff82000400 ffff888000001805\n",
		"u64 ffffffff82000400 ffff888000001805\n",
	};
	int64_t pids[4];

	(void)state;
	for (size_t i = 0; i < VH_ARRAY_SIZE(images); i++) {
		struct task_image *t = open_image(ALL_TYPES, images[i]);

		assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
		assert_int_equal(task(t, 200)->lock.holder_pid, -1);
		assert_int_equal(
			task(t, 200)->lock.kind, i ? VH_BLOCKED_MUTEX : VH_BLOCKED_UNKNOWN);
		assert_true(task(t, 200)->stack.n > 0);
		assert_int_equal(task(t, 100)->lock.holder_pid, 200);
		assert_int_equal(vh_inside_deadlock(t->in, pids, 4), 0);
		close_image(t);
	}
	/* Whoever takes a mutex twice waits for itself. */
	struct task_image *t = open_image(ALL_TYPES, "u64 ffffffff82000400 ffff888000001801\n");

	assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
	assert_int_equal(task(t, 200)->lock.holder_pid, 200);
	assert_int_equal(vh_inside_deadlock(t->in, pids, 4), 1);
	close_image(t);
}

static void test_lying_list(void **state)
{
	static const struct {
		const char *lie, *note;
		size_t n;
	} rows[] = {
		{"u64 ffff888000001410 " TASK_1 "\n", "cannot be read", 4},
		{"u64 ffff888000001410 ffff888000001010\n", "leads back into itself", 4},
		{"u64 ffff888000001410 0\n", "cannot be read", 4},
		{"u64 ffff888000001410 1234567890123\n", "no task", 4},
		{"u64 ffff888000001410 ffffc90000000010\n", "cannot be read", 4},
		{"u32 ffff888000001820 ffffffff\n", "no task", 4},
		/* Threads that never lead back, and one that is not mapped. */
		{"u64 ffff888000001628 ffff888000001628\n", "of 1 processes breaks", 5},
		{"u64 ffff888000001428 ffffc90000000000\n", "of 1 processes breaks", 4},
		{"u64 ffff888000001438 ffffc90000000000\n", "of 1 processes breaks", 5},
	};

	(void)state;
	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct task_image *t = open_image(ALL_TYPES, rows[i].lie);

		assert_int_equal(vh_tasks_read(&t->k, t->in), 0);
		if (t->in->n_tasks != rows[i].n || (i && !has_note(t, rows[i].note)))
			fail_msg("%s: %zu tasks, %s", rows[i].lie, t->in->n_tasks,
				t->in->n_notes ? t->in->notes[0] : "no note");
		close_image(t);
	}
}

static void test_nothing_to_read(void **state)
{
	struct task_image *t = open_image("struct other 8\n0 a 8\n", "");

	(void)state;
	assert_true(vh_tasks_read(&t->k, t->in) < 0);
	assert_false(t->in->has_tasks);
	assert_true(t->in->n_notes > 0);
	close_image(t);
	t = open_image(NULL, "");
	assert_true(vh_tasks_read(&t->k, t->in) < 0);
	assert_true(has_note(t, "no BTF"));
	close_image(t);
}

static void test_vcpus(void **state)
{
	struct task_image *t = open_image(ALL_TYPES, "");

	(void)state;
	for (int i = 0; i < 3; i++)
		VH_PUSH(t->in->vcpus, t->in->n_vcpus) = (struct vh_inside_vcpu){
			.index = i, .pid = -1, .tgid = -1, .nr_running = -1, .clock_lag_ns = -1};
	vh_tasks_of_vcpus(&t->k, t->in);
	assert_int_equal(t->in->vcpus[0].pid, 1);
	assert_int_equal(t->in->vcpus[0].tgid, 1);
	assert_string_equal(t->in->vcpus[0].comm, "init");
	assert_int_equal(t->in->vcpus[0].nr_running, 3);
	assert_int_equal(t->in->vcpus[0].clock_lag_ns, 0);
	assert_int_equal(t->in->vcpus[1].pid, 0);
	assert_string_equal(t->in->vcpus[1].comm, "swapper/0");
	assert_int_equal(t->in->vcpus[1].clock_lag_ns, 0x1000000000);
	/* The kernel knows of no third one. */
	assert_int_equal(t->in->vcpus[2].pid, -1);
	assert_null(t->in->vcpus[2].comm);
	assert_int_equal(t->in->vcpus[2].nr_running, -1);
	close_image(t);
}

static void set_top(struct vh_inside_vcpu *v, const char *symbol)
{
	v->stack.frames = vh_alloc(sizeof(*v->stack.frames));
	v->stack.n = 1;
	v->stack.frames[0] = (struct vh_frame){.kind = VH_FRAME_TOP, .symbol = vh_strdup(symbol)};
}

static void test_spin(void **state)
{
	struct task_image *t = open_image(ALL_TYPES, "u32 ffffffff82000440 101 0 3\n");
	struct vh_inside_vcpu v = {.lock = {.holder_pid = -1}};
	struct vh_registers r = {.rdi = 0xffffffff82000440, .rbx = 0xffffffff82000448};

	(void)state;
	set_top(&v, "native_queued_spin_lock_slowpath");
	vh_tasks_spin(&t->k, &r, &v);
	assert_int_equal(v.lock.kind, VH_BLOCKED_SPINLOCK);
	assert_true(v.lock.gva == 0xffffffff82000440);
	assert_string_equal(v.lock.symbol, "third");
	assert_int_equal(v.lock.holder_pid, -1);
	/* RDI is of something else: RBX points to the only lock that is taken. */
	r.rdi = 2;
	vh_tasks_spin(&t->k, &r, &v);
	assert_true(v.lock.gva == 0xffffffff82000448);
	/* Of two it is not known which. */
	r.r[4] = 0xffffffff82000440;
	vh_tasks_spin(&t->k, &r, &v);
	assert_int_equal(v.lock.kind, VH_BLOCKED_SPINLOCK);
	assert_true(v.lock.gva == 0);
	assert_null(v.lock.symbol);
	vh_backtrace_free(&v.stack);

	v.lock = (struct vh_inside_lock){.holder_pid = -1};
	set_top(&v, "_raw_spin_unlock_irqrestore");
	vh_tasks_spin(&t->k, &r, &v);
	assert_int_equal(v.lock.kind, VH_BLOCKED_UNKNOWN);
	vh_backtrace_free(&v.stack);
	close_image(t);
}

/* A paravirtual guest's vCPU that waits for a lock is halted in kvm_wait(), with RDI at what it
 * waits to change: the lock itself, or, behind others in the queue, its own node of that. */
static void test_halted_spin(void **state)
{
	struct task_image *t = open_image(ALL_TYPES, "symbol qnodes ffffffff82000b00 d\n"
						     "u32 ffffffff82000c14 1\n"
						     "u32 ffffffff82000440 3 0 101\n");
	struct vh_inside_vcpu v = {.halted = true, .lock = {.holder_pid = -1}};
	struct vh_registers r = {.rdi = 0xffffffff82000440};

	(void)state;
	set_top(&v, "kvm_wait");
	vh_tasks_spin(&t->k, &r, &v);
	assert_int_equal(v.lock.kind, VH_BLOCKED_UNKNOWN);
	vh_backtrace_free(&v.stack);

	set_top(&v, "__pv_queued_spin_lock_slowpath");
	vh_tasks_spin(&t->k, &r, &v);
	assert_int_equal(v.lock.kind, VH_BLOCKED_SPINLOCK);
	assert_true(v.lock.gva == 0xffffffff82000440);
	/* CPU 1's node, whose state is 1; RBX is the lock. */
	r.rdi = 0xffffffff82000c14;
	r.rbx = 0xffffffff82000448;
	vh_tasks_spin(&t->k, &r, &v);
	assert_true(v.lock.gva == 0xffffffff82000448);
	vh_backtrace_free(&v.stack);
	free(v.lock.symbol);
	close_image(t);
}

/* --- Mappings ------------------------------------------------------------------------------------
 */

/* vm_area_structs at ...7200 (a file), ...7280 (none); a file in /usr/bin, where /usr is mounted.
 */
#define AREAS                                                                                      \
	"u64 ffff888000007200 400000 500000 ffff888000007300 2\n"                                  \
	"u64 ffff888000007280 7ff000 800000 0 0\n"                                                 \
	"u64 ffff888000007310 ffff888000007350 ffff888000007400\n"                                 \
	"u64 ffff888000007340 ffff888000007380 ffff888000007460 ffff888000007440\n"                \
	"u64 ffff888000007380 ffff888000007380 ffff888000007480 ffff888000007480\n"                \
	"u64 ffff888000007400 ffff888000007420 0 ffff888000007500\n"                               \
	"u64 ffff888000007420 ffff888000007440 0 ffff888000007510\n"                               \
	"u64 ffff888000007440 ffff888000007440 0 ffff888000007520\n"                               \
	"u64 ffff888000007460 ffff888000007480 0 ffff888000007530\n"                               \
	"u64 ffff888000007480 ffff888000007480 0 ffff888000007520\n"                               \
	"str ffff888000007500 prog\n"                                                              \
	"str ffff888000007510 bin\n"                                                               \
	"str ffff888000007520 /\n"                                                                 \
	"str ffff888000007530 usr\n"

static void check_mapping(struct task_image *t, uint64_t rip, const char *mapping, uint64_t offset)
{
	struct vh_inside_vcpu v = {.cpl = 3, .rip = rip};

	vh_tasks_mapping(&t->k, &v);
	if (!mapping)
		assert_null(v.mapping);
	else
		assert_string_equal(v.mapping, mapping);
	assert_true(v.mapping_offset == offset);
	free(v.mapping);
}

static void test_maple(void **state)
{
	/* The root, a node of arange_64; below it a leaf. */
	struct task_image *t = open_image(ALL_TYPES,
		AREAS "u64 ffff888000007008 ffff88800000701a 7ff000 600000 700000\n"
		      "map ffff888000010000 10000 1000 w\n"
		      "u64 ffff888000007008 ffff88800001001a\n"
		      "u64 ffff888000010008 ffffff 0\n"
		      "u64 ffff888000010050 ffff88800001010c\n"
		      "u64 ffff888000010108 3fffff 4fffff 7fefff 7fffff 0\n"
		      "u64 ffff888000010180 0 ffff888000007200 0 ffff888000007280\n");

	(void)state;
	check_mapping(t, 0x412345, "/usr/bin/prog", 0x14345);
	check_mapping(t, 0x7ff010, "[stack]", 0x10);
	check_mapping(t, 0x3fffff, NULL, 0);
	check_mapping(t, 0x500000, NULL, 0);
	check_mapping(t, 0x12345678, NULL, 0);
	check_mapping(t, UINT64_C(0xffffffffff600400), "[vsyscall]", 0x400);
	close_image(t);
	/* A root that leads to itself for ever. */
	t = open_image(ALL_TYPES, "u64 ffff888000007008 ffff88800000701a\n"
				  "u64 ffff888000007050 ffff88800000701a\n");
	check_mapping(t, 0x412345, NULL, 0);
	close_image(t);
	/* One mapping alone is the root. */
	t = open_image(ALL_TYPES, AREAS "u64 ffff888000007008 ffff888000007280\n");
	check_mapping(t, 0x7ff010, "[anon]", 0x10);
	close_image(t);
}

static void test_rb(void **state)
{
	static const char types[] = TASK_TYPES LOCK_TYPES MEMORY_TYPES RB_TYPES;
	struct task_image *t = open_image(types, AREAS "u64 ffff888000007000 ffff8880000072a0\n"
						       "u64 ffff8880000072b0 ffff888000007220\n");

	(void)state;
	check_mapping(t, 0x412345, "/usr/bin/prog", 0x14345);
	check_mapping(t, 0x7ff010, "[anon]", 0x10);
	check_mapping(t, 0x100, NULL, 0);
	close_image(t);
	/* A node that is its own child. */
	t = open_image(types, AREAS "u64 ffff888000007000 ffff8880000072a0\n"
				    "u64 ffff8880000072b0 ffff8880000072a0\n");
	check_mapping(t, 0x412345, NULL, 0);
	close_image(t);
	/* A dentry that is its grandparent's parent: the path ends. */
	t = open_image(types, AREAS "u64 ffff888000007000 ffff888000007220\n"
				    "u64 ffff888000007440 ffff888000007400\n"
				    "u64 ffff888000007340 ffff888000007340 0 0\n");
	struct vh_inside_vcpu v = {.cpl = 3, .rip = 0x412345};

	vh_tasks_mapping(&t->k, &v);
	assert_non_null(v.mapping);
	free(v.mapping);
	close_image(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_mutexes),
		cmocka_unit_test(test_no_frames),
		cmocka_unit_test(test_several_waiters),
		cmocka_unit_test(test_rwsem),
		cmocka_unit_test(test_rwsem_without_frames),
		cmocka_unit_test(test_rwsem_without_types),
		cmocka_unit_test(test_lying_waiters),
		cmocka_unit_test(test_waiters_without_head),
		cmocka_unit_test(test_blocker),
		cmocka_unit_test(test_other_waits),
		cmocka_unit_test(test_by_callers),
		cmocka_unit_test(test_frozen),
		cmocka_unit_test(test_frozen_before_5_7),
		cmocka_unit_test(test_handed_over),
		cmocka_unit_test(test_lying_list),
		cmocka_unit_test(test_nothing_to_read),
		cmocka_unit_test(test_vcpus),
		cmocka_unit_test(test_spin),
		cmocka_unit_test(test_halted_spin),
		cmocka_unit_test(test_maple),
		cmocka_unit_test(test_rb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
