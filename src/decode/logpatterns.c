/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What vmhang recognises in logs: a row a pattern. Where several rows fit a line the first counts,
 * so the more telling ones stand further up. Texts after QEMU (accel/kvm/kvm-all.c,
 * target/i386/kvm/kvm.c, system/runstate.c), Linux (kernel/panic.c, kernel/watchdog.c,
 * kernel/hung_task.c, kernel/rcu/tree_stall.h, mm/oom_kill.c, arch/x86/kvm/), SeaBIOS (src/boot.c),
 * edk2 (MdeModulePkg/Universal/BdsDxe), GRUB, initramfs-tools, dracut and systemd.
 */
#include "decode/decoder.h"

#define QEMU  (1u << VH_LOG_QEMU)
#define GUEST (1u << VH_LOG_SERIAL)
#define HOST  (1u << VH_LOG_HOST_KERNEL)

const struct vh_log_pattern vh_log_patterns[] = {
	/* QEMU */
	{"kvm-internal-error", QEMU, {"KVM internal error. Suberror:"},
		.meaning = "KVM could not go on with what the guest did"},
	{"kvm-entry-failed", QEMU, {"KVM: entry failed, hardware error"},
		.meaning = "the processor refused to enter the guest"},
	{"kvm-run-failed", QEMU, {"kvm run failed"}, .meaning = "KVM_RUN failed"},
	{"kvm-unknown-exit", QEMU, {"KVM: unknown exit reason"},
		.meaning =
			"KVM returned with a reason that this QEMU does not know (24: an encrypted "
			"guest asked to be terminated)"},
	{"qemu-hardware-error", QEMU, {"qemu: hardware error"},
		.meaning = "QEMU gave up on the state of a device"},
	{"qemu-terminated", QEMU, {"terminating on signal"},
		.meaning = "QEMU was told to end by a signal"},
	{"qemu-guest-crashed", QEMU, {"Guest crashed"},
		.meaning = "the guest told QEMU that it crashed"},
	{"qemu-assertion", QEMU, {"Assertion `"},
		.meaning = "QEMU found itself in an impossible state"},
	{"qemu-coroutine", QEMU, {"Co-routine"}, .meaning = "a fault in QEMU's block layer"},
	{"virtio-broken", QEMU, {"irtio: "},
		.meaning = "QEMU found a virtio ring broken and stopped serving it"},
	{"virtio-broken", QEMU, {"Virtqueue size exceeded"},
		.meaning = "QEMU found a virtio ring broken and stopped serving it"},
	{"virtio-broken", QEMU, {"Guest moved used index"},
		.meaning = "QEMU found a virtio ring broken and stopped serving it"},
	{"qemu-no-space", QEMU, {"No space left on device"},
		.meaning = "a write found no space left"},
	{"qemu-io-error", QEMU, {"Input/output error"},
		.meaning = "the host's storage answered with an I/O error"},
	{"qemu-no-memory", QEMU, {"Cannot allocate memory"},
		.meaning = "the host had no memory for QEMU"},
	{"qemu-failed", QEMU, {"ailed to "}, .meaning = "QEMU could not do something"},
	{"qemu-failed", QEMU, {"ould not "}, .meaning = "QEMU could not do something"},
	/* The guest's kernel, on its console */
	{"kernel-panic", GUEST, {"Kernel panic - not syncing"}, .not_with = "end Kernel panic",
		.meaning = "the guest's kernel panicked"},
	{"no-root-fs", GUEST, {"VFS: Unable to mount root fs"},
		.meaning = "the guest's kernel found no root file system"},
	{"no-root-fs", GUEST, {"VFS: Cannot open root device"},
		.meaning = "the guest's kernel found no root file system"},
	{"hard-lockup", GUEST, {"atchdog detected hard LOCKUP"}, .not_with = "NMI backtrace",
		.meaning = "a CPU of the guest has had interrupts off for 10 s and more"},
	{"soft-lockup", GUEST, {"BUG: soft lockup"},
		.meaning = "a CPU of the guest has run one task for 20 s and more"},
	{"soft-lockup", GUEST, {"watchdog: BUG"},
		.meaning = "a CPU of the guest has run one task for 20 s and more"},
	{"rcu-stall", GUEST, {"rcu: INFO: rcu_", "stall"},
		.meaning = "a CPU of the guest keeps the kernel from going on (RCU stall)"},
	{"rcu-stall", GUEST, {"INFO: rcu_", "self-detected stall"},
		.meaning = "a CPU of the guest keeps the kernel from going on (RCU stall)"},
	{"rcu-stall", GUEST, {"INFO: rcu_", "detected stalls"},
		.meaning = "a CPU of the guest keeps the kernel from going on (RCU stall)"},
	{"rcu-stall", GUEST, {"INFO: rcu_", "detected expedited stalls"},
		.meaning = "a CPU of the guest keeps the kernel from going on (RCU stall)"},
	{"hung-task", GUEST, {"INFO: task ", "blocked for more than"},
		.meaning = "a task in the guest has waited for minutes, mostly for storage"},
	{"guest-oom", GUEST, {"Out of memory: Kill"}, .meaning = "the guest ran out of memory"},
	{"guest-oom", GUEST, {"Memory cgroup out of memory: Kill"},
		.meaning = "a control group in the guest ran out of memory"},
	{"systemd-freeze", GUEST, {"reezing execution"},
		.meaning = "the guest's systemd crashed and froze"},
	{"kernel-oops", GUEST, {"Oops: "}, .meaning = "a fault in the guest's kernel"},
	{"kernel-oops", GUEST, {"BUG: unable to handle"},
		.meaning = "a fault in the guest's kernel"},
	{"kernel-bug", GUEST, {"kernel BUG at "},
		.meaning = "the guest's kernel found itself in an impossible state"},
	{"kernel-bug", GUEST, {"general protection fault"},
		.not_with = " traps: ", .meaning = "a fault in the guest's kernel"},
	{"guest-io-error", GUEST, {"I/O error, dev "},
		.meaning = "the guest's disk answered with an error"},
	{"guest-io-error", GUEST, {"Remounting filesystem read-only"},
		.meaning = "the guest's disk answered with an error"},
	/* Windows: text mode, or the emergency console on the serial port */
	{"windows-bugcheck", GUEST, {"*** STOP: 0x"},
		.meaning = "Windows stopped with a blue screen"},
	{"windows-bugcheck", GUEST, {"A problem has been detected and Windows has been shut down"},
		.meaning = "Windows stopped with a blue screen"},
	{"windows-bugcheck", GUEST, {"Your PC ran into a problem"},
		.meaning = "Windows stopped with a blue screen"},
	{"windows-bugcheck", GUEST, {"Your device ran into a problem"},
		.meaning = "Windows stopped with a blue screen"},
	{"windows-boot-failed", GUEST, {"Windows failed to start"},
		.meaning = "the Windows boot loader gave up"},
	{"windows-boot-failed", GUEST, {"BOOTMGR is missing"},
		.meaning = "the Windows boot loader gave up"},
	/* Firmware and boot loaders */
	{"no-bootable-device", GUEST, {"No bootable device"},
		.meaning = "the firmware found nothing to boot"},
	{"uefi-no-boot-option", GUEST, {"No bootable option or device"},
		.meaning = "the firmware found nothing to boot"},
	{"no-bootable-device", GUEST, {"Boot failed: not a bootable disk"},
		.meaning = "the firmware found nothing to boot on that disk"},
	{"boot-failed", GUEST, {"Boot failed"},
		.meaning = "the firmware could not boot from a device"},
	{"boot-failed", GUEST, {"BdsDxe: failed to "},
		.meaning = "the firmware could not boot from a device"},
	{"boot-failed", GUEST, {"Operating System not found"},
		.meaning = "the boot sector found no system to start"},
	{"boot-failed", GUEST, {"perating system not found"},
		.meaning = "the boot sector found no system to start"},
	{"uefi-shell", GUEST, {"Shell> "}, .where = VH_LOG_NEAR_END,
		.meaning = "the UEFI shell waits for a command: nothing was booted"},
	{"grub-rescue", GUEST, {"grub rescue>"}, .where = VH_LOG_NEAR_END,
		.meaning = "GRUB could not load and waits for a command"},
	{"grub-prompt", GUEST, {"grub>"}, .where = VH_LOG_NEAR_END,
		.meaning = "GRUB waits for a command"},
	{"initramfs-prompt", GUEST, {"(initramfs)"}, .where = VH_LOG_NEAR_END,
		.meaning = "the guest waits in the shell of its initramfs: the root file system "
			   "was not "
			   "found"},
	{"dracut-prompt", GUEST, {"dracut:/#"}, .where = VH_LOG_NEAR_END,
		.meaning = "the guest waits in the shell of its initramfs: the root file system "
			   "was not "
			   "found"},
	{"dracut-prompt", GUEST, {"Entering emergency mode"}, .where = VH_LOG_NEAR_END,
		.meaning = "the guest waits in the shell of its initramfs: the root file system "
			   "was not "
			   "found"},
	{"dracut-timeout", GUEST, {"dracut-initqueue", "timeout"},
		.meaning = "the guest's initramfs waits for a device that does not come"},
	{"emergency-mode", GUEST, {"ou are in emergency mode"}, .where = VH_LOG_NEAR_END,
		.meaning = "the guest waits in emergency mode for somebody at its console"},
	{"emergency-mode", GUEST, {"Give root password for maintenance"}, .where = VH_LOG_NEAR_END,
		.meaning = "the guest waits in emergency mode for somebody at its console"},
	{"login-prompt", GUEST, {"login: "}, .where = VH_LOG_NEAR_END, .not_with = "Last login",
		.meaning = "the guest came up as far as its login prompt"},
	/* The host's kernel */
	{"sev-terminated", HOST, {"SEV-ES guest requested termination"},
		.meaning = "an encrypted guest on this host asked to be terminated"},
	{"ghcb-error", HOST, {"vmgexit: "},
		.meaning = "KVM refused a request of an encrypted guest on this host"},
	{"split-lock", HOST, {"split_lock"}, .where = VH_LOG_OURS,
		.meaning = "the guest takes split locks, for which the host slows it down"},
	{"split-lock", HOST, {"#AC: "}, .where = VH_LOG_OURS,
		.meaning = "the guest takes split locks, for which the host slows it down"},
	{"host-hung-task", HOST, {"INFO: task ", "blocked for more than"}, .where = VH_LOG_OURS,
		.meaning = "a thread of the VM has waited in the host's kernel for minutes"},
	{"host-oom-kill", HOST, {"ut of memory: Kill"}, .where = VH_LOG_OURS,
		.meaning = "the host ran out of memory and killed the VM"},
	{"host-soft-lockup", HOST, {"soft lockup"}, .where = VH_LOG_OURS,
		.meaning = "the host found one of the VM's threads to hold a CPU"},
	{"host-kvm", HOST, {"kvm"}, .where = VH_LOG_OURS,
		.meaning = "the host's KVM complained about the VM"},
	{"host-io-error", HOST, {"I/O error, dev "},
		.meaning = "a disk of the host answered with an error"},
	{"host-io-error", HOST, {"nfs: server ", "not responding"},
		.meaning = "a file server of the host does not answer"},
	{"host-mce", HOST, {"Hardware Error"}, .meaning = "the host's hardware reported an error"},
};
const size_t vh_n_log_patterns = VH_ARRAY_SIZE(vh_log_patterns);

bool vh_log_is_boot_banner(struct vh_str line)
{
	static const char *const banners[] = {
		"Linux version ",
		"SeaBIOS (version ",
		"iPXE (http",
		"Welcome to GRUB!",
		"SecCoreStartupWithStack(",
		"BdsDxe: starting Boot",
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(banners); i++)
		if (vh_str_find(line, banners[i]) >= 0)
			return true;
	return false;
}
