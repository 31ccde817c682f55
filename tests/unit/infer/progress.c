/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests that boot, that are slow, that idle without halting, whose disks work, or that speak on
 * another console than the one that is looked at: all well. And what looks like them and is not.
 */
#include "tests/unit/infer/judged.h"

#define KERNEL UINT64_C(0xffffffff81000100)
#define LOG    "/var/log/serial"

/* One vCPU that runs all the time, at r, which moves by step from look to look. */
static struct vh_case *runs(struct vh_registers r, uint64_t step)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_status(c, "running", true);
	case_registers(c, 0, r);
	look_again(c, 0, r, step);
	return c;
}

static struct vh_case *idles(void)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_halted_vcpu(c, 0, 20);
	case_status(c, "running", true);
	case_registers(c, 0, case_regs_linux(KERNEL, 0, true, true));
	return c;
}

/* The serial log: text at first, and text and more at the end of the window. */
static void serial_log(struct vh_case *c, const char *text, const char *more)
{
	vh_auto_free char *all = vh_asprintf("%s%s", text, more);
	struct vh_evidence *first = case_text(c, VH_FIRST, "log.serial", LOG, text);

	vh_evidence_set_number(first, "size", (int64_t)strlen(text));
	struct vh_evidence *last = case_text(c, VH_LAST, "log.serial", LOG, all);

	vh_evidence_set_number(last, "size", (int64_t)strlen(all));
}

/* The VM of the case was started at 50 s (casebuild.h). */
static void aged(struct vh_case *c, int seconds)
{
	vh_auto_free char *text = vh_asprintf("%d.25 400.00\n", 50 + seconds);

	case_text(c, VH_ONCE, "host.uptime", "", text);
}

static void block_stats(struct vh_case *c, unsigned first, unsigned again)
{
	unsigned const done[] = {first, again};
	static const enum vh_round rounds[] = {VH_ASKED, VH_ASKED_AGAIN};

	for (size_t i = 0; i < 2; i++) {
		vh_auto_free char *text =
			vh_asprintf("[{\"device\":\"virtio0\",\"stats\":{\"rd_operations\":%u,"
				    "\"wr_operations\":7}}]",
				done[i]);

		case_text(c, rounds[i], "qmp.query-blockstats", "", text);
	}
}

static void a_kernel_that_writes_its_first_lines_boots(void **state VH_UNUSED)
{
	/* Behind each line it waits for its console, interrupts on or off, in one place. */
	struct vh_case *c = runs(case_regs_linux(KERNEL, 0, true, false), 0);

	serial_log(c, "[    0.000000] Linux version 6.1.0\n", "[    1.250000] NET: Registered\n");
	EXPECT(c, "guest-boots", RUNNING, NO, VH_LIKELY);
	c = runs(case_regs_linux(KERNEL, 0, false, false), 0x1230);
	serial_log(c, "[    0.000000] Linux version 6.1.0\n", "[    1.250000] NET: Registered\n");
	EXPECT(c, "guest-boots", RUNNING, NO, VH_LIKELY);
}

/* The kernel's own delay loop: PAUSE, interrupts off, and always the same code. */
static void a_kernel_that_waits_for_its_console_is_no_spin(void **state VH_UNUSED)
{
	for (int on = 0; on <= 1; on++) {
		struct vh_case *c = runs(case_regs_linux(KERNEL, 0, on, false), 0);

		put_code(c, 0, KERNEL, "9090", "f390ffc975fa");
		serial_log(
			c, "[    0.000000] Linux version 6.1.0\n", "[    0.000000] BIOS-e820: x\n");
		EXPECT(c, "guest-boots", RUNNING, NO, VH_LIKELY);
		/* It wrote nothing. */
		c = runs(case_regs_linux(KERNEL, 0, on, false), 0);
		put_code(c, 0, KERNEL, "9090", "f390ffc975fa");
		serial_log(c, "[    0.000000] Linux version 6.1.0\n", "");
		struct judged j = judge(c);

		assert_int_not_equal(j.v->hung, VH_HUNG_NO);
		drop(&j);
		/* In this second: on a loaded host it gets on more slowly. */
		c = runs(case_regs_linux(KERNEL, 0, on, false), 0);
		put_code(c, 0, KERNEL, "9090", "f390ffc975fa");
		aged(c, 15);
		EXPECT(c, "unknown", RUNNING, UNKNOWN, 0);
	}
}

