/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A case of each cause, and of the states that look like it and are not: from raw evidence through
 * decoding and facts to the verdict. Live VMs in these states are in lab/.
 */
#include "tests/unit/infer/judged.h"

static struct vh_case *spinning(unsigned vcpus, struct vh_registers r, const char *code)
{
	struct vh_case *c = case_new(vcpus);

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	for (unsigned i = 1; i < vcpus; i++)
		case_halted_vcpu(c, (int)i, 0);
	case_status(c, "running", true);
	case_registers(c, 0, r);
	look_again(c, 0, r, 0);
	if (code)
		put_code(c, 0, vh_registers_linear_rip(&r), "9090", code);
	return c;
}

static void spin_with_interrupts_off(void **state VH_UNUSED)
{
	/* pause; jmp to the pause */
	EXPECT(spinning(1, case_regs_real(0xf000, 0x100, false, false), "f390ebfc"),
		"guest-spins-irqs-off", SPINNING, YES, VH_CERTAIN);
	/* A spinlock of Linux: pause; cmp; jne: it could leave, were the lock released. */
	EXPECT(spinning(1, case_regs_linux(UINT64_C(0xffffffff81000100), 0, false, false),
		       "f390803f0075f9"),
		"guest-spins-irqs-off", SPINNING, YES, VH_LIKELY);
}

/* A kernel at its start works with interrupts off, all over the place. */
static void work_with_interrupts_off_is_no_spin(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);
	struct vh_registers r = case_regs_linux(UINT64_C(0xffffffff81000100), 0, false, false);

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_status(c, "running", true);
	case_registers(c, 0, r);
	look_again(c, 0, r, 0x1230);
	EXPECT(c, "unknown", RUNNING, UNKNOWN, 0);
}

/* However many other vCPUs work. */
static struct vh_case *seven_work_beside(const char *code)
{
	struct vh_registers stuck = case_regs_linux(UINT64_C(0xffffffff81000100), 0, false, false);
	struct vh_case *c = spinning(1, stuck, code);

	c->vm->vcpus = 8;
	for (int i = 1; i < 8; i++) {
		struct vh_registers r = case_regs_linux(0x401000, 3, true, false);

		case_busy_vcpu(c, i);
		case_registers(c, i, r);
		look_again(c, i, r, 0x1230);
	}
	return c;
}

static void one_lost_vcpu_of_many_is_a_hang(void **state VH_UNUSED)
{
	EXPECT(seven_work_beside("f390ebfc"), "guest-spins-irqs-off", SPINNING, YES, VH_CERTAIN);
	/* A spinlock. */
	EXPECT(seven_work_beside("f390803f0075f9"), "guest-spins-irqs-off", SPINNING, YES,
		VH_LIKELY);
}

static void firmware_at_work_is_no_spin(void **state VH_UNUSED)
{
	/* in al,dx; test al,1; jz: polls a device */
	EXPECT(spinning(1, case_regs_seabios(0xf1234, false, false), "eca80174fb"), "unknown",
		RUNNING, UNKNOWN, 0);
}

static void spin_with_interrupts_on(void **state VH_UNUSED)
{
	EXPECT(spinning(1, case_regs_real(0xf000, 0x100, true, false), "f390ebfc"),
		"guest-spins-irqs-on", SPINNING, YES, VH_LIKELY);
}

static void a_kernel_that_polls_while_idle_is_not_called_hung(void **state VH_UNUSED)
{
	/* pause; test byte [rdi], 8; je: idle=poll; interrupts are on */
	EXPECT(spinning(1, case_regs_linux(UINT64_C(0xffffffff81000100), 0, true, false),
		       "f390f6070874f9"),
		"guest-polls-when-idle", RUNNING, NO, VH_LIKELY);
	/* pause; cmp byte [rdi], 0; jne: a lock, whose holder may be at work */
	EXPECT(spinning(1, case_regs_linux(UINT64_C(0xffffffff81000100), 0, true, false),
		       "f390803f0075f9"),
		"unknown", RUNNING, UNKNOWN, 0);
}

