/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Troubles of a guest's Linux, by what it says on its console and what its vCPUs do; and the states
 * in which the same text is old, or says something else. Live VMs: lab/scenarios/kernel.py.
 */
#include "tests/unit/infer/judged.h"

#define IN_KERNEL UINT64_C(0xffffffff81000100)
#define RIP       UINT64_C(0xffffffffc0201030)

enum does { IDLES, PARKED, SPINS, SPINS_IRQS_OFF, WORKS, WORKS_IN_KERNEL };

static void add_vcpu(struct vh_case *c, int v, enum does does)
{
	struct vh_registers r = case_regs_linux(IN_KERNEL, 0, true, true);

	if (does == IDLES || does == PARKED) {
		case_halted_vcpu(c, v, does == IDLES ? 20 : 0);
		r.rflags = does == PARKED ? 2 : r.rflags;
		case_registers(c, v, r);
		look_again(c, v, r, 0);
		return;
	}
	case_busy_vcpu(c, v);
	r = case_regs_linux(does == WORKS ? 0x401000 : RIP, does == WORKS ? 3 : 0,
		does != SPINS_IRQS_OFF, false);
	case_registers(c, v, r);
	look_again(c, v, r, does == WORKS || does == WORKS_IN_KERNEL ? 0x1230 : 0);
}

/* Two vCPUs, and what the guest wrote so many seconds ago. */
static struct vh_case *guest(enum does first, enum does second, const char *text, int64_t age_s)
{
	struct vh_case *c = case_new(2);

	case_main_thread(c);
	add_vcpu(c, 0, first);
	add_vcpu(c, 1, second);
	case_status(c, "running", true);
	struct vh_evidence *e = case_text(c, VH_FIRST, "log.serial", "/s", text);

	vh_evidence_set_number(e, "size", 1000);
	vh_evidence_set_number(e, "age_ns", age_s * VH_NS_PER_S);
	return c;
}

static const struct {
	const char *reason, *cause;
} panics[] = {
	{"VFS: Unable to mount root fs on unknown-block(0,0)", "guest-panic-no-root"},
	{"No working init found.  Try passing init= option to kernel.", "guest-panic-no-init"},
	{"Requested init /sbin/x failed (error -2).", "guest-panic-no-init"},
	{"Attempted to kill init! exitcode=0x0000000b", "guest-panic-init-killed"},
	{"sysrq triggered crash", "guest-panic-requested"},
	{"NMI: Not continuing", "guest-panic-requested"},
	{"Out of memory: compulsory panic_on_oom is enabled", "guest-panic-out-of-memory"},
	{"System is deadlocked on memory", "guest-panic-out-of-memory"},
	{"Fatal exception in interrupt", "guest-panic-oops"},
	{"softlockup: hung tasks", "guest-panic-lockup"},
	{"Hard LOCKUP", "guest-panic-lockup"},
	{"hung_task: blocked tasks", "guest-panic-hung-task"},
	{"Fatal local machine check", "guest-panic-machine-check"},
	{"IO-APIC + timer doesn't work!", "guest-kernel-panic"},
};

static void each_panic_by_its_reason(void **state VH_UNUSED)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(panics); i++) {
		vh_auto_free char *text =
			vh_asprintf("[    9.1] Kernel panic - not syncing: %s\n"
				    "[    9.2] ---[ end Kernel panic - not syncing: %s ]---\n",
				panics[i].reason, panics[i].reason);

		EXPECT(guest(SPINS, PARKED, text, 60), panics[i].cause, DEAD, YES, VH_CERTAIN);
		/* It was started again: a panicked Linux neither idles nor runs programs. */
		EXPECT(guest(IDLES, IDLES, text, 60), "guest-idle", IDLE, NO, VH_CERTAIN);
		EXPECT(guest(WORKS, IDLES, text, 60), "guest-busy", RUNNING, NO, VH_CERTAIN);
	}
}