static void who_came_up_or_broke_down_boots_no_more(void **state VH_UNUSED)
{
	static const char *const last[] = {
		"[    9.250000] x\nDebian GNU/Linux 12 web ttyS0\n\nweb login: ",
		"[    9.250000] Kernel panic - not syncing: VFS: Unable to mount root fs\n",
		"[    9.250000] x\n(initramfs) ",
		/* Its first program takes all memory, again and again. */
		"[    9.250000] Out of memory: Killed process 90 (tail) total-vm:5kB\n"
		"[    9.350000] Out of memory: Killed process 91 (tail) total-vm:5kB\n"
		"[    9.450000] Out of memory: Killed process 92 (tail) total-vm:5kB\n",
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(last); i++) {
		struct vh_case *c = runs(case_regs_linux(KERNEL, 0, true, false), 0x1230);

		serial_log(c, "[    0.000000] Linux version 6.1.0\n", last[i]);
		struct judged j = judge(c);

		for (size_t k = 0; k < j.v->n_causes; k++)
			assert_string_not_equal(j.v->causes[k]->rule->id, "guest-boots");
		drop(&j);
	}
	/* What was written before the window says nothing of now, nor does an old kernel. */
	struct vh_case *c = runs(case_regs_linux(KERNEL, 0, true, false), 0x1230);

	serial_log(c, "[    1.250000] NET: Registered\n", "");
	EXPECT(c, "guest-busy", RUNNING, NO, VH_LIKELY);
	c = runs(case_regs_linux(KERNEL, 0, true, false), 0x1230);
	serial_log(c, "", "[ 7201.250000] usb 1-1: new device\n");
	EXPECT(c, "guest-busy", RUNNING, NO, VH_LIKELY);
}

/* A dead loop stays one, whatever was written before it was entered. */
static void a_boot_that_ends_in_a_dead_loop_hangs(void **state VH_UNUSED)
{
	struct vh_registers r = case_regs_linux(KERNEL, 0, false, false);
	struct vh_case *c = runs(r, 0);

	put_code(c, 0, KERNEL, "9090", "f390ebfc");
	serial_log(c, "[    0.000000] Linux version 6.1.0\n", "[    1.250000] NET: Registered\n");
	EXPECT(c, "guest-spins-irqs-off", SPINNING, YES, VH_CERTAIN);
}

static void young_firmware_that_moves_boots(void **state VH_UNUSED)
{
	struct vh_case *c = runs(case_regs_seabios(0xf1234, false, false), 0x1230);

	aged(c, 4);
	EXPECT(c, "guest-boots", RUNNING, NO, VH_LIKELY);
	/* It clears memory, or waits with PAUSE for a moment, or for the other CPUs. */
	c = runs(case_regs_seabios(0xf1234, false, false), 0);
	put_code(c, 0, 0xf1234, "9090", "f390ffc975fa");
	aged(c, 4);
	EXPECT(c, "guest-boots", RUNNING, NO, VH_LIKELY);
	/* A dead loop is one from its first moment. */
	c = runs(case_regs_seabios(0xf1234, false, false), 0);
	put_code(c, 0, 0xf1234, "9090", "f390ebfc");
	aged(c, 4);
	EXPECT(c, "guest-spins-irqs-off", SPINNING, YES, VH_CERTAIN);
	/* No firmware takes that long. */
	c = runs(case_regs_seabios(0xf1234, false, false), 0x1230);
	aged(c, 1000);
	EXPECT(c, "unknown", RUNNING, UNKNOWN, 0);
	/* Nor is it known of whom the age is not known. */
	EXPECT(runs(case_regs_seabios(0xf1234, false, false), 0x1230), "unknown", RUNNING, UNKNOWN,
		0);
}

