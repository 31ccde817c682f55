/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Troubles of a guest's Linux by its own memory alone, no console: what its vCPUs do agrees, or
 * does not. Live VMs: lab/scenarios/kernel.py.
 */
#include "guest/inside.h"

#include "decode/insight.h"
#include "tests/unit/infer/judged.h"

#define SECOND    VH_NS_PER_S
#define IN_KERNEL UINT64_C(0xffffffff81000100)
#define RIP       UINT64_C(0xffffffffc0201030)

enum does { IDLES, PARKED, SPINS, SPINS_IRQS_OFF, WORKS };

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
	look_again(c, v, r, does == WORKS ? 0x1230 : 0);
}

/* Two vCPUs. */
static struct vh_case *guest(enum does first, enum does second)
{
	struct vh_case *c = case_new(2);

	case_main_thread(c);
	add_vcpu(c, 0, first);
	add_vcpu(c, 1, second);
	case_status(c, "running", true);
	return c;
}

static struct vh_inside *linux_up(int64_t uptime_s)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_LINUX);

	in->stage = VH_STAGE_LINUX_64;
	in->kernel.release = vh_strdup("6.1.0-49-amd64");
	in->kernel.uptime_ns = uptime_s * SECOND;
	in->has_tasks = true;
	return in;
}

static void says(struct vh_inside *in, double at_s, const char *text)
{
	struct vh_inside_record *r = &VH_PUSH(in->dmesg, in->n_dmesg);

	*r = (struct vh_inside_record){.seq = in->n_dmesg - 1,
		.ts_ns = (uint64_t)(at_s * 1e9),
		.level = 4,
		.complete = true,
		.text = vh_strdup(text),
		.n = strlen(text)};
}

/* "a b [module] c": innermost first; a function behind "!" was interrupted. */
static void stack(struct vh_backtrace *b, const char *functions)
{
	struct vh_str rest = vh_str(functions), word;

	while (vh_next_word(&rest, &word)) {
		if (vh_str_starts(word, "[")) {
			b->frames[b->n - 1].module =
				vh_str_dup((struct vh_str){word.s + 1, word.n - 2});
			continue;
		}
		struct vh_frame *f = &VH_PUSH(b->frames, b->n);
		bool interrupted = vh_str_starts(word, "!");

		f->kind = interrupted ? VH_FRAME_INTERRUPT
			  : b->n == 1 ? VH_FRAME_TOP
				      : VH_FRAME_CALL;
		f->ip = IN_KERNEL;
		f->offset = 0x2c;
		f->size = 0x70;
		f->symbol =
			vh_str_dup(interrupted ? (struct vh_str){word.s + 1, word.n - 1} : word);
	}
}

static struct vh_inside_vcpu *vcpu(
	struct vh_inside *in, int64_t pid, bool irqs_on, bool stays, const char *functions)
{
	struct vh_inside_vcpu *v = &VH_PUSH(in->vcpus, in->n_vcpus);

	*v = (struct vh_inside_vcpu){.index = (int)in->n_vcpus - 1,
		.stage = VH_STAGE_LINUX_64,
		.rip = RIP,
		.irqs_on = irqs_on,
		.pid = pid,
		.tgid = pid,
		.comm = vh_strdup(pid ? "insmod" : "swapper/0"),
		.samples = 3,
		.steady = 3,
		.same_rip = stays,
		.same_place = stays,
		.nr_running = 1,
		.clock_lag_ns = 0};
	v->lock.holder_pid = -1;
	stack(&v->stack, functions);
	return v;
}

#define IDLE "default_idle default_idle_call do_idle cpu_startup_entry"

static struct vh_inside_task *task(struct vh_inside *in, int64_t pid, const char *comm, char state,
	double waited_s, const char *functions)
{
	struct vh_inside_task *t = &VH_PUSH(in->tasks, in->n_tasks);

	*t = (struct vh_inside_task){.pid = pid,
		.tgid = pid,
		.comm = vh_strdup(comm),
		.state = state,
		.cpu = 0,
		.waited_ns = (int64_t)(waited_s * 1e9)};
	t->lock.holder_pid = -1;
	stack(&t->stack, functions);
	return t;
}

/* Takes in. */
static struct vh_case *with(struct vh_case *c, struct vh_inside *in)
{
	vh_auto_json struct json_object *o = vh_inside_to_json(in);

	case_text(c, VH_ASKED, "guest.inside", "", json_object_to_json_string(o));
	vh_inside_free(in);
	return c;
}

