/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verdicts on firmware and boot loaders, by what they show, and the nearest states that are none.
 */
#include "tests/unit/infer/judged.h"

enum { WAITS = 18 }; /* wake-ups a second of firmware that waits for a key */

static struct vh_case *firmware(bool busy)
{
	struct vh_case *c = case_new(1);
	struct vh_registers r = case_regs_real(0xf000, 0x200, true, !busy);

	case_main_thread(c);
	if (busy)
		case_busy_vcpu(c, 0);
	else
		case_halted_vcpu(c, 0, WAITS);
	case_status(c, "running", true);
	case_registers(c, 0, r);
	if (busy)
		look_again(c, 0, r, 4096);
	return c;
}

static struct vh_case *linux_idle(void)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_halted_vcpu(c, 0, WAITS);
	case_status(c, "running", true);
	case_registers(c, 0, case_regs_linux(UINT64_C(0xffffffff81a00000), 0, true, true));
	return c;
}

static struct vh_case *shows(struct vh_case *c, const char *screen)
{
	case_text(c, VH_ASKED, "guest.screen", "", screen);
	return c;
}

#define MENU                                                                                       \
	"GNU GRUB  version 2.06\n\n *Debian GNU/Linux\n  Windows\n\n"                              \
	"      Use the ^ and v keys to select which entry is highlighted.\n"                       \
	"      Press enter to boot the selected OS, `e' to edit the commands\n"                    \
	"      before booting or `c' for a command-line.\n"
#define COUNTS MENU "   The highlighted entry will be executed automatically in 62s.\n"

