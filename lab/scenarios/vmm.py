# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU: paused, failed, never started, blocked itself."""
import errno
import os

import process
from guests import boot_disk
from scenario import Expect, Scenario


def paused(stage):
    vm = stage.qemu(rom="idle")
    vm.until_halted()
    vm.qmp.ask("stop")
    vm.until_status("paused")
    return vm


def no_space(stage):
    """The guest writes a sparse 16 MiB disk on a file system of 1 MiB that is full but for 32 KiB."""
    small = stage.tmp / "small"
    small.mkdir()
    process.mount("vmhang-lab", small, "tmpfs", "size=1m")
    disk = boot_disk("sector-write", small / "disk.img", 16 << 20)
    (small / "ballast").write_bytes(bytes((1 << 20) - (32 << 10) - 4096))
    vm = stage.qemu("-drive", f"file={disk},format=raw,if=ide,werror=stop", memory="32")
    vm.until_status("io-error")
    return vm


def write_fails(stage):
    """Every write of the guest fails with EIO, by QEMU's own fault injection."""
    disk = boot_disk("sector-write", stage.tmp / "disk.img", 16 << 20)
    vm = stage.qemu(
        "-blockdev", f"driver=file,filename={disk},node-name=file0",
        "-blockdev", "driver=blkdebug,image=file0,node-name=disk0,inject-error.0.event=pwritev,"
        f"inject-error.0.iotype=write,inject-error.0.errno={errno.EIO}",
        "-device", "ide-hd,drive=disk0,werror=stop", memory="32")
    vm.until_status("io-error")
    return vm


def internal_error(stage):
    vm = stage.qemu("-vga", "std", rom="emulation-failure")
    vm.until_status("internal-error")
    return vm


def panicked(stage):
    vm = stage.qemu("-device", "pvpanic", "-action", "panic=pause", rom="pvpanic")
    vm.until_status("guest-panicked")
    return vm


def never_started(stage):
    vm = stage.qemu("-S", rom="spin")
    vm.until_status("prelaunch")
    return vm


def incoming(stage):
    vm = stage.qemu("-incoming", f"unix:{stage.tmp}/migration.sock", rom="spin")
    vm.until_status("inmigrate")
    return vm


def main_loop_blocked(stage):
    """A screendump into a file on storage that stopped answering."""
    target = stage.stalled_files()
    vm = stage.qemu("-vga", "std", rom="idle")
    vm.until_halted()
    vm.qmp.send("screendump", filename=str(target / "screen"))
    vm.until_wchan(("request_wait_answer", "fuse"))
    return vm


def console_full(stage):
    """The guest writes to a debug console whose reader does not read."""
    fifo = stage.tmp / "console"
    os.mkfifo(fifo)
    vm = stage.qemu("-chardev", f"pipe,id=console,path={fifo}",
                    "-device", "isa-debugcon,iobase=0xe9,chardev=console", rom="debugcon")
    vm.until_wchan(("nanosleep",), vm.vcpu(), 30)
    return vm


def page_never_comes(stage):
    """Guest memory in a file on storage that never serves one page."""
    target = stage.stalled_files()
    vm = stage.qemu("-object", f"memory-backend-file,id=ram,size=2M,share=on,mem-path={target}/ram",
                    rom="touch-page", machine="pc,memory-backend=ram", accel="kvm")
    vm.until_wchan(("request_wait_answer", "fuse"), vm.vcpu())
    return vm


def monitor_held(rom):
    """The only monitor is held by a client that does nothing."""
    def play(stage):
        vm = stage.qemu(rom=rom, one_monitor=True)
        vm.qmp.status()
        vm.until_runs() if rom == "spin" else vm.until_halted()
        return vm
    return play


PAUSED_BY_ERROR = Expect("paused-io-error", "paused", True)

SCENARIOS = [
    Scenario("paused", "stopped by QMP", Expect("vm-paused", "paused", True), paused,
             old_and_new=True),
    Scenario("paused-tcg", "the same under TCG", Expect("vm-paused", "paused", True), paused,
             accel="tcg"),
    Scenario("io-error-nospace", "the disk's file system is full, werror=stop",
             Expect("paused-no-space", "paused", True), no_space, needs=("mount",), old_and_new=True),
    Scenario("io-error-eio", "a write fails with EIO, werror=stop", PAUSED_BY_ERROR, write_fails),
    Scenario("internal-error", "KVM cannot emulate what the guest runs",
             Expect("vmm-emulation-failed", "dead", True), internal_error, accel="kvm"),
    Scenario("panicked", "pvpanic, panic=pause", Expect("guest-panicked", "dead", True), panicked),
    Scenario("never-started", "-S", Expect("never-started", "paused", True), never_started),
    Scenario("incoming", "-incoming, and nobody comes",
             Expect("incoming-migration-waits", "paused", True), incoming),
    Scenario("main-loop-blocked", "the main loop writes to storage that stopped answering",
             Expect("main-loop-on-storage", "blocked", True), main_loop_blocked,
             needs=("fuse",), asks=False, monitor="silent"),
    Scenario("console-full", "debug console into a full pipe",
             Expect("vcpu-blocked-on-serial", "blocked", True), console_full,
             asks=False, monitor="silent"),
    Scenario("page-never-comes", "a page of guest memory on storage that never serves it",
             Expect("vcpu-waits-for-page", "blocked", True), page_never_comes,
             needs=("fuse",), accel="kvm", passive=True),
    # Without registers only its instructions and exits tell a spin from work.
    Scenario("monitor-held-spin", "an idle client holds the only monitor; the guest spins",
             Expect("guest-spins", "spinning", True, "likely", also=("monitor-held",)), monitor_held("spin"),
             monitor="busy", accel="kvm", needs=("exits",),
             passive_expect=Expect("guest-spins", "spinning", True, "likely")),
    Scenario("monitor-held-idle", "an idle client holds the only monitor; the guest is idle",
             Expect("guest-idle", "idle", False, "likely", also=("monitor-held",)), monitor_held("idle"),
             monitor="busy"),
]
