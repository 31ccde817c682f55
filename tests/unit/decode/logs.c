/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is recognised in logs, and what is not, for it is old or about somebody else. */
#include "decode/model.h"

#include "tests/unit/casebuild.h"
#include "tests/unit/test.h"

static struct vh_case *a_case;
static struct vh_model *a_model;

static struct vh_model *read_log(const char *source, const char *text)
{
	a_case = case_new(1);
	case_busy_vcpu(a_case, 0);
	case_text(a_case, VH_FIRST, source, source[0] == 'l' ? "/var/log/x" : "", text);
	return a_model = vh_model_build(a_case);
}
static void forget(void)
{
	vh_model_free(a_model);
	vh_case_free(a_case);
}

static const struct {
	const char *source, *line, *id; /* id NULL: nothing is recognised */
} lines[] = {
	{"log.qemu", "KVM internal error. Suberror: 1", "kvm-internal-error"},
	{"log.qemu", "KVM: entry failed, hardware error 0x80000021", "kvm-entry-failed"},
	{"log.qemu", "error: kvm run failed Bad address", "kvm-run-efault"},
	{"log.qemu", "error: kvm run failed Invalid argument", "kvm-run-failed"},
	{"log.qemu", "KVM: unknown exit reason 24", "kvm-ended-guest"},
	{"log.qemu", "KVM: unknown exit reason 99", "kvm-unknown-exit"},
	{"log.qemu", "qemu-system-x86_64: terminating on signal 15 from pid 9 (virsh)",
		"qemu-terminated"},
	{"log.qemu", "qemu: hardware error: pflash", "qemu-hardware-error"},
	{"log.qemu", "qemu-system-x86_64: virtio: zero sized buffers are not allowed",
		"virtio-broken"},
	{"log.qemu", "qemu-system-x86_64: Virtqueue size exceeded", "virtio-broken"},
	{"log.qemu", "write: No space left on device", "qemu-no-space"},
	{"log.qemu", "Failed to get \"write\" lock", "qemu-failed"},
	{"log.qemu", "warning: host doesn't support requested feature", NULL},
	{"log.qemu", "Kernel panic - not syncing: x", NULL}, /* the wrong log for that */
	{"log.serial", "[    3.421937] Kernel panic - not syncing: VFS: Unable to mount root",
		"kernel-panic"},
	{"log.serial", "[    3.42] ---[ end Kernel panic - not syncing: VFS ]---", NULL},
	{"log.serial", "[    3.42] VFS: Cannot open root device \"(null)\" or unknown-block",
		"no-root-fs"},
	{"log.serial", "[ 44.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [sh:1]",
		"soft-lockup"},
	{"log.serial", "[ 44.0] NMI watchdog: Watchdog detected hard LOCKUP on cpu 1",
		"hard-lockup"},
	{"log.serial",
		"[ 60.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", "rcu-stall"},
	{"log.serial", "[ 60.0] rcu: INFO: rcu_sched self-detected stall on CPU", "rcu-stall"},
	{"log.serial", "[242.8] INFO: task dd:77 blocked for more than 120 seconds.", "hung-task"},
	{"log.serial", "[ 12.0] Out of memory: Killed process 101 (tail) total-vm:5kB",
		"guest-oom"},
	{"log.serial", "[ 5.0] Oops: 0002 [#1] PREEMPT SMP", "kernel-oops"},
	{"log.serial", "[ 5.0] kernel BUG at mm/slub.c:310!", "kernel-bug"},
	{"log.serial", "systemd[1]: Freezing execution.", "systemd-freeze"},
	{"log.serial", "[ 9.0] blk_update_request: I/O error, dev vda, sector 8", "guest-io-error"},
	{"log.serial", "*** STOP: 0x0000007B (0xFFFFF880009A97E8", "windows-bugcheck"},
	{"log.serial", "No bootable device.", "no-bootable-device"},
	{"log.serial", "BdsDxe: No bootable option or device was found.", "uefi-no-boot-option"},
	{"log.serial", "BdsDxe: failed to load Boot0001 \"UEFI Misc\": Not Found", "boot-failed"},
	{"log.serial", "Boot failed: could not read the boot disk", "disk-unreadable"},
	{"log.serial", "\x1b[06;01H\x1b[1m\x1b[33m\x1b[40mShell> \x1b[0m\x1b[37m\x1b[40m",
		"uefi-shell"},
	{"log.serial", "grub rescue> ", "grub-rescue"},
	{"log.serial", "grub> ", "grub-prompt"},
	{"log.serial", "(initramfs) ", "initramfs-prompt"},
	{"log.serial", "You are in emergency mode. After logging in, type", "emergency-mode"},
	{"log.serial", "debian login: ", "login-prompt"},
	{"log.serial", "Last login: Tue Nov 3", NULL},
	{"log.serial", "[    0.000000] Command line: panic=0 oops=panic", NULL},
	{"log.qemu", "TDX guest reports fatal error. error code: 0x0 error message:\"x\"",
		"tdx-fatal"},
	{"log.qemu", "sev_launch_finish: LAUNCH_FINISH ret=1 fw_error=7 'Policy is not allowed'",
		"sev-launch-failed"},
	{"log.serial", "MMIO using encrypted memory: FEE00020", "ovmf-mmio-encrypted"},
	{"log.serial",
		"!!!! X64 Exception Type - 0D(#GP - General Protection)  CPU Apic ID - 00000000",
		"ovmf-exception"},
	{"log.serial", "ASSERT [DxeCore] /edk2/MdeModulePkg/Core/Dxe/Mem/Pool.c(723): Size > 0",
		"ovmf-assert"},
	{"log.serial", "ASSERT_EFI_ERROR (Status = Not Found)", "ovmf-assert"},
	{"host.kmsg", "[99.0] ccp 0000:22:00.1: sev command 0x4 timed out, disabling PSP",
		"ccp-failed"},
	{"host.kmsg", "[99.0] ccp 0000:22:00.1: SEV API:1.51 build:3", NULL},
	{"host.kmsg", "[99.0] kvm_amd: SEV: Unexpected RMP fault for non-private GPA 0x1000",
		"sev-failed"},
	{"host.kmsg", "[99.0] virt/tdx: SEAMCALL (0x0000000000000021) failed: 0xc000020000000000",
		"tdx-failed"},
	{"host.kmsg", "[99.0] kvm_amd: vmgexit: GHCB GPA [0x1000] is not registered", "ghcb-error"},
	{"host.kmsg", "[99.000001] kvm_amd: SEV-ES guest requested termination: 0x0:0x1",
		"sev-terminated"},
	{"host.kmsg",
		"[99.0] x86/split lock detection: #AC: CPU 0/KVM/4721 took a "
		"split_lock trap at address: 0x7f",
		"split-lock"},
	{"host.kmsg",
		"[99.0] x86/split lock detection: #AC: CPU 0/KVM/9721 took a "
		"split_lock trap",
		NULL}, /* another VM's */
	{"host.kmsg", "[99.0] Out of memory: Killed process 4711 (qemu-system-x86)",
		"host-oom-kill"},
	{"host.kmsg", "[99.0] Out of memory: Killed process 14711 (java)", NULL},
	{"host.kmsg", "[99.0] INFO: task CPU 0/KVM:4721 blocked for more than 120 seconds.",
		"host-hung-task"},
	{"host.kmsg", "[99.0] kvm [4711]: vcpu0, guest rIP: 0xf unhandled rdmsr", "host-kvm"},
	{"host.kmsg", "[99.0] I/O error, dev sda, sector 5 op 0x0:(READ)", "host-io-error"},
	/* The process started at 5000 ticks, which is 50 s. */
	{"host.kmsg", "[40.0] I/O error, dev sda, sector 5 op 0x0:(READ)", NULL},
};