static void pause_nearby_is_not_a_waiting_loop(void **state VH_UNUSED)
{
	/* cmp [di], eax; jne; add di, 4; jnz: a memory test, and behind it where it stops */
	EXPECT(spinning(1, case_regs_linux(UINT64_C(0xffffffff81000100), 0, false, false),
		       "39077506 4883c704 75f6 f390ebfc"),
		"guest-spins-irqs-off", SPINNING, YES, VH_LIKELY);
	EXPECT(spinning(1, case_regs_seabios(0xf1234, false, false),
		       "39077506 83c704 75f7 f390ebfc"),
		"unknown", RUNNING, UNKNOWN, 0);
}

static void tight_work_is_not_called_hung(void **state VH_UNUSED)
{
	/* rep movsb in the kernel */
	EXPECT(spinning(1, case_regs_linux(UINT64_C(0xffffffff81000100), 0, true, false), "f3a4c3"),
		"unknown", RUNNING, UNKNOWN, 0);
	/* The same in a program is just a busy program. */
	struct judged j = judge(spinning(1, case_regs_linux(0x401000, 3, true, false), "f3a4c3"));

	assert_int_not_equal(j.v->hung, VH_HUNG_YES);
	drop(&j);
}

static void boot_cpu_spins_alone(void **state VH_UNUSED)
{
	struct vh_case *c = spinning(4, case_regs_real(0xf000, 0x100, false, false), "f390ebfc");

	for (int i = 1; i < 4; i++)
		case_registers(c, i, case_regs_reset());
	EXPECT(c, "boot-cpu-spins-aps-never-started", SPINNING, YES, VH_CERTAIN);
	/* SeaBIOS parks them: HLT, interrupts off. That is not "halted for ever". */
	c = spinning(4, case_regs_seabios(0x7c00, false, false), "f390ebfc");
	for (int i = 1; i < 4; i++)
		case_registers(c, i, case_regs_seabios(0xfd09a, false, true));
	EXPECT(c, "boot-cpu-spins-aps-never-started", SPINNING, YES, VH_CERTAIN);
}

static void started_cpus_are_seen(void **state VH_UNUSED)
{
	struct vh_registers locked = case_regs_linux(UINT64_C(0xffffffff81000100), 0, false, false);
	struct vh_case *c = spinning(2, locked, "f390ebfc");

	case_registers(c, 1, case_regs_linux(UINT64_C(0xffffffff81a00000), 0, true, true));
	EXPECT(c, "guest-spins-irqs-off", SPINNING, YES, VH_CERTAIN);
}

static void encrypted_registers_are_not_read(void **state VH_UNUSED)
{
	/* What the dump shows would make a certain spin: it must not count. */
	struct vh_case *c = spinning(1, case_regs_real(0xf000, 0x100, false, false), "f390ebfc");

	c->vm->confidential = VH_CONF_SEV_ES;
	EXPECT(c, "unknown", RUNNING, UNKNOWN, 0);
}

/* Sets what the thread of a vCPU has run since it was created. */
static void set_run_time(struct vh_case *c, int vcpu, const char *schedstat)
{
	vh_auto_free char *subject = vh_asprintf("tid:%d", CASE_PID + 10 + vcpu);

	for (size_t i = 0; i < VH_ARRAY_SIZE(case_looks); i++)
		vh_evidence_set_data(vh_case_find(c, "task.schedstat", subject, case_looks[i]),
			schedstat, strlen(schedstat));
}

/* Of an encrypted guest only the threads tell who was started: an idle CPU of a young guest has run
 * as little as one that never was, but it is woken. */
static void idle_cpus_of_an_encrypted_guest_were_started(void **state VH_UNUSED)
{
	struct vh_case *c;

	for (unsigned wakeups = 0; wakeups <= 10; wakeups += 10) {
		c = case_new(2);
		c->vm->confidential = VH_CONF_SEV_ES;
		case_main_thread(c);
		case_busy_vcpu(c, 0);
		case_halted_vcpu(c, 1, wakeups);
		set_run_time(c, 1, "60000000 0 42\n");
		case_status(c, "running", true);
		struct judged j = judge(c);

		assert_int_equal(vh_fact_count(j.facts, VH_FACT_AP_NEVER_STARTED), !wakeups);
		drop(&j);
	}
}

static void halted_for_ever(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(2);

	case_main_thread(c);
	case_halted_vcpu(c, 0, 0);
	case_halted_vcpu(c, 1, 0);
	case_status(c, "running", true);
	case_registers(c, 0, case_regs_real(0xf000, 0x101, false, true));
	case_registers(c, 1, case_regs_seabios(0xfd09a, false, true));
	EXPECT(c, "guest-halted-forever", DEAD, YES, VH_CERTAIN);
}

