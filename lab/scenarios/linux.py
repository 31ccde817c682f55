# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's stock kernel under TCG, with busybox for a user space."""
import kernels
import process
from scenario import Expect, Scenario
from store import initramfs

MOUNTS = "mount -t proc proc /proc; mount -t sysfs sys /sys\n"


def linux(init, until, *extra, seconds=90):
    """Plays Linux whose init is the script `init` (None: no initramfs, so no root file system)
    until the serial console shows `until`; `extra` are further arguments of QEMU."""
    def play(stage):
        serial = stage.tmp / "serial.out"
        options = ["-kernel", kernels.image(), "-serial", f"file:{serial}", "-vga", "std",
                   "-append", "console=tty0 console=ttyS0 mitigations=off tsc=unstable", *extra]
        if init is not None:
            options += ["-initrd", initramfs(MOUNTS + init, stage.tmp / "initrd")]
        vm = stage.qemu(*options, smp=2, memory="256", accel="tcg,thread=multi")
        stage.until(f"the console shows {until!r}", lambda: until in process.read(serial),
                    seconds, 0.2)
        return vm
    return play


def idle(stage):
    vm = linux("echo; echo -n 'lab login: '; exec sh -c 'read name'", "lab login:")(stage)
    vm.until_halted(0, 1)
    return vm


def busy(stage):
    vm = linux("(while :; do :; done) & echo lab: busy; while :; do :; done", "lab: busy")(stage)
    vm.until_runs(0, 1)  # either: Linux does not always spread two loops over two CPUs
    return vm


def prompt(stage):
    vm = linux("echo; echo -n '(initramfs) '; exec sh -c 'read name'", "(initramfs)")(stage)
    vm.until_halted(0, 1)
    return vm


def shut_down(stage):
    vm = linux("echo lab: bye; poweroff -f", "lab: bye", "-no-shutdown")(stage)
    vm.until_status("shutdown")
    return vm


SCENARIOS = [
    Scenario("linux-idle", "Linux at its login prompt",
             Expect("guest-idle", "idle", False), idle, accel="tcg"),
    Scenario("linux-busy", "Linux, two busy loops in user space",
             Expect("guest-busy", "running", False, "likely"), busy, accel="tcg"),
    Scenario("linux-initramfs", "Linux waits for somebody in the shell of its initramfs",
             Expect("guest-initramfs-shell", "idle", True, "likely"), prompt, accel="tcg"),
    Scenario("linux-shut-down", "Linux powered itself off, -no-shutdown",
             Expect("guest-shut-down", "dead", True, "likely"), shut_down, accel="tcg"),
    Scenario("linux-panic", "Linux without a root file system",
             Expect("guest-panic-no-root", "dead", True),
             linux(None, "end Kernel panic"), accel="tcg"),
]