/* The other CPUs are not started yet, and stand as a panic leaves them: but for where. */
static void a_guest_that_boots_again_is_not_certainly_panicked(void **state VH_UNUSED)
{
	struct vh_case *c = guest(WORKS_IN_KERNEL, IDLES,
		"[ 9.1] Kernel panic - not syncing: sysrq triggered crash\n", 20);
	struct vh_registers waits = case_regs_reset();

	waits.hlt = true;
	case_registers(c, 1, waits);
	look_again(c, 1, waits, 0);
	struct judged j = judge(c);

	assert_true(!j.v->cause || j.v->cause->confidence < VH_CERTAIN);
	drop(&j);
}

static void a_panic_device_tells_and_the_console_says_why(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0, .wchan = "futex_wait_queue"});
	case_status(c, "guest-panicked", false);
	case_text(c, VH_FIRST, "log.serial", "/s",
		"[ 9.1] Kernel panic - not syncing: sysrq triggered crash\n");
	struct judged j = judge(c);

	assert_string_equal(j.v->cause->rule->id, "guest-panicked");
	assert_int_equal(j.v->cause->confidence, VH_CERTAIN);
	assert_non_null(strstr(j.v->headline, "sysrq triggered crash"));
	drop(&j);
}

#define SOFT                                                                                       \
	"[ 100.0] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [kworker/1:2:301]\n"           \
	"[ 100.1] RIP: 0010:spin+0x2c/0x70 [trouble]\n"
#define SOFT_AGAIN "[ 124.0] watchdog: BUG: soft lockup - CPU#1 stuck for 45s! [kworker/1:2:301]\n"

static void a_soft_lockup_is_one_while_the_vcpu_agrees(void **state VH_UNUSED)
{
	EXPECT(guest(IDLES, SPINS, SOFT SOFT_AGAIN, 5), "guest-soft-lockup", SPINNING, YES,
		VH_CERTAIN);
	EXPECT(guest(IDLES, SPINS, SOFT, 5), "guest-soft-lockup", SPINNING, YES, VH_LIKELY);
	/* Somewhere in the kernel. */
	EXPECT(guest(IDLES, WORKS_IN_KERNEL, SOFT SOFT_AGAIN, 5), "guest-soft-lockup", SPINNING,
		YES, VH_LIKELY);
	/* The next report is overdue: it may be another task by now. */
	EXPECT(guest(IDLES, SPINS, SOFT SOFT_AGAIN, 50), "guest-soft-lockup", SPINNING, YES,
		VH_LIKELY);
}

/* Looks that met the handler of an interrupt, where interrupts are off. */
static struct vh_case *interrupted(struct vh_case *c, int looks)
{
	for (int i = 0; i < looks; i++)
		case_registers_in(c, VH_ASKED_AGAIN, 1,
			case_regs_linux(
				UINT64_C(0xffffffff81075920) + 0x1000 * i, 0, false, false));
	return c;
}

static void a_spin_is_interrupted_now_and_then(void **state VH_UNUSED)
{
	const char *text = SOFT SOFT_AGAIN;

	EXPECT(interrupted(guest(IDLES, SPINS, text, 5), 1), "guest-soft-lockup", SPINNING, YES,
		VH_CERTAIN);
	EXPECT(interrupted(guest(IDLES, SPINS, text, 5), 2), "guest-soft-lockup", SPINNING, YES,
		VH_CERTAIN);
	/* More than now and then: it is here and there. */
	EXPECT(interrupted(guest(IDLES, SPINS, text, 5), 3), "guest-soft-lockup", SPINNING, YES,
		VH_LIKELY);
	/* Where it is with interrupts on is no one place. */
	EXPECT(interrupted(guest(IDLES, WORKS_IN_KERNEL, text, 5), 1), "guest-soft-lockup",
		SPINNING, YES, VH_LIKELY);
	struct judged j = judge(interrupted(guest(IDLES, SPINS, text, 5), 1));
	const struct vh_fact *f = vh_fact_of(j.facts, VH_FACT_VCPU_RIP_FIXED, 1);

	assert_non_null(f);
	assert_non_null(strstr(f->text, "6 of 7 looks"));
	assert_null(vh_fact_of(j.facts, VH_FACT_VCPU_RIP_MOVES, 1));
	drop(&j);
}