static struct vh_case *idle(struct vh_registers r, unsigned wakeups_per_s)
{
	struct vh_case *c = case_new(2);

	case_main_thread(c);
	case_halted_vcpu(c, 0, wakeups_per_s);
	case_halted_vcpu(c, 1, 0);
	case_status(c, "running", true);
	case_registers(c, 0, r);
	case_registers(c, 1, case_regs_seabios(0xfd09a, false, true));
	return c;
}

static void idle_is_healthy(void **state VH_UNUSED)
{
	struct vh_registers linux_idle =
		case_regs_linux(UINT64_C(0xffffffff81a00000), 0, true, true);

	EXPECT(idle(linux_idle, 18), "guest-idle", IDLE, NO, VH_CERTAIN);
	EXPECT(idle(linux_idle, 0), "guest-idle", IDLE, NO, VH_LIKELY);
	EXPECT(idle(case_regs_real(0xf000, 0x200, true, true), 18), "guest-idle", IDLE, NO,
		VH_LIKELY);
	/* The look fell on a wake-up: it sleeps in KVM, but HLT=0 (seen in the nested host). */
	EXPECT(idle(case_regs_real(0xf000, 0x200, true, false), 18), "guest-idle", IDLE, NO,
		VH_LIKELY);
}

static void nothing_to_boot(void **state VH_UNUSED)
{
	struct vh_case *c = idle(case_regs_real(0xf000, 0x200, true, true), 18);

	case_text(c, VH_ASKED, "guest.screen", "",
		"SeaBIOS (version 1.16.2-debian-1.16.2-1)\n\nBooting from Hard Disk...\n"
		"Boot failed: could not read the boot disk\n\nNo bootable device.\n");
	EXPECT(c, "firmware-no-boot-device", IDLE, YES, VH_CERTAIN);
	c = idle(case_regs_real(0xf000, 0x200, true, true), 18);
	case_text(c, VH_ASKED, "guest.screen", "",
		"SeaBIOS (version 1.16.2-debian-1.16.2-1)\n\nNo bootable device.\n");
	EXPECT(c, "firmware-no-boot-device", IDLE, YES, VH_CERTAIN);
}

static void a_prompt_of_grub_is_old_once_linux_runs(void **state VH_UNUSED)
{
	static const char log[] = "GNU GRUB  version 2.06\n\ngrub> \n";
	struct vh_case *c = idle(case_regs_real(0xf000, 0x200, true, true), 18);

	case_text(c, VH_FIRST, "log.serial", "/var/log/serial", log);
	EXPECT(c, "grub-shell", IDLE, YES, VH_LIKELY);
	c = idle(case_regs_linux(UINT64_C(0xffffffff81a00000), 0, true, true), 18);
	case_text(c, VH_FIRST, "log.serial", "/var/log/serial", log);
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
}

static void panic_on_the_console(void **state VH_UNUSED)
{
	struct vh_case *c = idle(case_regs_linux(UINT64_C(0xffffffff81a00000), 0, true, true), 18);
	struct vh_evidence *e;

	e = case_text(c, VH_FIRST, "log.serial", "/var/log/serial",
		"[    0.000000] Linux version 6.1.0\n"
		"[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs\n");
	vh_evidence_set_number(e, "size", 100);
	vh_evidence_set_number(e, "age_ns", VH_NS_PER_S * 60);
	EXPECT(c, "guest-panic-no-root", DEAD, YES, VH_LIKELY);
}

/* The log is kept over a reboot, and a quiet boot writes no banner into it. */
static void a_panic_before_the_login_prompt_is_over(void **state VH_UNUSED)
{
	struct vh_case *c = idle(case_regs_linux(UINT64_C(0xffffffff81a00000), 0, true, true), 18);

	look_again(c, 0, case_regs_linux(UINT64_C(0xffffffff81a00000), 0, true, true), 0);
	case_text(c, VH_FIRST, "log.serial", "/var/log/serial",
		"[   71.2] Kernel panic - not syncing: Fatal exception\n"
		"[   71.3] Rebooting in 10 seconds..\n\nDebian GNU/Linux 12 web ttyS0\n\n"
		"web login: ");
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
}