static void a_disk_that_answers_is_told(void **state VH_UNUSED)
{
	struct vh_case *c = runs(case_regs_linux(KERNEL, 0, true, false), 0x1230);

	block_stats(c, 1000, 1800);
	struct judged j = judge(c);

	assert_string_equal(j.v->cause->rule->id, "guest-disk-busy");
	assert_int_equal(j.v->hung, VH_HUNG_NO);
	assert_non_null(strstr(j.v->headline, "800 requests a second"));
	drop(&j);
	/* A few requests are beside the point; counters that went back are of another drive. */
	c = runs(case_regs_linux(KERNEL, 0, true, false), 0x1230);
	block_stats(c, 1000, 1003);
	EXPECT(c, "guest-busy", RUNNING, NO, VH_LIKELY);
	c = runs(case_regs_linux(KERNEL, 0, true, false), 0x1230);
	block_stats(c, 1000, 3);
	EXPECT(c, "guest-busy", RUNNING, NO, VH_LIKELY);
}

/* Others do their I/O until they need the one that is lost. */
static void a_disk_that_answers_heals_no_dead_loop(void **state VH_UNUSED)
{
	struct vh_case *c = runs(case_regs_linux(KERNEL, 0, false, false), 0);

	put_code(c, 0, KERNEL, "9090", "f390ebfc");
	block_stats(c, 1000, 1800);
	EXPECT(c, "guest-spins-irqs-off", SPINNING, YES, VH_CERTAIN);
}

static void the_idle_loop_that_does_not_halt(void **state VH_UNUSED)
{
	/* pause; mov rax,[rbx]; test al,8; jne: as Linux 6.1 is compiled */
	static const char loop[] = "f390488b03a8087513";
	struct vh_case *c = runs(case_regs_linux(KERNEL, 0, true, false), 0);

	put_code(c, 0, KERNEL, "9090", loop);
	EXPECT(c, "guest-polls-when-idle", RUNNING, NO, VH_LIKELY);
	/* Nobody idles with interrupts off, or behind a lockup. */
	c = runs(case_regs_linux(KERNEL, 0, false, false), 0);
	put_code(c, 0, KERNEL, "9090", loop);
	EXPECT(c, "guest-spins-irqs-off", SPINNING, YES, VH_LIKELY);
	c = runs(case_regs_linux(KERNEL, 0, true, false), 0);
	put_code(c, 0, KERNEL, "9090", loop);
	serial_log(c, "", "[  100.5] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!\n");
	struct judged j = judge(c);

	assert_int_not_equal(j.v->hung, VH_HUNG_NO);
	drop(&j);
	/* Another bit of another word: a lock. */
	c = runs(case_regs_linux(KERNEL, 0, true, false), 0);
	put_code(c, 0, KERNEL, "9090", "f390488b03a8017513");
	EXPECT(c, "unknown", RUNNING, UNKNOWN, 0);
}

/* One CPU waits for another's lock in such a loop, and that one is stuck. */
static void the_holder_of_a_lock_is_looked_at(void **state VH_UNUSED)
{
	struct vh_case *c = runs(case_regs_linux(KERNEL, 0, true, false), 0);
	struct vh_registers stuck = case_regs_linux(KERNEL + 0x4000, 0, false, false);

	put_code(c, 0, KERNEL, "9090", "f390488b03a8087513");
	c->vm->vcpus = 2;
	case_busy_vcpu(c, 1);
	case_registers(c, 1, stuck);
	look_again(c, 1, stuck, 0);
	put_code(c, 1, KERNEL + 0x4000, "9090", "f390803f0075f9");
	struct judged j = judge(c);

	assert_int_not_equal(j.v->hung, VH_HUNG_NO);
	drop(&j);
}