static void what_waits_for_a_person(void **state VH_UNUSED)
{
	static const struct {
		const char *screen, *cause;
	} rows[] = {
		{"error: no such partition.\nEntering rescue mode...\ngrub rescue> ",
			"grub-rescue-prompt"},
		{"GNU GRUB  version 2.06\n\ngrub> ", "grub-shell"},
		{MENU, "boot-menu-waits"},
		{"BOOTMGR is missing\nPress Ctrl+Alt+Del to restart\n", "windows-boot-failed"},
		{"error: no such device.\n\nPress any key to continue...", "guest-waits-for-key"},
		{"Enter passphrase for hd0,gpt2 (5e0c): ", "guest-waits-for-passphrase"},
		{"Select boot device:\n\n1. ata0-0: QEMU HARDDISK\n", "firmware-setup-open"},
		{"Missing operating system\n", "boot-sector-finds-no-system"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		EXPECT(shows(firmware(false), rows[i].screen), rows[i].cause, IDLE, YES, VH_LIKELY);
		/* It may still be drawn where an operating system has come up since. */
		EXPECT(shows(linux_idle(), rows[i].screen), "guest-idle", IDLE, NO, VH_CERTAIN);
	}
	/* GRUB polls for a key. */
	EXPECT(shows(firmware(true), rows[0].screen), "grub-rescue-prompt", IDLE, YES, VH_LIKELY);
	EXPECT(shows(firmware(true), rows[2].screen), "boot-menu-waits", IDLE, YES, VH_LIKELY);
}

static void a_menu_that_counts_down_is_well(void **state VH_UNUSED)
{
	EXPECT(shows(firmware(true), COUNTS), "boot-menu-counts-down", RUNNING, NO, VH_LIKELY);
	EXPECT(shows(firmware(false), COUNTS), "boot-menu-counts-down", RUNNING, NO, VH_LIKELY);
	/* On a serial console it must be seen to count: a key ends it without a trace. */
	struct vh_case *c = firmware(true);

	case_text(c, VH_FIRST, "log.serial", "/var/log/s", COUNTS);
	EXPECT(c, "boot-menu-waits", IDLE, YES, VH_LIKELY);
}

static void a_menu_of_long_ago(void **state VH_UNUSED)
{
	/* The booted system speaks elsewhere, and nobody asked the monitor: nothing is said. */
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_halted_vcpu(c, 0, WAITS);
	case_text(c, VH_FIRST, "log.serial", "/var/log/s", MENU);
	struct judged j = judge(c);

	assert_true(!j.v->cause || j.v->cause->rule->hung != VH_HUNG_YES);
	drop(&j);
	/* GRUB said that it leaves the menu. */
	c = firmware(true);
	case_text(c, VH_FIRST, "log.serial", "/var/log/s",
		MENU "  Booting `Debian GNU/Linux'\n\nLoading Linux 6.1.0 ...\n");
	j = judge(c);
	assert_null(vh_fact(j.facts, VH_FACT_TEXT_BOOT_MENU));
	assert_true(!j.v->cause || j.v->cause->rule->hung != VH_HUNG_YES);
	drop(&j);
}

#define TRIED_BOTH                                                                                 \
	"Booting from Hard Disk...\nBoot failed: could not read the boot disk\n\n"                 \
	"Booting from Floppy...\nBoot failed: could not read the boot disk\n\n"
#define STATS                                                                                      \
	"[{\"device\":\"ide0\",\"stats\":{\"rd_operations\":4,\"wr_operations\":0,"                \
	"\"failed_rd_operations\":3,\"failed_wr_operations\":0}}]"

static void a_disk_that_cannot_be_read(void **state VH_UNUSED)
{
	struct vh_case *c = shows(firmware(false), TRIED_BOTH "No bootable device.\n");

	/* SeaBIOS says the same of a disk that is not there. */
	EXPECT(c, "firmware-no-boot-device", IDLE, YES, VH_CERTAIN);
	c = shows(firmware(false), TRIED_BOTH "No bootable device.\n");
	case_text(c, VH_ASKED, "qmp.query-blockstats", "", STATS);
	case_text(c, VH_ASKED_AGAIN, "qmp.query-blockstats", "", STATS);
	EXPECT(c, "boot-disk-unreadable", IDLE, YES, VH_CERTAIN);
	/* Of the floppy alone it says nothing. */
	c = shows(firmware(false),
		"Booting from Floppy...\nBoot failed: could not read the boot disk\n\n"
		"No bootable device.\n");
	case_text(c, VH_ASKED, "qmp.query-blockstats", "", STATS);
	EXPECT(c, "firmware-no-boot-device", IDLE, YES, VH_CERTAIN);
}

static void the_network_does_not_answer(void **state VH_UNUSED)
{
	EXPECT(shows(firmware(false),
		       "Configuring (net0 52:54:00:12:34:56)...... ok\nNothing to boot: No such "
		       "file or directory (http://ipxe.org/2d03e13b)\nNo more network devices\n\n"
		       "No bootable device.\n"),
		"firmware-network-boot", RUNNING, YES, VH_CERTAIN);
	EXPECT(shows(firmware(true),
		       "No configuration methods succeeded (http://ipxe.org/040ee119)\n"
		       "Configuring (net1 52:54:00:12:34:57)...."),
		"firmware-network-boot", RUNNING, YES, VH_LIKELY);
	/* The first attempt: DHCP takes its time. */
	struct judged j = judge(shows(firmware(true), "Configuring (net0 52:54:00:12:34:56)...."));

	assert_true(!j.v->cause || j.v->cause->rule->hung != VH_HUNG_YES);
	drop(&j);
}

#define BOOT  "[    0.000000] Linux version 6.1.0\n[    1.5] Freeing memory\n"
#define PANIC "[    3.42] Kernel panic - not syncing: VFS: Unable to mount root fs\n"
#define AGAIN "[    3.60] ---[ end Kernel panic ]---\n[    3.70] Rebooting in 1 seconds..\n"

static struct vh_case *booting(const char *log)
{
	struct vh_case *c = case_new(1);
	struct vh_registers r = case_regs_linux(UINT64_C(0xffffffff81a00000), 0, true, false);

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_status(c, "running", true);
	case_registers(c, 0, r);
	look_again(c, 0, r, 4096);
	case_text(c, VH_FIRST, "log.serial", "/var/log/s", log);
	return c;
}

static void reboots_again_and_again(void **state VH_UNUSED)
{
	EXPECT(booting(BOOT PANIC AGAIN BOOT PANIC AGAIN BOOT), "guest-reboot-loop", RUNNING, YES,
		VH_LIKELY);
	/* Once is a reboot, and this one may get through. */
	EXPECT(booting(BOOT PANIC AGAIN BOOT), "guest-busy", RUNNING, NO, VH_LIKELY);
	/* An installer reboots twice, on purpose; a server did so after months. */
	EXPECT(booting(BOOT "[   90.0] reboot: Restarting system\n" BOOT
			    "[   95.0] reboot: Restarting system\n" BOOT),
		"guest-busy", RUNNING, NO, VH_LIKELY);
	EXPECT(booting(BOOT "[ 7000.0] reboot: Restarting system\n" BOOT
			    "[ 8000.0] reboot: Restarting system\n" BOOT
			    "[ 9000.0] reboot: Restarting system\n" BOOT),
		"guest-busy", RUNNING, NO, VH_LIKELY);
	/* It got through in the end. */
	struct judged j = judge(booting(
		BOOT PANIC AGAIN BOOT PANIC AGAIN BOOT "[   60.0] systemd[1]: up\nweb login: "));

	assert_null(vh_fact(j.facts, VH_FACT_BOOTS_REPEAT));
	assert_int_equal(j.v->hung, VH_HUNG_NO);
	drop(&j);
}

static void the_firmware_crashed(void **state VH_UNUSED)
{
	static const char report[] =
		"!!!! X64 Exception Type - 06(#UD - Invalid Opcode)  CPU Apic ID - 00000000 !!!!\n"
		"RIP  - 000000000D1C1000, CS  - 0000000000000038, RFLAGS - 0000000000000202\n";
	struct vh_case *c = case_new(1);
	struct vh_registers r = case_regs_ovmf(UINT64_C(0xeb2a1f0), false, false);

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_status(c, "running", true);
	case_registers(c, 0, r);
	look_again(c, 0, r, 2);
	case_text(c, VH_FIRST, "log.serial", "/var/log/s", report);
	EXPECT(c, "firmware-crashed", DEAD, YES, VH_CERTAIN);
	/* Its words are old where an operating system runs. */
	c = linux_idle();
	case_text(c, VH_FIRST, "log.serial", "/var/log/s", report);
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits_for_a_person),
		cmocka_unit_test(a_menu_that_counts_down_is_well),
		cmocka_unit_test(a_menu_of_long_ago),
		cmocka_unit_test(a_disk_that_cannot_be_read),
		cmocka_unit_test(the_network_does_not_answer),
		cmocka_unit_test(reboots_again_and_again),
		cmocka_unit_test(the_firmware_crashed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