static void busy_is_healthy(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);
	struct vh_registers r = case_regs_linux(0x401000, 3, true, false);

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_status(c, "running", true);
	case_registers(c, 0, r);
	look_again(c, 0, r, 0x1230);
	EXPECT(c, "guest-busy", RUNNING, NO, VH_CERTAIN);
	/* In the kernel, all over the place. */
	c = case_new(1);
	r = case_regs_linux(UINT64_C(0xffffffff81000100), 0, true, false);
	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_status(c, "running", true);
	case_registers(c, 0, r);
	look_again(c, 0, r, 0x1230);
	EXPECT(c, "guest-busy", RUNNING, NO, VH_LIKELY);
}

static struct vh_case *held(const char *run_state)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_thread(c,
		(struct case_thread){.vcpu = 0, .wchan = "futex_do_wait", .syscall = CASE_FUTEX});
	case_status(c, run_state, false);
	/* HLT with interrupts off: of a held VM that says nothing. */
	case_registers(c, 0, case_regs_real(0xf000, 0x100, false, true));
	return c;
}

static void many_healthy_vcpus_do_not_outvote_a_dead_loop(void **state VH_UNUSED)
{
	struct vh_registers stuck = case_regs_linux(UINT64_C(0xffffffff81000100), 0, false, false);
	struct vh_case *c = spinning(1, stuck, "f390803f0075f9");

	for (int i = 1; i < 8; i++) {
		struct vh_registers r = case_regs_linux(0x401000, 3, true, false);

		case_busy_vcpu(c, i);
		case_registers(c, i, r);
		look_again(c, i, r, 0x1230);
	}
	EXPECT(c, "guest-spins-irqs-off", SPINNING, YES, VH_LIKELY);
}

static void the_vmm_holds_it(void **state VH_UNUSED)
{
	EXPECT(held("paused"), "vm-paused", PAUSED, YES, VH_CERTAIN);
	EXPECT(held("prelaunch"), "never-started", PAUSED, YES, VH_CERTAIN);
	EXPECT(held("inmigrate"), "incoming-migration-waits", PAUSED, YES, VH_CERTAIN);
	EXPECT(held("io-error"), "paused-io-error", PAUSED, YES, VH_CERTAIN);
	EXPECT(held("internal-error"), "vmm-internal-error", DEAD, YES, VH_CERTAIN);
	EXPECT(held("guest-panicked"), "guest-panicked", DEAD, YES, VH_CERTAIN);
	EXPECT(held("a-state-of-the-future"), "vm-paused", PAUSED, YES, VH_CERTAIN);
	/* Halted, then shut down: in order, as far as one can tell. */
	EXPECT(held("shutdown"), "guest-shut-down", DEAD, YES, VH_LIKELY);
}

static void triple_fault(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);
	struct vh_registers r = case_regs_ovmf(0x100080, true, false);

	r.idt_limit = 0;
	c->vm->no_reboot = c->vm->no_shutdown = true;
	case_main_thread(c);
	case_thread(c,
		(struct case_thread){.vcpu = 0, .wchan = "futex_do_wait", .syscall = CASE_FUTEX});
	case_status(c, "shutdown", false);
	case_registers(c, 0, r);
	EXPECT(c, "guest-triple-fault", DEAD, YES, VH_CERTAIN);
}

static void no_space_names_the_drive(void **state VH_UNUSED)
{
	struct vh_case *c = held("io-error");

	case_text(c, VH_ASKED, "qmp.query-block", "",
		"[{\"device\":\"disk0\",\"io-status\":\"nospace\",\"inserted\":{\"file\":\"/t/"
		"d.raw\","
		"\"node-name\":\"#block1\"}}]");
	struct judged j = judge(c);

	assert_non_null(j.v->cause);
	assert_string_equal(j.v->cause->rule->id, "paused-no-space");
	assert_non_null(strstr(j.v->headline, "disk0"));
	assert_non_null(strstr(j.v->headline, "no space left"));
	drop(&j);
}

static void process_is_stopped(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_thread(c, (struct case_thread){.tid = CASE_PID,
			       .name = "qemu-system-x86",
			       .state = 'T',
			       .wchan = "do_signal_stop"});
	case_thread(c, (struct case_thread){.vcpu = 0, .state = 'T', .wchan = "do_signal_stop"});
	EXPECT(c, "process-stopped", STOPPED, YES, VH_CERTAIN);
}

