/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a main loop that does not answer waits in, and who holds the lock that it needs. */
#include "tests/unit/infer/judged.h"

#define MAIN_TID   CASE_PID
#define VCPU_TID   (CASE_PID + 10)
#define WORKER_TID (CASE_PID + 50)
#define LOCK       "0x560458889b40"
#define WAITS_LOCK "202 " LOCK " 0x80 0x2 0x0 0x0 0x0 0x7ffe0000 0x7f0000000003\n"
#define TO_STDERR  "1 0x2 0x7f88efffc190 0x57 0x0 0x0 0x73 0x7f88efffbf90 0x7f88f6a0d38f\n"
#define TO_FILE    "20 0x9 0x7fdc3fffe1a0 0x1 0x0 0x0 0x0 0x7fdc3fffe130 0x7fdc466b5e9d\n"
#define NESTED     "271 0x56520309b2c0 0x1 0x0 0x0 0x8 0x0 0x7ffe08665920 0x7f431e93e366\n"

static struct vh_case *main_waits(const char *wchan, const char *syscall, const char *fd)
{
	struct vh_case *c = case_new(1);

	case_thread(c, (struct case_thread){.tid = MAIN_TID,
			       .name = "qemu-system-x86",
			       .wchan = wchan,
			       .syscall = syscall,
			       .fd = fd});
	return c;
}

static void lock_of(struct vh_case *c, pid_t tid, const char *address, pid_t owner)
{
	vh_auto_free char *subject = vh_asprintf("tid:%d", (int)tid);
	vh_auto_free char *text = vh_asprintf("%s 2 %d 0\n", address, (int)owner);

	case_text_always(c, "task.futex", subject, text);
}