static bool has_line(const struct judged *j, enum vh_fact_id id, const char *line)
{
	const struct vh_fact *f = vh_fact(j->facts, id);

	for (size_t i = 0; f && i < f->n_lines; i++)
		if (vh_streq(f->lines[i], line))
			return true;
	return false;
}

static void a_panic_without_a_console(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(100);

	says(in, 9.1, "Kernel panic - not syncing: sysrq triggered crash");
	says(in, 9.2, "---[ end Kernel panic - not syncing: sysrq triggered crash ]---");
	vcpu(in, 0, false, true, "stop_this_cpu")->halted = true;
	vcpu(in, 1, true, true, "delay_tsc panic sysrq_handle_crash");
	struct vh_case *c = with(guest(PARKED, SPINS), in);
	struct judged j = judge(c);

	assert_string_equal(j.v->cause->rule->id, "guest-panic-requested");
	assert_int_equal(j.v->cause->confidence, VH_CERTAIN);
	assert_true(has_line(&j, VH_FACT_INSIDE_PANIC,
		"[    9.100000] Kernel panic - not syncing: sysrq triggered crash"));
	assert_true(has_line(&j, VH_FACT_INSIDE_PANIC, "panic+0x2c/0x70"));
	drop(&j);

	/* Its log is lost, and one vCPU is all it has. */
	in = linux_up(100);
	vcpu(in, 1, true, true, "delay_tsc panic sysrq_handle_crash");
	c = case_new(1);
	case_main_thread(c);
	add_vcpu(c, 0, SPINS);
	case_status(c, "running", true);
	EXPECT(with(c, in), "guest-kernel-panic", DEAD, YES, VH_CERTAIN);
}

static void interrupts_off(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(100);

	vcpu(in, 0, true, false, IDLE)->halted = true;
	vcpu(in, 90, false, true, "lock_twice [trouble] do_one_initcall")->clock_lag_ns =
		8 * SECOND;
	struct judged j = judge(with(guest(IDLES, SPINS_IRQS_OFF), in));

	assert_string_equal(j.v->cause->rule->id, "guest-spins-irqs-off");
	assert_int_equal(j.v->cause->confidence, VH_CERTAIN);
	assert_non_null(strstr(j.v->headline, "lock_twice [trouble]"));
	assert_non_null(strstr(j.v->headline, "insmod (pid 90)"));
	assert_true(has_line(&j, VH_FACT_INSIDE_SPIN, "lock_twice+0x2c/0x70 [trouble]"));
	drop(&j);
}

static void a_spin_lock(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(100);
	struct vh_inside_vcpu *v;

	vcpu(in, 0, true, false, IDLE)->halted = true;
	v = vcpu(in, 90, false, true,
		"native_queued_spin_lock_slowpath _raw_spin_lock_irqsave take [trouble]");
	v->clock_lag_ns = 8 * SECOND;
	v->lock.kind = VH_BLOCKED_SPINLOCK;
	v->lock.symbol = vh_strdup("first [trouble]");
	struct judged j = judge(with(guest(IDLES, SPINS_IRQS_OFF), in));

	assert_string_equal(j.v->cause->rule->id, "guest-lock-spin");
	assert_int_equal(j.v->cause->confidence, VH_CERTAIN);
	assert_non_null(strstr(j.v->headline, "first [trouble]"));
	assert_non_null(strstr(j.v->headline, "take [trouble]"));
	drop(&j);

	/* Many that want one lock look alike, for a moment: nothing was seen to last. */
	in = linux_up(100);
	vcpu(in, 0, true, false, IDLE)->halted = true;
	vcpu(in, 90, true, false, "native_queued_spin_lock_slowpath _raw_spin_lock __schedule");
	EXPECT(with(guest(IDLES, WORKS), in), "guest-busy", RUNNING, NO, VH_CERTAIN);
}

/* With paravirtual locks whoever waits is halted, also the idle task in a soft interrupt. */
static void a_halted_lock(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(100);
	struct vh_inside_vcpu *v = vcpu(in, 0, true, true,
		"pv_native_safe_halt kvm_wait __pv_queued_spin_lock_slowpath _raw_spin_lock "
		"net_rx_action __do_softirq !default_idle do_idle");

	v->halted = true;
	assert_int_equal(vh_inside_doing(v), VH_DOING_LOCK);
	v = vcpu(in, 0, true, true, "pv_native_safe_halt default_idle do_idle");
	v->halted = true;
	assert_int_equal(vh_inside_doing(v), VH_DOING_IDLE);
	vh_inside_free(in);
}