static void debugger_on(bool on_main, struct vh_case *c)
{
	if (on_main)
		case_thread(c, (struct case_thread){.tid = CASE_PID,
				       .name = "qemu-system-x86",
				       .state = 't',
				       .tracer = 99,
				       .wchan = "ptrace_stop"});
	else
		case_main_thread(c);
	if (on_main)
		case_busy_vcpu(c, 0);
	else
		case_thread(
			c, (struct case_thread){
				   .vcpu = 0, .state = 't', .tracer = 99, .wchan = "ptrace_stop"});
}

static void process_is_traced(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	debugger_on(true, c);
	case_silent_monitor(c);
	EXPECT(c, "process-traced", STOPPED, YES, VH_CERTAIN);
	c = case_new(1);
	debugger_on(false, c);
	case_status(c, "running", true);
	EXPECT(c, "process-traced", STOPPED, YES, VH_CERTAIN);
}

/* strace stops threads too, and lets them go: one met so at both looks has gone on in between. */
static void what_a_tracer_only_follows_goes_on(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);
	struct vh_registers r = case_regs_linux(UINT64_C(0xffffffff81a00000), 0, true, true);

	case_thread(c, (struct case_thread){.tid = CASE_PID,
			       .name = "qemu-system-x86",
			       .state = 't',
			       .tracer = 99,
			       .voluntary_per_s = 300,
			       .wchan = "ptrace_stop"});
	case_halted_vcpu(c, 0, 18);
	case_status(c, "running", true);
	case_registers(c, 0, r);
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
}

static void frozen(void **state VH_UNUSED)
{
	/* v2: asleep, and looks idle */
	struct vh_case *c = case_new(1);

	case_thread(c, (struct case_thread){
			       .tid = CASE_PID, .name = "qemu-system-x86", .wchan = "get_signal"});
	case_thread(c, (struct case_thread){.vcpu = 0, .wchan = "get_signal"});
	case_text_always(c, "cgroup.cgroup.freeze", "v2:/vm", "1\n");
	case_text_always(c, "cgroup.cgroup.events", "v2:/vm", "populated 1\nfrozen 1\n");
	EXPECT(c, "cgroup-frozen", STOPPED, YES, VH_CERTAIN);
	/* v1: D, and looks like storage */
	c = case_new(1);
	case_thread(c, (struct case_thread){.tid = CASE_PID,
			       .name = "qemu-system-x86",
			       .state = 'D',
			       .wchan = "__refrigerator"});
	case_thread(c, (struct case_thread){.vcpu = 0, .state = 'D', .wchan = "__refrigerator"});
	case_text_always(c, "cgroup.freezer.state", "v1:freezer:/vm", "FROZEN\n");
	EXPECT(c, "cgroup-frozen", STOPPED, YES, VH_CERTAIN);
}

static struct vh_case *starved(void)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0,
			       .state = 'R',
			       .run = 0.02,
			       .wait = 0.97,
			       .syscall = "running\n"});
	case_status(c, "running", true);
	return c;
}

static void quota_and_rivals(void **state VH_UNUSED)
{
	struct vh_case *c = starved();

	case_text(c, VH_FIRST, "cgroup.cpu.stat", "v2:/vm",
		"usage_usec 1\nnr_periods 100\nnr_throttled 100\nthrottled_usec 1000000\n");
	case_text(c, VH_LAST, "cgroup.cpu.stat", "v2:/vm",
		"usage_usec 1\nnr_periods 110\nnr_throttled 110\nthrottled_usec 1980000\n");
	case_text_always(c, "cgroup.cpu.max", "v2:/vm", "1000 100000\n");
	EXPECT(c, "cpu-quota", STARVED, YES, VH_CERTAIN);
	EXPECT(starved(), "cpu-starved", STARVED, YES, VH_CERTAIN);
}

/* Idle with interrupts on whenever it is looked at, between one triple fault and the next. */
static struct vh_case *idle_with_resets(int n)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_halted_vcpu(c, 0, 700);
	case_status(c, "running", true);
	case_registers(c, 0, case_regs_linux(UINT64_C(0xffffffff81000100), 0, true, true));
	for (int i = 0; i < n; i++)
		case_text(c, VH_ASKED, "qmp.event", "RESET",
			"{\"timestamp\":{\"seconds\":1795359532,\"microseconds\":836338},"
			"\"event\":\"RESET\",\"data\":{\"guest\":true,\"reason\":\"guest-reset\"}"
			"}");
	return c;
}