static void a_soft_lockup_that_is_over_is_none(void **state VH_UNUSED)
{
	/* It was CPU 1, and CPU 1 is at rest, or runs programs. */
	EXPECT(guest(IDLES, IDLES, SOFT SOFT_AGAIN, 2), "guest-idle", IDLE, NO, VH_CERTAIN);
	EXPECT(guest(SPINS, IDLES, SOFT, 2), "unknown", RUNNING, UNKNOWN, 0);
	EXPECT(guest(IDLES, WORKS, SOFT, 2), "guest-busy", RUNNING, NO, VH_CERTAIN);
	/* An hour ago. */
	EXPECT(guest(WORKS, WORKS, SOFT SOFT_AGAIN, 3600), "guest-busy", RUNNING, NO, VH_CERTAIN);
	/* The next report is overdue, and the vCPU works in the kernel, here and there. */
	EXPECT(guest(WORKS, WORKS_IN_KERNEL, SOFT SOFT_AGAIN, 60), "guest-busy", RUNNING, NO,
		VH_CERTAIN);
	struct judged j = judge(guest(IDLES, IDLES, SOFT, 2));

	assert_non_null(vh_fact(j.facts, VH_FACT_TEXT_OVER));
	assert_null(vh_fact(j.facts, VH_FACT_TEXT_LOCKUP));
	drop(&j);
}

static void a_hard_lockup_is_a_vcpu_with_interrupts_off(void **state VH_UNUSED)
{
	/* Nothing detects it in a VM without a performance counter, but those that wait for it. */
	static const char waits[] =
		"[ 100.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [sh:1]\n"
		"[ 100.1] RIP: 0010:smp_call_function_many_cond+0x12c/0x320\n";

	EXPECT(guest(WORKS_IN_KERNEL, SPINS_IRQS_OFF, waits, 5), "guest-hard-lockup", SPINNING, YES,
		VH_CERTAIN);
	EXPECT(guest(IDLES, SPINS_IRQS_OFF,
		       "[ 44.0] NMI watchdog: Watchdog detected hard LOCKUP on cpu 1\n", 5),
		"guest-hard-lockup", SPINNING, YES, VH_CERTAIN);
	EXPECT(guest(IDLES, IDLES, "[ 44.0] NMI watchdog: Watchdog detected hard LOCKUP on cpu 1\n",
		       5),
		"guest-idle", IDLE, NO, VH_CERTAIN);
}

static void an_rcu_stall_needs_a_busy_vcpu(void **state VH_UNUSED)
{
	static const char text[] = "[ 8.0] rcu: INFO: rcu_preempt self-detected stall on CPU\n"
				   "[ 8.0] rcu: \t1-....: (378 ticks this GP) idle=ab8c/1/0x40\n";

	EXPECT(guest(IDLES, SPINS, text, 5), "guest-rcu-stall", SPINNING, YES, VH_LIKELY);
	EXPECT(guest(IDLES, IDLES, text, 5), "guest-idle", IDLE, NO, VH_CERTAIN);
	EXPECT(guest(IDLES, WORKS, text, 600), "guest-busy", RUNNING, NO, VH_CERTAIN);
}

#define TASK(name, stack) "[  242.8] INFO: task " name " blocked for more than 120 seconds.\n" stack
#define ON_DISK                                                                                    \
	"[ 242.8]  __schedule+0x34d/0x9e0\n[ 242.8]  io_schedule+0x42/0x70\n"                      \
	"[ 242.8]  folio_wait_writeback+0x2c/0x80\n"