/* Its kernel says how long, and its memory where. */
static void a_soft_lockup(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(100);

	says(in, 80, "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [insmod:90]");
	says(in, 80, "RIP: 0010:spin+0x2c/0x70 [trouble]");
	vcpu(in, 0, true, false, IDLE)->halted = true;
	vcpu(in, 90, true, true, "spin [trouble] kthread");
	EXPECT(with(guest(IDLES, SPINS), in), "guest-soft-lockup", SPINNING, YES, VH_CERTAIN);

	/* CPU 0 waits for it, here and there, and was reported as well, and first. */
	in = linux_up(100);
	says(in, 79, "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [migration/0:16]");
	says(in, 80, "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [insmod:90]");
	vcpu(in, 16, true, false, "stop_machine_yield multi_cpu_stop cpu_stopper_thread");
	vcpu(in, 90, true, true, "spin [trouble] kthread");
	struct judged j = judge(with(guest(SPINS, SPINS), in));

	assert_string_equal(j.v->cause->rule->id, "guest-soft-lockup");
	assert_int_equal(j.v->cause->confidence, VH_CERTAIN);
	assert_non_null(strstr(j.v->headline, "vCPU 1 stays in spin [trouble]"));
	drop(&j);

	/* It is over: the CPU idles. */
	in = linux_up(100);
	says(in, 80, "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [insmod:90]");
	vcpu(in, 0, true, false, IDLE)->halted = true;
	vcpu(in, 0, true, false, IDLE)->halted = true;
	EXPECT(with(guest(IDLES, IDLES), in), "guest-idle", IDLE, NO, VH_CERTAIN);
}

#define MUTEX "__schedule schedule schedule_preempt_disabled __mutex_lock.constprop.0 "

static struct vh_inside *two_mutexes(double waited_s)
{
	struct vh_inside *in = linux_up(1000);
	struct vh_inside_task *t;

	vcpu(in, 0, true, false, IDLE)->halted = true;
	vcpu(in, 0, true, false, IDLE)->halted = true;
	t = task(in, 90, "trouble-a", 'D', waited_s, MUTEX "first_then_second [trouble]");
	t->lock = (struct vh_inside_lock){
		VH_BLOCKED_MUTEX, 0x1000, vh_strdup("second [trouble]"), 91, NULL};
	t = task(in, 91, "trouble-b", 'D', waited_s, MUTEX "second_then_first [trouble]");
	t->lock = (struct vh_inside_lock){
		VH_BLOCKED_MUTEX, 0x2000, vh_strdup("first [trouble]"), 90, NULL};
	return in;
}

static void a_deadlock(void **state VH_UNUSED)
{
	struct judged j = judge(with(guest(IDLES, IDLES), two_mutexes(60)));

	assert_string_equal(j.v->cause->rule->id, "guest-deadlock");
	assert_int_equal(j.v->cause->confidence, VH_CERTAIN);
	assert_non_null(strstr(j.v->headline,
		"trouble-a (pid 90) waits for the mutex second [trouble], which trouble-b (pid 91) "
		"holds"));
	assert_true(has_line(
		&j, VH_FACT_INSIDE_DEADLOCK, "trouble-a: first_then_second+0x2c/0x70 [trouble]"));
	drop(&j);

	/* Two that were read at two moments. */
	EXPECT(with(guest(IDLES, IDLES), two_mutexes(0.1)), "guest-idle", IDLE, NO, VH_CERTAIN);
}

static void a_task_that_waits(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(1000);

	vcpu(in, 0, true, false, IDLE)->halted = true;
	vcpu(in, 0, true, false, IDLE)->halted = true;
	task(in, 300, "dd", 'D', 400, "__schedule schedule io_schedule blkdev_read_iter vfs_read");
	struct judged j = judge(with(guest(IDLES, IDLES), in));

	assert_string_equal(j.v->cause->rule->id, "guest-waits-for-storage");
	assert_int_equal(j.v->cause->confidence, VH_CERTAIN);
	assert_non_null(strstr(j.v->headline, "dd (pid 300)"));
	drop(&j);

	/* Not for long; can be killed; a thread of the kernel that its kernel says nothing of. */
	in = linux_up(1000);
	task(in, 300, "dd", 'D', 40, "__schedule schedule io_schedule");
	task(in, 301, "cat", 'D', 400, "__schedule schedule request_wait_answer")->killable = true;
	task(in, 302, "kthing", 'D', 400, "__schedule schedule")->kernel_thread = true;
	EXPECT(with(guest(IDLES, IDLES), in), "guest-idle", IDLE, NO, VH_CERTAIN);
}