static void a_guest_that_resets_again_and_again_is_not_called_healthy(void **state VH_UNUSED)
{
	EXPECT(idle_with_resets(11), "guest-reset-loop", RUNNING, YES, VH_CERTAIN);
	EXPECT(idle_with_resets(2), "guest-reset-loop", RUNNING, YES, VH_LIKELY);
	/* Somebody reboots it. */
	EXPECT(idle_with_resets(1), "guest-idle", IDLE, NO, VH_LIKELY);
}

static struct vh_case *idle_with_a_worker_on_fuse(uint64_t switches_per_s)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_halted_vcpu(c, 0, 100);
	case_thread(c, (struct case_thread){.tid = CASE_PID + 30,
			       .name = "worker",
			       .wchan = "request_wait_answer",
			       .voluntary_per_s = switches_per_s,
			       .syscall = "17 0xc 0x7f00 0x200 0x8000 0x0 0x0 0x7f00 0x7f01\n"});
	case_status(c, "running", true);
	case_registers(c, 0, case_regs_linux(UINT64_C(0xffffffff81000100), 0, true, true));
	return c;
}

static void a_guest_whose_disk_hangs_is_not_called_healthy(void **state VH_UNUSED)
{
	struct judged j = judge(idle_with_a_worker_on_fuse(0));

	assert_string_equal(j.v->cause->rule->id, "fuse-backend-stalled");
	assert_int_equal(j.v->hung, VH_HUNG_YES);
	drop(&j);
	/* One request after the other: slow perhaps, but it answers. */
	j = judge(idle_with_a_worker_on_fuse(40));
	assert_string_equal(j.v->cause->rule->id, "guest-idle");
	assert_int_equal(j.v->hung, VH_HUNG_NO);
	drop(&j);
}

/* A guest that a quota slows is healthy, but "at full load" would hide what it suffers from. */
static void a_guest_that_is_slowed_is_told_so(void **state VH_UNUSED)
{
	for (int quota = 0; quota <= 1; quota++) {
		struct vh_case *c = case_new(1);
		struct vh_registers r = case_regs_linux(0x401000, 3, true, false);

		case_main_thread(c);
		case_thread(c, (struct case_thread){.vcpu = 0,
				       .state = 'R',
				       .run = 0.25,
				       .wait = 0.74,
				       .syscall = "running\n"});
		case_status(c, "running", true);
		case_registers(c, 0, r);
		look_again(c, 0, r, 0x1230);
		if (quota) {
			case_text(c, VH_FIRST, "cgroup.cpu.stat", "v2:/vm",
				"nr_periods 100\nnr_throttled 100\nthrottled_usec 1000000\n");
			case_text(c, VH_LAST, "cgroup.cpu.stat", "v2:/vm",
				"nr_periods 110\nnr_throttled 110\nthrottled_usec 1740000\n");
			case_text_always(c, "cgroup.cpu.max", "v2:/vm", "25000 100000\n");
		}
		struct judged j = judge(c);

		assert_string_equal(j.v->cause->rule->id, quota ? "guest-slow" : "guest-busy");
		assert_int_equal(j.v->hung, VH_HUNG_NO);
		assert_non_null(strstr(j.v->headline, "gets only 25 % of a CPU"));
		assert_non_null(strstr(j.v->headline, quota ? "quota" : "other threads"));
		assert_non_null(strstr(j.v->next[0].text, quota ? "quota" : "threads of the host"));
		drop(&j);
	}
}

static void starved_in_a_dead_loop_is_both(void **state VH_UNUSED)
{
	struct vh_case *c = starved();
	struct vh_registers r = case_regs_real(0xf000, 0x100, false, false);

	case_registers(c, 0, r);
	put_code(c, 0, vh_registers_linear_rip(&r), "9090", "f390ebfc");
	struct judged j = judge(c);

	assert_int_equal(j.v->n_causes, 2);
	assert_string_equal(j.v->causes[0]->rule->id, "cpu-starved");
	assert_string_equal(j.v->causes[1]->rule->id, "guest-spins-irqs-off");
	assert_int_equal(j.v->causes[1]->confidence, VH_CERTAIN);
	drop(&j);
}

