# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trouble inside of a guest's Linux, on Debian's stock kernel under TCG: panics, lockups, stalls, tasks that wait for
ever, no memory, shells that wait for somebody. Most of it is made by a kernel module of our own
(lab/guests/kernel/trouble.c)."""
import pathlib
import subprocess

import process
from guests import SOURCES as GUESTS
from scenario import Expect, Scenario
from stage import Skip
from store import drivers, initramfs, kernel, own_module

MOUNTS = """export PATH=/bin; /bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
tune() { echo "$2" >/proc/sys/$1; }
"""
# The watchdogs of the kernel, quicker than they are: seconds instead of minutes.
QUICK = """tune kernel/watchdog_thresh 1
tune kernel/hung_task_timeout_secs 3
echo 3 >/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout
"""
IDLE = "while :; do sleep 1; done\n"


def trouble(kind, cpu=1, seconds=0):
    return f"busybox insmod /modules/trouble.ko make={kind} cpu={cpu} seconds={seconds}\n"


def guest(stage, init, *extra, modules=(), files=(), append="", smp=2, console="console=tty0 console=ttyS0", vga="std"):
    """Starts Linux whose init is the shell script `init` (None: no initramfs), with the modules `modules` loaded, and
    trouble.ko at hand. The serial console is in stage.tmp/serial.out."""
    options = ["-kernel", kernel(), "-serial", f"file:{stage.tmp / 'serial.out'}", "-vga", vga, "-append",
               f"{console} quiet mitigations=off tsc=reliable nokaslr random.trust_cpu=on {append}", *extra]
    if init is not None:
        files = [*files]
        if "trouble.ko" in init:
            module = own_module(GUESTS / "kernel" / "trouble.c")
            files.append(("modules/trouble.ko", 0o100644, 0, module))
        options += ["-initrd", initramfs(MOUNTS + init, stage.tmp / "initrd", drivers(modules), files)]
    return stage.qemu(*options, smp=smp, memory="256", accel="tcg,thread=multi")


def says(stage, text, times=1, seconds=90):
    serial = stage.tmp / "serial.out"
    stage.until(f"the console shows {text!r}", lambda: process.read(serial).count(text) >= times, seconds, 0.1)


def script(init, *texts, then=None, **more):
    """Plays Linux with `init` until the console has shown all of `texts`; then `then(stage, vm)`."""
    def play(stage):
        vm = guest(stage, init, *more.get("extra", ()), **{key: value for key, value in more.items() if key != "extra"})
        for text in texts:
            says(stage, text)
        if then:
            then(stage, vm)
        return vm
    return play


def panics(init, text, **more):
    """Until the kernel has panicked and stopped its other CPU."""
    def stopped(stage, vm):
        stage.until("one vCPU is stopped for good",
                    lambda: any(vm.qmp.halted(cpu) for cpu in range(more.get("smp", 2))) or more.get("smp") == 1, 30)
        vm.until_runs(*range(more.get("smp", 2)))
    return script(init, f"end Kernel panic - not syncing: {text}", then=stopped, **more)


def both_halted(stage, vm):
    vm.until_halted(0, 1)


def stuck(text, kind, times=1, loud=True, seconds=0, then=None):
    init = QUICK + ("tune kernel/printk 7\n" if loud else "") + trouble(kind, seconds=seconds) + IDLE

    def play(stage):
        vm = guest(stage, init)
        says(stage, text, times)
        (then or (lambda stage, vm: vm.until_runs(0, 1)))(stage, vm)
        return vm
    return play


DEAD, SPINS, WAITS = ("dead", True), ("spinning", True), ("blocked", True)


def case(name, about, cause, state, play, at_least="certain", load=1.0, **more):
    expect = {key: more.pop(key) for key in ("also", "accept") if key in more}
    return Scenario(f"kernel-{name}", about, Expect(cause, *state, at_least, **expect), play, accel="tcg", load=load,
                    **more)


SCENARIOS = [
    # Panics
    case("panic-init", "init ends: Attempted to kill init", "guest-panic-init-killed", DEAD,
         panics("exit 3\n", "Attempted to kill init!")),
    case("panic-no-init", "root is there, its init= is not", "guest-panic-no-init", DEAD,
         panics("", "Requested init /nothing failed", append="rdinit=/broken init=/nothing",
                files=[("broken", 0o100755, 0, b"#!/nothing\n")])),
    case("panic-sysrq", "echo c >/proc/sysrq-trigger", "guest-panic-requested", DEAD,
         panics("echo c >/proc/sysrq-trigger\n", "sysrq triggered crash")),
    case("panic-sysrq-1cpu", "the same, of a guest of one CPU", "guest-panic-requested", DEAD,
         panics("echo c >/proc/sysrq-trigger\n", "sysrq triggered crash", smp=1), "likely"),
    case("panic-nmi", "an NMI from outside, kernel.unknown_nmi_panic=1", "guest-panic-requested", DEAD,
         None),
    case("panic-oom", "panic_on_oom, and nothing left", "guest-panic-out-of-memory", DEAD,
         panics("tune vm/panic_on_oom 2\ntail /dev/zero & " + IDLE, "Out of memory")),
    case("panic-deadlocked-on-memory", "the kernel has all of the memory itself", "guest-panic-out-of-memory", DEAD,
         panics(trouble("eat-memory") + IDLE, "System is deadlocked on memory")),
    case("panic-oops", "a null pointer in interrupt context", "guest-panic-oops", DEAD,
         panics(trouble("oops-in-interrupt") + IDLE, "Fatal exception in interrupt")),
    case("panic-on-oops", "a null pointer in a task, kernel.panic_on_oops=1", "guest-panic-oops", DEAD,
         panics("tune kernel/panic_on_oops 1\n" + trouble("oops") + IDLE, "Fatal exception"), quick=False),
    case("panic-softlockup", "kernel.softlockup_panic=1", "guest-panic-lockup", DEAD,
         panics(QUICK + "tune kernel/softlockup_panic 1\n" + trouble("spin") + IDLE, "softlockup: hung tasks")),
    case("panic-hung-task", "kernel.hung_task_panic=1", "guest-panic-hung-task", DEAD,
         panics(QUICK + "tune kernel/hung_task_panic 1\n" + trouble("endless-wait") + IDLE,
                "hung_task: blocked tasks")),
    case("panic-mce", "a machine check that cannot be corrected", "guest-panic-machine-check", DEAD, None),
    # Lockups
    case("soft-lockup", "a task spins in the kernel, interrupts on", "guest-soft-lockup", SPINS,
         stuck("stuck for", "spin", 2)),
    case("soft-lockup-quiet", "the same, and the console is told no more than the one line", "guest-soft-lockup", SPINS,
         stuck("stuck for", "spin", 2, loud=False), quick=False),
    case("soft-lockup-softirq", "a softirq spins", "guest-rcu-stall", SPINS,
         stuck("detected stall", "spin-softirq"), "likely", accept=("guest-soft-lockup",)),
    case("hard-lockup", "a CPU takes a spin lock that it holds, interrupts off", "guest-hard-lockup", SPINS,
         stuck("stuck for", "lock-irqs-off")),
    case("hard-lockup-spin", "a CPU spins with interrupts off", "guest-hard-lockup", SPINS,
         stuck("stuck for", "spin-irqs-off"), quick=False),
    case("rcu-stall", "a CPU holds up RCU, and keeps its watchdog content", "guest-rcu-stall", SPINS,
         stuck("detected stall", "rcu-stall"), "likely"),
    # Tasks that wait
    case("deadlock", "two tasks, two mutexes", "guest-deadlock", WAITS,
         stuck("blocked for more", "deadlock", 4, then=both_halted), "likely", load=0),
    case("deadlock-rwsem", "two tasks, two semaphores", "guest-deadlock", WAITS,
         stuck("blocked for more", "deadlock-rwsem", 2, then=both_halted), "likely", load=0, quick=False),
    case("hung-task", "a task waits for an event that does not come", "guest-hung-task", WAITS,
         stuck("blocked for more", "endless-wait", 1, then=both_halted), "likely", load=0),
    case("hung-task-quiet", "the same, and no stack is printed", "guest-hung-task", WAITS,
         stuck("blocked for more", "endless-wait", 1, loud=False, then=both_halted), "likely", load=0, quick=False),
]
SCENARIOS = [scenario for scenario in SCENARIOS if scenario.play]