/* Who waits for RCU waits for a CPU, here for one that is stuck: that one is to be looked at. */
static void a_victim_of_a_stall(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(200);

	says(in, 190, "rcu: INFO: rcu_preempt self-detected stall on CPU");
	says(in, 190, "RIP: 0010:spin+0x2c/0x70 [trouble]");
	vcpu(in, 0, true, false, IDLE)->halted = true;
	vcpu(in, 90, true, true, "spin [trouble] kthread");
	task(in, 28, "umount", 'D', 150, "__schedule schedule __wait_rcu_gp synchronize_rcu");
	EXPECT(with(guest(IDLES, SPINS), in), "guest-rcu-stall", SPINNING, YES, VH_CERTAIN);

	/* Without one that is stuck, the task itself is all that is known. */
	in = linux_up(200);
	vcpu(in, 0, true, false, IDLE)->halted = true;
	vcpu(in, 0, true, false, IDLE)->halted = true;
	task(in, 28, "umount", 'D', 150, "__schedule schedule __wait_rcu_gp synchronize_rcu");
	EXPECT(with(guest(IDLES, IDLES), in), "guest-hung-task", BLOCKED, YES, VH_CERTAIN);
}

/* Who waits for whom is told, and what the last of them waits for: that is where to look. */
static void a_task_that_waits_for_one_that_waits(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(1000);
	struct vh_inside_task *t;
	struct judged j;

	vcpu(in, 0, true, false, IDLE)->halted = true;
	vcpu(in, 0, true, false, IDLE)->halted = true;
	t = task(in, 90, "ip", 'D', 300, MUTEX "rtnetlink_rcv_msg");
	t->lock = (struct vh_inside_lock){
		VH_BLOCKED_MUTEX, 0x1000, vh_strdup("rtnl_mutex"), 91, vh_strdup("modprobe")};
	task(in, 91, "modprobe", 'D', 200, "__schedule schedule wait_for_completion probe [nic]");
	j = judge(with(guest(IDLES, IDLES), in));
	assert_string_equal(j.v->cause->rule->id, "guest-hung-task");
	assert_string_equal(j.v->headline,
		"a task in the guest hangs: task ip (pid 90) has waited in state D for 300 s: in "
		"rtnetlink_rcv_msg, for the mutex rtnl_mutex, which modprobe (pid 91) holds and "
		"itself waits: in probe [nic], for an event that does not come");
	drop(&j);
}

/* One instruction fills a megabyte: its vCPU is met there whenever it is looked at, and works. */
static void a_vcpu_that_fills_memory(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(1000);
	struct judged j;

	says(in, 970, "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [insmod:90]");
	vcpu(in, 0, true, false, IDLE)->halted = true;
	vcpu(in, 90, true, true, "clear_user_rep_good read_zero vfs_read ksys_read");
	j = judge(with(guest(IDLES, SPINS), in));
	assert_null(vh_fact(j.facts, VH_FACT_INSIDE_SPIN_IRQS_ON));
	assert_true(!j.v->cause || j.v->cause->confidence < VH_CERTAIN);
	drop(&j);

	in = linux_up(1000);
	vcpu(in, 0, true, false, IDLE)->halted = true;
	vcpu(in, 90, true, true, "clear_user_rep_good read_zero vfs_read ksys_read");
	EXPECT(with(guest(IDLES, SPINS), in), "guest-busy", RUNNING, NO, VH_LIKELY);
}

/* A guest that was started a moment ago spins for a while as it comes up, but not without ticks. */
static void a_young_guest_without_ticks(void **state VH_UNUSED)
{
	for (int ticks = 0; ticks < 2; ticks++) {
		struct vh_inside *in = linux_up(15);
		struct vh_case *c = guest(IDLES, SPINS_IRQS_OFF);
		struct judged j;

		case_text(c, VH_ONCE, "host.uptime", "", "65.25 400.00\n");

		vcpu(in, 0, true, false, IDLE)->halted = true;
		vcpu(in, 90, false, true, "spin [trouble] __hrtimer_run_queues")->clock_lag_ns =
			ticks ? 0 : 11 * SECOND;
		j = judge(with(c, in));
		assert_non_null(vh_fact(j.facts, VH_FACT_VM_YOUNG));
		assert_int_equal(j.v->hung, ticks ? VH_HUNG_UNKNOWN : VH_HUNG_YES);
		drop(&j);
	}
}