static void half_a_cpu_is_not_starved(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);
	struct vh_registers r = case_regs_linux(0x401000, 3, true, false);

	case_main_thread(c);
	case_thread(c,
		(struct case_thread){
			.vcpu = 0, .state = 'R', .run = 0.5, .wait = 0.49, .syscall = "running\n"});
	case_status(c, "running", true);
	case_registers(c, 0, r);
	look_again(c, 0, r, 0x1230);
	EXPECT(c, "guest-busy", RUNNING, NO, VH_CERTAIN);
}

static void main_loop_blocked(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_thread(c, (struct case_thread){.tid = CASE_PID,
			       .name = "qemu-system-x86",
			       .wchan = "request_wait_answer",
			       .syscall = "262 0xc 0x7ffe 0x7ffe 0x1000 0x0 0x0 0x7ffe 0x7f00\n",
			       .fd = "12\t/mnt/fuse/disk"});
	case_busy_vcpu(c, 0);
	case_silent_monitor(c);
	EXPECT(c, "main-loop-on-storage", BLOCKED, YES, VH_CERTAIN);
	/* Silent, and nobody knows why. */
	c = case_new(1);
	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_silent_monitor(c);
	EXPECT(c, "vmm-main-loop-blocked", BLOCKED, YES, VH_LIKELY);
}

static void page_that_does_not_come(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0,
			       .wchan = "handle_userfault",
			       .syscall = CASE_KVM_RUN,
			       .stack = "[<0>] handle_userfault+0x1/0x2\n[<0>] "
					"kvm_mmu_page_fault+0x1/0x2\n"});
	case_status(c, "running", true);
	EXPECT(c, "userfault-unserved", BLOCKED, YES, VH_CERTAIN);
}

/* Post-copy goes on: any look meets a vCPU that waits, each time for another page. */
static void pages_that_come_one_by_one(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0,
			       .run = 0.1,
			       .voluntary_per_s = 200,
			       .wchan = "handle_userfault",
			       .syscall = CASE_KVM_RUN});
	case_status(c, "running", true);
	struct judged j = judge(c);

	assert_int_not_equal(j.v->hung, VH_HUNG_YES);
	assert_true(j.v->n_causes > 0);
	drop(&j);
	/* One that comes no more, beside one that is served. */
	c = case_new(2);
	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0,
			       .run = 0.1,
			       .voluntary_per_s = 200,
			       .wchan = "handle_userfault",
			       .syscall = CASE_KVM_RUN});
	case_thread(c, (struct case_thread){
			       .vcpu = 1, .wchan = "handle_userfault", .syscall = CASE_KVM_RUN});
	case_status(c, "running", true);
	EXPECT(c, "vcpu-waits-for-page", BLOCKED, YES, VH_CERTAIN);
}

static void serial_that_nobody_reads(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	VH_PUSH(c->vm->serials, c->vm->n_serials) = (struct vh_serial){
		vh_strdup("pipe"), vh_strdup("/run/fifo"), vh_strdup("debugcon")};
	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0,
			       .run = 0.17,
			       .voluntary_per_s = 7200,
			       .wchan = "hrtimer_nanosleep",
			       .syscall = "230 0x0 0x0 0x7f 0x0 0x0 0x0 0x7f 0x7f\n"});
	case_silent_monitor(c);
	EXPECT(c, "vcpu-blocked-on-serial", BLOCKED, YES, VH_CERTAIN);
}

static void process_gone(void **state VH_UNUSED)
{
	struct vh_case *c = spinning(1, case_regs_real(0xf000, 0x100, false, false), "f390ebfc");

	case_fail(c, VH_AFTER, "proc.tasks", "", VH_ABSENT, 2, "No such file or directory");
	EXPECT(c, "process-ended", DEAD, YES, VH_CERTAIN);
}

static void passive_verdicts(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	c->passive = true;
	case_main_thread(c);
	case_thread(c,
		(struct case_thread){.vcpu = 0, .wchan = "futex_do_wait", .syscall = CASE_FUTEX});
	EXPECT(c, "vm-paused", PAUSED, YES, VH_LIKELY);
	c = case_new(1);
	c->passive = true;
	case_main_thread(c);
	case_halted_vcpu(c, 0, 18);
	EXPECT(c, "guest-idle", IDLE, NO, VH_LIKELY);
	/* Asleep and never woken: idle without a timer, or halted for ever? Registers would tell.
	 */
	c = case_new(1);
	c->passive = true;
	case_main_thread(c);
	case_halted_vcpu(c, 0, 0);
	EXPECT(c, "unknown", IDLE, UNKNOWN, 0);
	/* At full load, and no register to tell work from a spin. */
	c = case_new(1);
	c->passive = true;
	case_main_thread(c);
	case_busy_vcpu(c, 0);
	EXPECT(c, "unknown", RUNNING, UNKNOWN, 0);
}