static void what_it_waits_for(void **state VH_UNUSED)
{
	static const struct {
		const char *wchan, *syscall, *fd, *cause;
	} rows[] = {
		{"request_wait_answer", "262 0xc 0x7ffe 0x7ffe 0x1000 0x0 0x0 0x7ffe 0x7f00\n",
			"12\t/mnt/fuse/disk", "main-loop-on-storage"},
		{"rpc_wait_bit_killable", "17 0xc 0x7ffe 0x200 0x0 0x0 0x0 0x7ffe 0x7f00\n",
			"12\t/mnt/nfs/disk", "main-loop-on-storage"},
		{"unix_stream_connect", "42 0xf 0x7ffc 0x6e 0x0 0x0 0x0 0x7ffc 0x7f21\n",
			"15\tsocket:[77]", "main-loop-connects"},
		/* wait_woken tells nothing: the call does. */
		{"0", "42 0xf 0x7ffc 0x10 0x0 0x0 0x0 0x7ffc 0x7f21\n", "15\tsocket:[77]",
			"main-loop-connects"},
		{"unix_stream_read_generic", "47 0x9 0x7ffe 0x40000000 0x0 0x0 0x0 0x7f 0x7f\n",
			"9\tsocket:[78]", "main-loop-waits-for-helper"},
		{"pipe_write", TO_STDERR, "2\tpipe:[79]", "vmm-log-not-read"},
		{"do_sys_poll", NESTED, NULL, "main-loop-waits-for-drive"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = main_waits(rows[i].wchan, rows[i].syscall, rows[i].fd);

		case_busy_vcpu(c, 0);
		case_silent_monitor(c);
		EXPECT(c, rows[i].cause, BLOCKED, YES, VH_CERTAIN);
		/* Without the monitor it may still answer. */
		c = main_waits(rows[i].wchan, rows[i].syscall, rows[i].fd);
		c->passive = true;
		case_halted_vcpu(c, 0, 18);
		EXPECT(c, rows[i].cause, BLOCKED, YES, VH_LIKELY);
	}
}

/* Whatever a look meets it in: a main loop that answers does not hang. */
static void a_main_loop_that_answers(void **state VH_UNUSED)
{
	static const char *const calls[] = {NESTED, CASE_POLL,
		"42 0xf 0x7ffc 0x6e 0x0 0x0 0x0 0x7ffc 0x7f21\n",
		"47 0x9 0x7ffe 0x40000000 0x0 0x0 0x0 0x7f 0x7f\n", WAITS_LOCK};

	for (size_t i = 0; i < VH_ARRAY_SIZE(calls); i++) {
		struct vh_case *c = main_waits("0", calls[i], NULL);

		lock_of(c, MAIN_TID, LOCK, VCPU_TID);
		case_halted_vcpu(c, 0, 18);
		case_status(c, "running", true);
		case_registers(c, 0, case_regs_linux(UINT64_C(0xffffffff81a00000), 0, true, true));
		EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
	}
}

/* A vCPU in a device's write to a file on dead storage: it is no page of memory that it waits for,
 * and no reader. */
static struct vh_case *vcpu_holds_lock(const char *wchan, const char *syscall, const char *fd)
{
	struct vh_case *c = main_waits("futex_do_wait", WAITS_LOCK, NULL);

	VH_PUSH(c->vm->serials, c->vm->n_serials) = (struct vh_serial){
		vh_strdup("file"), vh_strdup("/mnt/fuse/console"), vh_strdup("debugcon")};
	lock_of(c, MAIN_TID, LOCK, VCPU_TID);
	case_thread(
		c, (struct case_thread){.vcpu = 0, .wchan = wchan, .syscall = syscall, .fd = fd});
	case_silent_monitor(c);
	return c;
}

static void the_lock_tells_who_holds_it(void **state VH_UNUSED)
{
	struct judged j =
		judge(vcpu_holds_lock("request_wait_answer", TO_FILE, "9\t/mnt/fuse/console"));

	assert_string_equal(j.v->cause->rule->id, "vmm-lock-held");
	assert_int_equal(j.v->cause->confidence, VH_CERTAIN);
	assert_non_null(strstr(j.v->headline, "CPU 0/KVM"));
	assert_non_null(strstr(j.v->headline, "/mnt/fuse/console"));
	drop(&j);
	/* The VMM's own messages. */
	EXPECT(vcpu_holds_lock("anon_pipe_write", TO_STDERR, "2\tpipe:[79]"), "vmm-log-not-read",
		BLOCKED, YES, VH_CERTAIN);
}

/* In a container the lock names the thread by its number there. */
static void a_holder_in_a_container(void **state VH_UNUSED)
{
	struct vh_case *c = vcpu_holds_lock("request_wait_answer", TO_FILE, "9\t/mnt/fuse/console");

	lock_of(c, MAIN_TID, LOCK, 12);
	case_text_always(c, "task.status", "tid:4721",
		"Name:\tx\nNSpid:\t4721\t12\nvoluntary_ctxt_switches:\t5\n"
		"nonvoluntary_ctxt_switches:\t5\n");
	EXPECT(c, "vmm-lock-held", BLOCKED, YES, VH_CERTAIN);
}

static struct vh_case *two_locks(bool monitor_answers)
{
	struct vh_case *c = main_waits(
		"futex_do_wait", "202 0x7f00aa00 0x80 0x2 0x0 0x0 0x0 0x7ffe0000 0x7f03\n", NULL);

	lock_of(c, MAIN_TID, "0x7f00aa00", WORKER_TID);
	case_thread(c, (struct case_thread){.tid = WORKER_TID,
			       .name = "worker",
			       .wchan = "futex_do_wait",
			       .syscall = WAITS_LOCK});
	lock_of(c, WORKER_TID, LOCK, MAIN_TID);
	case_halted_vcpu(c, 0, 18);
	if (monitor_answers)
		case_status(c, "running", true);
	else
		case_silent_monitor(c);
	return c;
}

static void threads_that_wait_for_each_other(void **state VH_UNUSED)
{
	EXPECT(two_locks(false), "vmm-deadlock", BLOCKED, YES, VH_CERTAIN);
	struct judged j = judge(two_locks(true));

	assert_int_not_equal(j.v->hung, VH_HUNG_YES);
	drop(&j);
	/* Held by one that is woken again and again: it gets on. */
	struct vh_case *c = main_waits("futex_do_wait", WAITS_LOCK, NULL);

	lock_of(c, MAIN_TID, LOCK, WORKER_TID);
	case_thread(c, (struct case_thread){.tid = WORKER_TID,
			       .name = "worker",
			       .wchan = "futex_do_wait",
			       .voluntary_per_s = 200,
			       .syscall = WAITS_LOCK});
	lock_of(c, WORKER_TID, LOCK, MAIN_TID);
	case_halted_vcpu(c, 0, 18);
	case_silent_monitor(c);
	EXPECT(c, "vmm-lock-held", BLOCKED, YES, VH_CERTAIN);
}

/* Garbage where the lock should be, as a condition variable has it. */
static void what_is_no_lock_has_no_holder(void **state VH_UNUSED)
{
	static const char *const garbage[] = {"", "x", "0x10 2\n", "0x10 0 4721 0\n",
		"0x10 2 99999999999999999999 0\n", "0x10 2 -1 0\n", "0x10 2 4711 0\n",
		"0x10 2 7 0\n"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(garbage); i++) {
		struct vh_case *c = main_waits("futex_do_wait", WAITS_LOCK, NULL);

		case_text_always(c, "task.futex", "tid:4711", garbage[i]);
		case_busy_vcpu(c, 0);
		case_silent_monitor(c);
		EXPECT(c, "vmm-main-loop-blocked", BLOCKED, YES, VH_LIKELY);
	}
}

static struct vh_case *main_runs(double run, double wait)
{
	struct vh_case *c = case_new(1);

	case_thread(c, (struct case_thread){.tid = MAIN_TID,
			       .name = "qemu-system-x86",
			       .state = 'R',
			       .run = run,
			       .wait = wait,
			       .syscall = "running\n"});
	case_halted_vcpu(c, 0, 18);
	return c;
}

static void a_main_loop_that_runs_and_runs(void **state VH_UNUSED)
{
	struct vh_case *c = main_runs(0.99, 0);

	case_silent_monitor(c);
	EXPECT(c, "vmm-main-loop-spins", SPINNING, YES, VH_CERTAIN);
	c = main_runs(0.5, 0.49);
	case_silent_monitor(c);
	EXPECT(c, "vmm-main-loop-spins", SPINNING, YES, VH_CERTAIN);
	/* It gets no CPU, and it has other work but answers. */
	c = main_runs(0.02, 0.97);
	case_silent_monitor(c);
	struct judged j = judge(c);

	assert_string_not_equal(j.v->cause ? j.v->cause->rule->id : "", "vmm-main-loop-spins");
	drop(&j);
	c = main_runs(0.99, 0);
	case_status(c, "running", true);
	case_registers(c, 0, case_regs_linux(UINT64_C(0xffffffff81a00000), 0, true, true));
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
}

/* Stopped from outside, it cannot answer, wherever its threads stood. */
static void a_process_that_is_held_from_outside(void **state VH_UNUSED)
{
	struct vh_case *c = vcpu_holds_lock("request_wait_answer", TO_FILE, "9\t/mnt/fuse/console");

	case_text_always(c, "proc.cgroup", "", "0::/vm\n");
	for (size_t i = 0; i < VH_ARRAY_SIZE(case_looks); i++) {
		case_text(c, case_looks[i], "cgroup.cgroup.freeze", "v2:/vm", "1\n");
		case_text(c, case_looks[i], "cgroup.cgroup.events", "v2:/vm",
			"populated 1\nfrozen 1\n");
	}
	struct judged j = judge(c);

	assert_string_equal(j.v->cause ? j.v->cause->rule->id : "", "cgroup-frozen");
	drop(&j);
}

static void pending(struct vh_case *c, pid_t tid, const char *mask)
{
	vh_auto_free char *subject = vh_asprintf("tid:%d", (int)tid);
	vh_auto_free char *text = vh_asprintf("Name:\tx\nSigPnd:\t%s\nShdPnd:\t0000000000000000\n"
					      "voluntary_ctxt_switches:\t5\n"
					      "nonvoluntary_ctxt_switches:\t5\n",
		mask);

	case_text_always(c, "task.status", subject, text);
}

static struct vh_case *in_the_kernel(char state, const char *mask)
{
	struct vh_case *c = case_new(1);

	case_thread(c, (struct case_thread){.tid = MAIN_TID,
			       .name = "qemu-system-x86",
			       .state = state,
			       .wchan = "request_wait_answer"});
	pending(c, MAIN_TID, mask);
	return c;
}

static void killed_and_not_gone(void **state VH_UNUSED)
{
	EXPECT(in_the_kernel('D', "0000000000000100"), "process-cannot-end", DEAD, YES, VH_CERTAIN);
	/* Not killed: another signal waits, or none; or it may still be on its way. */
	EXPECT(in_the_kernel('D', "0000000000004000"), "main-loop-on-storage", BLOCKED, YES,
		VH_LIKELY);
	EXPECT(in_the_kernel('S', "0000000000000100"), "main-loop-on-storage", BLOCKED, YES,
		VH_LIKELY);
	/* The first thread has ended, and a worker cannot. */
	struct vh_case *c = case_new(1);

	case_thread(
		c, (struct case_thread){.tid = MAIN_TID, .name = "qemu-system-x86", .state = 'Z'});
	case_thread(c, (struct case_thread){.tid = WORKER_TID,
			       .name = "worker",
			       .state = 'D',
			       .wchan = "rpc_wait_bit_killable"});
	EXPECT(c, "process-cannot-end", DEAD, YES, VH_CERTAIN);
	/* A zombie alone has ended. */
	c = case_new(1);
	case_thread(
		c, (struct case_thread){.tid = MAIN_TID, .name = "qemu-system-x86", .state = 'Z'});
	EXPECT(c, "process-ended", DEAD, YES, VH_CERTAIN);
}

static void a_crash_that_is_written_away(void **state VH_UNUSED)
{
	static const struct {
		const char *status, *cause;
	} rows[] = {
		{"Name:\tx\nCoreDumping:\t1\n", "process-dumping-core"},
		{"Name:\tx\nCoreDumping:\t0\n", "guest-idle"},
		{"Name:\tx\n", "guest-idle"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = case_new(1);

		case_main_thread(c);
		case_halted_vcpu(c, 0, 18);
		case_status(c, "running", true);
		case_registers(c, 0, case_regs_linux(UINT64_C(0xffffffff81a00000), 0, true, true));
		case_text_always(c, "proc.status", "", rows[i].status);
		struct judged j = judge(c);

		assert_string_equal(j.v->cause->rule->id, rows[i].cause);
		drop(&j);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_waits_for),
		cmocka_unit_test(a_main_loop_that_answers),
		cmocka_unit_test(the_lock_tells_who_holds_it),
		cmocka_unit_test(a_holder_in_a_container),
		cmocka_unit_test(threads_that_wait_for_each_other),
		cmocka_unit_test(what_is_no_lock_has_no_holder),
		cmocka_unit_test(a_main_loop_that_runs_and_runs),
		cmocka_unit_test(a_process_that_is_held_from_outside),
		cmocka_unit_test(killed_and_not_gone),
		cmocka_unit_test(a_crash_that_is_written_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