/* The log says so still; the task list knows better. */
static void a_task_that_came_back(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(160);

	says(in, 125, "INFO: task dd:300 blocked for more than 120 seconds.");
	says(in, 125, " io_schedule+0x42/0x70");
	task(in, 300, "dd", 'S', 1, "__schedule schedule pipe_read");
	EXPECT(with(guest(IDLES, IDLES), in), "guest-idle", IDLE, NO, VH_CERTAIN);
}

#define SUPPRESSED "Future hung task reports are suppressed, see sysctl kernel.hung_task_warnings"

/* It was reported an hour ago, and its kernel will not do so again; now it waits for its disk, as
 * it does a hundred times a second. */
static void a_report_of_an_earlier_wait(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(4000);

	says(in, 400, "INFO: task jbd2/vda1-8:300 blocked for more than 120 seconds.");
	says(in, 400, " io_schedule+0x42/0x70");
	says(in, 400, SUPPRESSED);
	vcpu(in, 0, true, false, IDLE)->halted = true;
	vcpu(in, 0, true, false, IDLE)->halted = true;
	task(in, 300, "jbd2/vda1-8", 'D', 0.05, "__schedule schedule io_schedule");
	EXPECT(with(guest(IDLES, IDLES), in), "guest-idle", IDLE, NO, VH_CERTAIN);

	/* For longer than its kernel calls long where it has told of it, but not since then. */
	in = linux_up(4000);
	says(in, 3980, "INFO: task dd:300 blocked for more than 120 seconds.");
	task(in, 300, "dd", 'D', 15, "__schedule schedule io_schedule");
	EXPECT(with(guest(IDLES, IDLES), in), "guest-idle", IDLE, NO, VH_CERTAIN);

	/* The same wait. */
	in = linux_up(4000);
	says(in, 3980, "INFO: task dd:300 blocked for more than 60 seconds.");
	task(in, 300, "dd", 'D', 90, "__schedule schedule io_schedule");
	EXPECT(with(guest(IDLES, IDLES), in), "guest-waits-for-storage", BLOCKED, YES, VH_CERTAIN);
}

/* Containers that are paused: of 5.10 the stack tells it, of newer ones the state. */
static void who_is_frozen_does_not_hang(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(4000);
	struct vh_inside_task *t;

	task(in, 300, "nginx", 'D', 3600, "__schedule schedule __refrigerator get_signal");
	t = task(in, 301, "nginx", 'D', 3600, "__schedule schedule");
	t->raw = 0x8000;
	EXPECT(with(guest(IDLES, IDLES), in), "guest-idle", IDLE, NO, VH_CERTAIN);
}

/* Of its boot, weeks ago. */
static void a_clock_that_was_replaced(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(4000000);
	struct judged j;

	says(in, 9,
		"clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as "
		"unstable because the skew is too large:");
	vcpu(in, 90, true, true, "spin [trouble] kthread");
	vcpu(in, 0, true, false, IDLE)->halted = true;
	j = judge(with(guest(SPINS, IDLES), in));
	assert_null(vh_fact(j.facts, VH_FACT_TEXT_CLOCK));
	drop(&j);

	in = linux_up(60);
	says(in, 9,
		"clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as "
		"unstable because the skew is too large:");
	j = judge(with(guest(SPINS, IDLES), in));
	assert_non_null(vh_fact(j.facts, VH_FACT_TEXT_CLOCK));
	drop(&j);
}

/* A console shows what earlier kernels wrote, too. */
static void an_earlier_kernel(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(30);
	struct vh_case *c = guest(IDLES, IDLES);
	struct vh_evidence *e = case_text(c, VH_FIRST, "log.serial", "/s",
		"[ 25.0] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [insmod:90]\n");
	struct judged j;

	vh_evidence_set_number(e, "size", 1000);
	vh_evidence_set_number(e, "age_ns", SECOND);
	says(in, 0, "Linux version 6.1.0-49-amd64");
	j = judge(with(c, in));
	assert_null(vh_model_hit(j.model, "soft-lockup"));
	assert_string_equal(j.v->cause->rule->id, "guest-idle");
	drop(&j);
}