#define ON_MUTEX                                                                                   \
	"[ 242.8]  __schedule+0x34d/0x9e0\n[ 242.8]  __mutex_lock.constprop.0+0x399/0x700\n"       \
	"[ 242.8]  make_deadlock+0x3f/0x60 [trouble]\n"
#define ON_FREEZE                                                                                  \
	"[ 242.8]  percpu_rwsem_wait+0x112/0x130\n[ 242.8]  __percpu_down_read+0x45/0x60\n"        \
	"[ 242.8]  vfs_write+0x39b/0x3f0\n"
#define ON_NFS "[ 242.8]  io_schedule+0x42/0x70\n[ 242.8]  nfs_wait_on_request+0x3c/0x50 [nfs]\n"

static void tasks_that_wait_by_what_for(void **state VH_UNUSED)
{
	static const struct {
		const char *text, *cause;
	} rows[] = {
		{TASK("dd:77", ON_DISK), "guest-waits-for-storage"},
		{TASK("sh:77", ON_FREEZE), "guest-filesystem-frozen"},
		{TASK("ls:77", ON_NFS), "guest-waits-for-file-server"},
		{TASK("a:77", ON_MUTEX) TASK("b:78", ON_MUTEX), "guest-deadlock"},
		/* The holder of the lock may be at work. */
		{TASK("a:77", ON_MUTEX), "guest-hung-task"},
		/* The holder waits for the disk. */
		{TASK("a:77", ON_MUTEX) TASK("b:78", ON_MUTEX) TASK("dd:79", ON_DISK),
			"guest-waits-for-storage"},
		{TASK("sh:77", ON_MUTEX) TASK("b:78", ON_FREEZE), "guest-filesystem-frozen"},
		/* No stack on the console. */
		{TASK("x:77", ""), "guest-hung-task"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		EXPECT(guest(IDLES, IDLES, rows[i].text, 30), rows[i].cause, BLOCKED, YES,
			VH_LIKELY);
		/* They would have been reported again by now. */
		EXPECT(guest(IDLES, IDLES, rows[i].text, 600), "guest-idle", IDLE, NO, VH_CERTAIN);
	}
}

#define ON_RCU                                                                                     \
	"[ 242.8]  wait_for_completion+0x86/0x160\n[ 242.8]  __wait_rcu_gp+0x12b/0x140\n"          \
	"[ 242.8]  synchronize_rcu+0x71/0xb0\n"

/* Whatever CPU kept it waiting has gone on, where all of them rest. */
static void a_grace_period_ends_where_no_cpu_hangs(void **state VH_UNUSED)
{
	EXPECT(guest(IDLES, IDLES, TASK("kworker/0:0:7", ON_RCU), 3), "guest-idle", IDLE, NO,
		VH_CERTAIN);
	struct judged j = judge(guest(IDLES, SPINS, TASK("kworker/0:0:7", ON_RCU), 3));

	assert_non_null(vh_fact(j.facts, VH_FACT_TEXT_HUNG_TASK));
	assert_int_equal(j.v->hung, VH_HUNG_YES);
	drop(&j);
}

static void no_more_warnings_is_no_sign_of_an_end(void **state VH_UNUSED)
{
	EXPECT(guest(IDLES, IDLES,
		       TASK("x:77", "") "[ 400.0] Future hung task reports are suppressed, see "
					"sysctl kernel.hung_task_warnings\n",
		       3600),
		"guest-hung-task", BLOCKED, YES, VH_LIKELY);
}

#define KILL(n) "[  1" n ".0] Out of memory: Killed process 1" n " (tail) total-vm:5kB\n"

static void one_process_after_another_is_killed(void **state VH_UNUSED)
{
	EXPECT(guest(WORKS, WORKS_IN_KERNEL, KILL("0") KILL("1") KILL("2"), 3),
		"guest-out-of-memory", RUNNING, YES, VH_LIKELY);
	struct judged j = judge(guest(WORKS, WORKS_IN_KERNEL, KILL("0") KILL("1") KILL("2"), 3));

	assert_string_equal(j.v->headline,
		"the guest is out of memory: the guest's kernel killed processes for want of "
		"memory 3 times, last: \"Out of memory: Killed process 12 (tail)\", 3 s ago");
	drop(&j);
	/* One kill, long ago, or within a container's limit. */
	EXPECT(guest(WORKS, IDLES, KILL("0"), 3), "guest-busy", RUNNING, NO, VH_CERTAIN);
	EXPECT(guest(WORKS, IDLES, KILL("0") KILL("1") KILL("2"), 600), "guest-busy", RUNNING, NO,
		VH_CERTAIN);
	/* One a week. */
	EXPECT(guest(WORKS, WORKS_IN_KERNEL,
		       "[600000.0] Out of memory: Killed process 10 (tail) total-vm:5kB\n"
		       "[1200000.0] Out of memory: Killed process 20 (tail) total-vm:5kB\n"
		       "[1800000.0] Out of memory: Killed process 30 (tail) total-vm:5kB\n",
		       3),
		"guest-busy", RUNNING, NO, VH_CERTAIN);
	EXPECT(guest(WORKS, IDLES,
		       "[ 1.0] Memory cgroup out of memory: Killed process 1 (x)\n"
		       "[ 2.0] Memory cgroup out of memory: Killed process 2 (x)\n"
		       "[ 3.0] Memory cgroup out of memory: Killed process 3 (x)\n",
		       3),
		"guest-busy", RUNNING, NO, VH_CERTAIN);
}

static bool is_named(const struct vh_verdict *v, const char *id)
{
	for (size_t i = 0; i < v->n_causes; i++)
		if (strcmp(v->causes[i]->rule->id, id) == 0)
			return true;
	return false;
}

static void a_fault_that_was_survived_is_named_beside(void **state VH_UNUSED)
{
	struct judged j = judge(guest(IDLES, IDLES,
		"[ 2.7] BUG: kernel NULL pointer dereference, address: 0000000000000000\n"
		"[ 2.7] Oops: 0002 [#1] PREEMPT SMP NOPTI\n",
		30));

	assert_string_equal(j.v->cause->rule->id, "guest-idle");
	assert_int_equal(j.v->hung, VH_HUNG_NO);
	assert_true(is_named(j.v, "guest-oops"));
	drop(&j);
}

static void where_a_start_ends(void **state VH_UNUSED)
{
	static const struct {
		const char *text, *cause;
		enum vh_state state;
	} rows[] = {
		{"(initramfs) ", "guest-initramfs-shell", VH_STATE_IDLE},
		{"Entering emergency mode.\ndracut:/# ", "guest-initramfs-shell", VH_STATE_IDLE},
		{"You are in emergency mode.\nGive root password for maintenance\n",
			"guest-emergency-shell", VH_STATE_IDLE},
		{"[ 1.8] Waiting for root device /dev/vda1...\n", "guest-waits-for-root-device",
			VH_STATE_BLOCKED},
		{"systemd[1]: Freezing execution.\n", "guest-init-frozen", VH_STATE_DEAD},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		expect(guest(IDLES, IDLES, rows[i].text, 30), rows[i].cause, rows[i].state,
			VH_HUNG_YES, VH_LIKELY, __LINE__);
		/* It went on. */
		vh_auto_free char *login =
			vh_asprintf("%sa\nb\nc\nd\ne\nf\ng\nh\ni\nweb login: ", rows[i].text);
		struct judged j = judge(guest(IDLES, IDLES, login, 30));

		if (rows[i].state != VH_STATE_DEAD)
			assert_string_equal(j.v->cause->rule->id, "guest-idle");
		drop(&j);
	}
}

#define READ_ONLY                                                                                  \
	"[ 9.0] blk_update_request: I/O error, dev vda, sector 8\n"                                \
	"[ 9.1] EXT4-fs (vda): Remounting filesystem read-only\n"

static void a_read_only_file_system(void **state VH_UNUSED)
{
	struct vh_case *c = guest(IDLES, IDLES, READ_ONLY, 30);

	EXPECT(c, "guest-filesystem-readonly", RUNNING, YES, VH_LIKELY);
	c = guest(IDLES, IDLES, READ_ONLY, 30);
	case_text(c, VH_ASKED, "qmp.query-blockstats", "",
		"[{\"device\": \"virtio0\", \"stats\": {\"rd_operations\": 100, \"wr_operations\": "
		"9, \"failed_wr_operations\": 7, \"idle_time_ns\": 5000000000}}]");
	EXPECT(c, "guest-filesystem-readonly", RUNNING, YES, VH_LIKELY);
	/* Errors alone: guests go on. */
	EXPECT(guest(IDLES, IDLES, "[ 9.0] blk_update_request: I/O error, dev vda, sector 8\n", 30),
		"guest-idle", IDLE, NO, VH_CERTAIN);
	struct judged j = judge(guest(
		IDLES, IDLES, "[ 9.0] blk_update_request: I/O error, dev vda, sector 8\n", 30));

	assert_true(j.v->n_causes > 1);
	assert_string_equal(j.v->causes[1]->rule->id, "guest-io-errors");
	drop(&j);
}

#define CLOCK                                                                                      \
	"[ 9.0] clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as unstable " \
	"because the skew is too large:\n"

static void clock_messages_alone_are_no_hang(void **state VH_UNUSED)
{
	EXPECT(guest(IDLES, IDLES, CLOCK, 5), "guest-idle", IDLE, NO, VH_CERTAIN);
	EXPECT(guest(WORKS, WORKS, CLOCK, 5), "guest-busy", RUNNING, NO, VH_CERTAIN);
	EXPECT(guest(IDLES, IDLES, "[ 9.0] hrtimer: interrupt took 30123456 ns\n", 5), "guest-idle",
		IDLE, NO, VH_CERTAIN);
	/* With a stall, and a vCPU that stays in the kernel, it is one. */
	EXPECT(guest(IDLES, SPINS,
		       CLOCK "[ 9.1] rcu: INFO: rcu_preempt self-detected stall on CPU\n"
			     "[ 9.1] rcu: \t1-....: (378 ticks this GP) idle=ab8c/1/0x40\n",
		       5),
		"guest-clock-trouble", SPINNING, YES, VH_LIKELY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_panic_by_its_reason),
		cmocka_unit_test(a_guest_that_boots_again_is_not_certainly_panicked),
		cmocka_unit_test(a_panic_device_tells_and_the_console_says_why),
		cmocka_unit_test(a_soft_lockup_is_one_while_the_vcpu_agrees),
		cmocka_unit_test(a_spin_is_interrupted_now_and_then),
		cmocka_unit_test(a_soft_lockup_that_is_over_is_none),
		cmocka_unit_test(a_hard_lockup_is_a_vcpu_with_interrupts_off),
		cmocka_unit_test(an_rcu_stall_needs_a_busy_vcpu),
		cmocka_unit_test(tasks_that_wait_by_what_for),
		cmocka_unit_test(a_grace_period_ends_where_no_cpu_hangs),
		cmocka_unit_test(no_more_warnings_is_no_sign_of_an_end),
		cmocka_unit_test(one_process_after_another_is_killed),
		cmocka_unit_test(a_fault_that_was_survived_is_named_beside),
		cmocka_unit_test(where_a_start_ends),
		cmocka_unit_test(a_read_only_file_system),
		cmocka_unit_test(clock_messages_alone_are_no_hang),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