static void each_line_by_its_id(void **state VH_UNUSED)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(lines); i++) {
		const struct vh_model *m = read_log(lines[i].source, lines[i].line);

		if (!lines[i].id && m->n_hits)
			print_error("%s: %s\n", lines[i].line, m->hits[0].id);
		assert_int_equal(m->n_hits, lines[i].id ? 1 : 0);
		if (lines[i].id) {
			assert_string_equal(m->hits[0].id, lines[i].id);
			assert_ptr_equal(vh_model_hit(m, lines[i].id), &m->hits[0]);
			assert_true(*m->hits[0].meaning);
		}
		forget();
	}
}

static void what_was_before_the_last_boot_is_old(void **state VH_UNUSED)
{
	const struct vh_model *m = read_log("log.serial",
		"[ 9.0] Kernel panic - not syncing: Fatal exception\n"
		"SeaBIOS (version 1.16.2-debian-1.16.2-1)\n"
		"Booting from Hard Disk...\n"
		"[    0.000000] Linux version 6.1.0\n"
		"[   30.0] INFO: task dd:77 blocked for more than 120 seconds.\n");

	assert_int_equal(m->n_hits, 1);
	assert_string_equal(m->hits[0].id, "hung-task");
	forget();
}

static void the_last_of_many_counts_and_in_order(void **state VH_UNUSED)
{
	const struct vh_model *m = read_log("log.serial",
		"[ 30.0] INFO: task dd:77 blocked for more than 120 seconds.\n"
		"[ 40.0] rcu: INFO: rcu_preempt self-detected stall on CPU\n"
		"[ 60.0] INFO: task dd:78 blocked for more than 241 seconds.\n");

	assert_int_equal(m->n_hits, 2);
	assert_string_equal(m->hits[0].id, "rcu-stall");
	assert_string_equal(
		m->hits[1].line, "[ 60.0] INFO: task dd:78 blocked for more than 241 seconds.");
	forget();
}