static void the_root_device(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(60);

	says(in, 2, "Waiting for root device /dev/vda1...");
	vcpu(in, 0, true, false, IDLE)->halted = true;
	vcpu(in, 0, true, false, IDLE)->halted = true;
	task(in, 1, "swapper/0", 'D', 0,
		"__schedule schedule msleep prepare_namespace kernel_init");
	EXPECT(with(guest(IDLES, IDLES), in), "guest-waits-for-root-device", BLOCKED, YES,
		VH_CERTAIN);
}

static void emergency_mode(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(60);

	task(in, 1, "systemd", 'S', 0, "__schedule schedule ep_poll");
	task(in, 400, "sulogin", 'S', 50, "__schedule schedule n_tty_read");
	EXPECT(with(guest(IDLES, IDLES), in), "guest-emergency-shell", IDLE, YES, VH_CERTAIN);
}

/* What is no Linux, or no JSON, says nothing of a guest that idles. */
static void nothing_found(void **state VH_UNUSED)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_GAVE_UP);
	struct vh_case *c = guest(IDLES, IDLES);

	says(in, 1, "Kernel panic - not syncing: x");
	vh_inside_free(in);
	in = vh_inside_new(VH_INSIDE_GAVE_UP);
	EXPECT(with(guest(IDLES, IDLES), in), "guest-idle", IDLE, NO, VH_CERTAIN);
	case_text(c, VH_ASKED, "guest.inside", "", "{\"schema\":\"vmhang.inside/1\"}");
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
	c = guest(IDLES, IDLES);
	case_text(c, VH_ASKED, "guest.inside", "", "not JSON");
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
}

/* A backtrace that claims a panic while its vCPU runs a program is old, or a lie. */
static void a_lie(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(60);

	vcpu(in, 0, true, false, "delay_tsc panic");
	vcpu(in, 0, true, false, IDLE)->halted = true;
	struct judged j = judge(with(guest(WORKS, IDLES), in));

	assert_false(vh_streq(j.v->cause ? j.v->cause->rule->id : "", "guest-kernel-panic") &&
		     j.v->cause->confidence == VH_CERTAIN);
	drop(&j);
}

static void doing(void **state VH_UNUSED)
{
	struct vh_inside *in = linux_up(1);
	struct vh_inside_vcpu *v;

	v = vcpu(in, 0, false, false, "handle_irq asm_common_interrupt !default_idle do_idle");
	assert_int_equal(vh_inside_doing(v), VH_DOING_KERNEL);
	v = vcpu(in, 0, true, false, IDLE);
	assert_int_equal(vh_inside_doing(v), VH_DOING_IDLE);
	v = vcpu(in, 7, true, true, "csd_lock_wait.cold smp_call_function_many_cond");
	assert_int_equal(vh_inside_doing(v), VH_DOING_IPI);
	v = vcpu(in, 0, false, true, "");
	v->halted = true;
	assert_int_equal(vh_inside_doing(v), VH_DOING_PARKED);
	v = vcpu(in, 0, true, false, "");
	v->cpl = 3;
	assert_false(vh_inside_knows_task(v));
	v = vcpu(in, 7, true, true, "panic [evil]");
	assert_int_equal(vh_inside_doing(v), VH_DOING_ONE_PLACE);
	v = vcpu(in, 7, true, true, "spin");
	v->cpl = 3;
	assert_int_equal(vh_inside_doing(v), VH_DOING_USER);
	vh_inside_free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_panic_without_a_console),
		cmocka_unit_test(interrupts_off),
		cmocka_unit_test(a_spin_lock),
		cmocka_unit_test(a_halted_lock),
		cmocka_unit_test(a_soft_lockup),
		cmocka_unit_test(a_deadlock),
		cmocka_unit_test(a_task_that_waits),
		cmocka_unit_test(a_victim_of_a_stall),
		cmocka_unit_test(a_task_that_waits_for_one_that_waits),
		cmocka_unit_test(a_vcpu_that_fills_memory),
		cmocka_unit_test(a_young_guest_without_ticks),
		cmocka_unit_test(a_task_that_came_back),
		cmocka_unit_test(a_report_of_an_earlier_wait),
		cmocka_unit_test(who_is_frozen_does_not_hang),
		cmocka_unit_test(a_clock_that_was_replaced),
		cmocka_unit_test(an_earlier_kernel),
		cmocka_unit_test(the_root_device),
		cmocka_unit_test(emergency_mode),
		cmocka_unit_test(nothing_found),
		cmocka_unit_test(a_lie),
		cmocka_unit_test(doing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