/* A line in a log, and what libvirt says of a VM that runs, are no trace of these. */
static void a_healthy_vm_has_no_far_fetched_causes(void **state VH_UNUSED)
{
	struct vh_case *c = idle(case_regs_linux(UINT64_C(0xffffffff81a00000), 0, true, true), 18);

	c->vm->libvirt.state = vh_strdup("running");
	c->vm->libvirt.reason = vh_strdup("booted");
	case_text(c, VH_FIRST, "log.qemu", "/var/log/vm.log", "qemu: Could not open x\n");
	struct judged j = judge(c);

	assert_non_null(vh_fact(j.facts, VH_FACT_LOG_VMM_ERROR));
	assert_non_null(vh_fact(j.facts, VH_FACT_LIBVIRT_REASON));
	for (size_t i = 0; i < j.v->n_causes; i++) {
		assert_string_not_equal(j.v->causes[i]->rule->id, "process-ended");
		assert_string_not_equal(j.v->causes[i]->rule->id, "vm-paused");
	}
	drop(&j);
}

static void nothing_seen_is_unknown(void **state VH_UNUSED)
{
	EXPECT(case_new(1), "unknown", UNKNOWN, UNKNOWN, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spin_with_interrupts_off),
		cmocka_unit_test(work_with_interrupts_off_is_no_spin),
		cmocka_unit_test(one_lost_vcpu_of_many_is_a_hang),
		cmocka_unit_test(firmware_at_work_is_no_spin),
		cmocka_unit_test(spin_with_interrupts_on),
		cmocka_unit_test(a_kernel_that_polls_while_idle_is_not_called_hung),
		cmocka_unit_test(pause_nearby_is_not_a_waiting_loop),
		cmocka_unit_test(tight_work_is_not_called_hung),
		cmocka_unit_test(boot_cpu_spins_alone),
		cmocka_unit_test(started_cpus_are_seen),
		cmocka_unit_test(encrypted_registers_are_not_read),
		cmocka_unit_test(idle_cpus_of_an_encrypted_guest_were_started),
		cmocka_unit_test(halted_for_ever),
		cmocka_unit_test(idle_is_healthy),
		cmocka_unit_test(nothing_to_boot),
		cmocka_unit_test(a_prompt_of_grub_is_old_once_linux_runs),
		cmocka_unit_test(panic_on_the_console),
		cmocka_unit_test(a_panic_before_the_login_prompt_is_over),
		cmocka_unit_test(busy_is_healthy),
		cmocka_unit_test(many_healthy_vcpus_do_not_outvote_a_dead_loop),
		cmocka_unit_test(the_vmm_holds_it),
		cmocka_unit_test(triple_fault),
		cmocka_unit_test(no_space_names_the_drive),
		cmocka_unit_test(process_is_stopped),
		cmocka_unit_test(process_is_traced),
		cmocka_unit_test(what_a_tracer_only_follows_goes_on),
		cmocka_unit_test(frozen),
		cmocka_unit_test(quota_and_rivals),
		cmocka_unit_test(a_guest_that_resets_again_and_again_is_not_called_healthy),
		cmocka_unit_test(a_guest_whose_disk_hangs_is_not_called_healthy),
		cmocka_unit_test(a_guest_that_is_slowed_is_told_so),
		cmocka_unit_test(starved_in_a_dead_loop_is_both),
		cmocka_unit_test(half_a_cpu_is_not_starved),
		cmocka_unit_test(main_loop_blocked),
		cmocka_unit_test(page_that_does_not_come),
		cmocka_unit_test(pages_that_come_one_by_one),
		cmocka_unit_test(serial_that_nobody_reads),
		cmocka_unit_test(process_gone),
		cmocka_unit_test(passive_verdicts),
		cmocka_unit_test(a_healthy_vm_has_no_far_fetched_causes),
		cmocka_unit_test(nothing_seen_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