/* A prompt with much behind it is not waiting any more. */
static void only_a_prompt_at_the_end_waits(void **state VH_UNUSED)
{
	vh_auto_buf struct vh_buf text = {0};

	vh_buf_puts(&text, "(initramfs) exit\n");
	for (int i = 0; i < 20; i++)
		vh_buf_printf(&text, "[ 10.%d] something\n\n", i);
	vh_buf_puts(&text, "debian login: \n[ 99.0] random: crng init done\n\n");
	const struct vh_model *m = read_log("log.serial", vh_buf_str(&text));

	assert_int_equal(m->n_hits, 1);
	assert_string_equal(m->hits[0].id, "login-prompt");
	forget();
}

static void a_line_is_escaped_and_cut(void **state VH_UNUSED)
{
	vh_auto_buf struct vh_buf text = {0};

	vh_buf_puts(&text, "\x1b[2JNo bootable device\xe2\x80\xae");
	for (int i = 0; i < 300; i++)
		vh_buf_puts(&text, "\xc3\xa4"); /* ä */
	const struct vh_model *m = read_log("log.serial", vh_buf_str(&text));
	const char *line = m->hits[0].line;

	assert_int_equal(m->n_hits, 1);
	assert_true(strlen(line) <= 200 && strlen(line) > 150);
	assert_true(vh_is_utf8(vh_str(line)));
	assert_true(vh_prefix(line, "No bootable device\\u{202e}"));
	forget();
}

static void a_log_and_its_growth(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);
	struct vh_evidence *e = case_text(c, VH_FIRST, "log.serial", "/s", "Boot failed: x\n");

	vh_evidence_set_number(e, "size", 100);
	vh_evidence_set_number(e, "age_ns", 5000);
	e = vh_case_add(c, VH_LAST, "log.serial", "/s", "/s");
	vh_evidence_set_number(e, "size", 100);
	vh_evidence_set_number(e, "age_ns", 6000);
	e = case_text(c, VH_FIRST, "log.qemu", "/q", "");
	vh_evidence_set_number(e, "size", 0);
	e = case_text(c, VH_LAST, "log.qemu", "/q", "KVM internal error. Suberror: 1\n");
	vh_evidence_set_number(e, "size", 32);
	case_fail(c, VH_FIRST, "log.serial", "/t", VH_DENIED, 13, "Permission denied");
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->n_logs, 3);
	assert_int_equal(m->logs[0].kind, VH_LOG_QEMU);
	assert_true(m->logs[0].grew);
	assert_int_equal(m->logs[0].size_bytes, 32);
	assert_int_equal(m->logs[0].age_ns, -1);
	assert_int_equal(m->logs[0].evidence, 3);
	assert_string_equal(m->logs[1].path, "/s");
	assert_false(m->logs[1].grew);
	assert_int_equal(m->logs[1].age_ns, 6000);
	assert_true(vh_str_is(m->logs[1].tail, "Boot failed: x\n"));
	assert_int_equal(m->logs[1].evidence, 0);
	assert_int_equal(m->logs[2].status, VH_DENIED);
	assert_non_null(vh_model_hit(m, "kvm-internal-error"));
	assert_null(vh_model_hit(m, "kernel-panic"));
	vh_model_free(m);
	vh_case_free(c);
}

static void the_screen_is_read_too(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_text(c, VH_ASKED, "guest.screen", "",
		"SeaBIOS (version 1.16.2)       \n\nBooting from DVD/CD...    \n"
		"No bootable device.     \n          \n        \n");
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->screen.kind, VH_SCREEN_TEXT);
	assert_string_equal(m->screen.text,
		"SeaBIOS (version 1.16.2)\n\nBooting from DVD/CD...\nNo bootable device.");
	assert_int_equal(m->n_hits, 1);
	assert_string_equal(m->hits[0].id, "no-bootable-device");
	assert_int_equal(m->hits[0].kind, VH_LOG_SERIAL);
	assert_int_equal(m->hits[0].evidence, 0);
	vh_model_free(m);
	vh_case_free(c);
	c = case_new(1);
	case_data(c, VH_ASKED, "guest.screendump", "", "P6\n1 1\n255\n\0\0\0", 14);
	m = vh_model_build(c);
	assert_int_equal(m->screen.kind, VH_SCREEN_PICTURE);
	assert_null(m->screen.text);
	vh_model_free(m);
	vh_case_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_by_its_id),
		cmocka_unit_test(what_was_before_the_last_boot_is_old),
		cmocka_unit_test(the_last_of_many_counts_and_in_order),
		cmocka_unit_test(only_a_prompt_at_the_end_waits),
		cmocka_unit_test(a_line_is_escaped_and_cut),
		cmocka_unit_test(a_log_and_its_growth),
		cmocka_unit_test(the_screen_is_read_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