static void a_display_that_shows_old_words(void **state VH_UNUSED)
{
	static const char screen[] = "SeaBIOS (version 1.16.2)\n\nBooting from ROM..\n";
	struct vh_case *c = idles();

	case_text(c, VH_ASKED, "guest.screen", "", screen);
	serial_log(c, "[    0.000000] Linux version 6.1.0\nweb login: ", "");
	EXPECT(c, "guest-on-another-console", IDLE, NO, VH_CERTAIN);
	c = runs(case_regs_linux(KERNEL, 0, true, false), 0x1230);
	case_text(c, VH_ASKED, "guest.screen", "", screen);
	serial_log(c, "", "work\n");
	EXPECT(c, "guest-on-another-console", RUNNING, NO, VH_LIKELY);
	/* Nothing is known of any other console. */
	c = idles();
	case_text(c, VH_ASKED, "guest.screen", "", screen);
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
	/* The firmware is where it stands. */
	c = runs(case_regs_seabios(0xf1234, false, false), 0x1230);
	case_text(c, VH_ASKED, "guest.screen", "", screen);
	serial_log(c, "", "work\n");
	EXPECT(c, "unknown", RUNNING, UNKNOWN, 0);
	/* The display is no reason to be well. */
	c = runs(case_regs_linux(KERNEL, 0, false, false), 0);
	put_code(c, 0, KERNEL, "9090", "f390ebfc");
	case_text(c, VH_ASKED, "guest.screen", "", screen);
	serial_log(c, "[    0.000000] Linux version 6.1.0\n", "");
	EXPECT(c, "guest-spins-irqs-off", SPINNING, YES, VH_CERTAIN);
}

static void a_serial_port_that_is_silent(void **state VH_UNUSED)
{
	struct vh_case *c = idles();

	case_text(c, VH_ASKED, "guest.screen", "", "Debian GNU/Linux 12 web tty1\n\nweb login:\n");
	serial_log(c, "", "");
	EXPECT(c, "guest-on-another-console", IDLE, NO, VH_CERTAIN);
	/* Both speak. */
	c = idles();
	case_text(c, VH_ASKED, "guest.screen", "", "Debian GNU/Linux 12 web tty1\n\nweb login:\n");
	serial_log(c, "web login: ", "");
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
}

/* kdump: the panic stays on the screen, and another kernel is at work. */
static void a_panic_that_another_kernel_came_behind(void **state VH_UNUSED)
{
	static const char panic[] = "[   15.5] Kernel panic - not syncing: sysrq triggered crash";
	vh_auto_free char *log =
		vh_asprintf("[    0.000000] Linux version 6.1.0\n%s\r\n"
			    "[    0.000000] Linux version 6.1.0\nlab: saves the dump\n",
			panic);
	struct vh_case *c = runs(case_regs_linux(KERNEL, 0, true, false), 0x1230);

	case_text(c, VH_ASKED, "guest.screen", "", panic);
	serial_log(c, log, "");
	EXPECT(c, "guest-busy", RUNNING, NO, VH_LIKELY);
	/* Programs run: that kernel did not panic. */
	c = runs(case_regs_linux(0x401000, 3, true, false), 0x1230);
	case_text(c, VH_ASKED, "guest.screen", "", panic);
	EXPECT(c, "guest-busy", RUNNING, NO, VH_CERTAIN);
	/* The last that was heard of it. */
	c = runs(case_regs_linux(KERNEL, 0, true, false), 0x1230);
	case_text(c, VH_ASKED, "guest.screen", "", panic);
	struct judged j = judge(c);

	assert_int_not_equal(j.v->hung, VH_HUNG_NO);
	drop(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kernel_that_writes_its_first_lines_boots),
		cmocka_unit_test(a_kernel_that_waits_for_its_console_is_no_spin),
		cmocka_unit_test(who_came_up_or_broke_down_boots_no_more),
		cmocka_unit_test(a_boot_that_ends_in_a_dead_loop_hangs),
		cmocka_unit_test(young_firmware_that_moves_boots),
		cmocka_unit_test(a_disk_that_answers_is_told),
		cmocka_unit_test(a_disk_that_answers_heals_no_dead_loop),
		cmocka_unit_test(the_idle_loop_that_does_not_halt),
		cmocka_unit_test(the_holder_of_a_lock_is_looked_at),
		cmocka_unit_test(a_display_that_shows_old_words),
		cmocka_unit_test(a_serial_port_that_is_silent),
		cmocka_unit_test(a_panic_that_another_kernel_came_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
