# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trouble inside of a guest's Linux, on Debian's stock kernel under TCG: panics, lockups, stalls, tasks that wait for
ever, no memory, shells that wait for somebody. Most of it is made by a kernel module of our own
(lab/guests/kernel/trouble.c)."""
import shutil
import subprocess
import time

import kernels
import process
import scenario
from guests import SOURCES as GUESTS
from scenario import Expect, Scenario, unless
from store import initramfs

scenario.NEEDS["mke2fs"] = lambda: unless(shutil.which("mke2fs"), "no mke2fs")

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


def guest(stage, init, *extra, modules=(), files=(), append="", smp=2, console="console=tty0 console=ttyS0", vga="std",
          serial=None):
    """Starts Linux whose init is the shell script `init` (None: no initramfs), with the modules `modules` loaded, and
    trouble.ko at hand. The serial console is in stage.tmp/serial.out."""
    options = ["-kernel", kernels.image(), "-serial", serial or f"file:{stage.tmp / 'serial.out'}", "-vga", vga, "-append",
               f"{console} quiet mitigations=off tsc=reliable nokaslr random.trust_cpu=on {append}", *extra]
    if init is not None:
        files = [*files]
        if "trouble.ko" in init:
            module = kernels.own_module(GUESTS / "kernel" / "trouble.c")
            files.append(("modules/trouble.ko", 0o100644, 0, module))
        options += ["-initrd", initramfs(MOUNTS + init, stage.tmp / "initrd", kernels.drivers(modules), files)]
    return stage.qemu(*options, smp=smp, memory="256", accel="tcg,thread=multi")


def says(stage, text, times=1, seconds=90):
    serial = stage.tmp / "serial.out"
    stage.until(f"the console shows {text!r}", lambda: process.read(serial).count(text) >= times, seconds, 0.1)


def silent(stage, seconds):
    """Until the console has not grown for so long: what is said while a guest still writes is that it boots."""
    console = stage.tmp / "serial.out"
    stage.until(f"the console is silent for {seconds} s",
                lambda: time.time() - console.stat().st_mtime > seconds, 60, 0.2)


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


# A CPU with interrupts off is missed by nobody until another one waits for its answer: changing a static key has all
# of them answer. By chance alone something else does so, mostly.
NEEDS_ALL_CPUS = "tune kernel/sched_schedstats 1\n"


def stuck(text, kind, times=1, loud=True, seconds=0, after="", then=None):
    init = QUICK + ("tune kernel/printk 7\n" if loud else "") + trouble(kind, seconds=seconds) + after + IDLE

    def play(stage):
        vm = guest(stage, init)
        says(stage, text, times)
        (then or (lambda stage, vm: vm.until_runs(0, 1)))(stage, vm)
        return vm
    return play


def panic_by_nmi(stage):
    vm = guest(stage, "tune kernel/unknown_nmi_panic 1\necho lab: ready\n" + IDLE)
    says(stage, "lab: ready")
    vm.qmp.ask("inject-nmi")
    says(stage, "end Kernel panic - not syncing")
    return vm


def panic_by_machine_check(stage):
    """As QEMU tells a guest of a page of its memory that is broken: uncorrected, in bank 9, context corrupt."""
    vm = guest(stage, "echo lab: ready\n" + IDLE)
    says(stage, "lab: ready")
    vm.qmp.human("mce 0 9 0xbe00000000000134 0x4 0x1000 0x8c")
    says(stage, "end Kernel panic - not syncing")
    return vm


def panic_device(stage):
    vm = guest(stage, "echo c >/proc/sysrq-trigger\n", "-device", "pvpanic", "-action", "panic=pause",
               modules=("pvpanic_mmio",))
    stage.until("status guest-panicked", lambda: vm.qmp.status() == "guest-panicked", 90, 0.1)
    return vm


def started_again(stage):
    """A quiet start behind a panic leaves nothing on the console; a byte on the disk tells which start it is."""
    disk = stage.tmp / "disk.img"
    disk.write_bytes(bytes(1 << 20))
    init = """if grep -q again /dev/vda; then
        while :; do sleep 1; done
    fi
    echo again >/dev/vda; sync; echo c >/proc/sysrq-trigger
    """
    vm = guest(stage, init, "-drive", f"file={disk},format=raw,if=virtio", modules=("virtio_pci", "virtio_blk"),
               append="panic=1")
    says(stage, "Kernel panic - not syncing")
    stage.until("it was reset", lambda: vm.qmp.status() and "RESET" in vm.qmp.events, 60, 0.1)
    stage.until("its kernel has come up again", lambda: rests(vm), 90, 0.2)
    # In the midst of its start it may rest for a moment, too.
    stage.until("it has been at rest for three seconds", lambda: rests_for(vm, 3), 90, 0.1)
    return vm


def rests_for(vm, seconds):
    """Its vCPUs hardly run for so long."""
    before = sum(sum(process.run_ns(vm.pid, vm.vcpu(cpu))) for cpu in (0, 1))
    time.sleep(seconds)
    return sum(sum(process.run_ns(vm.pid, vm.vcpu(cpu))) for cpu in (0, 1)) - before < 0.1e9 * seconds and rests(vm)


def rests(vm):
    """Each vCPU is halted with interrupts on, and in long mode."""
    return all("HLT=1" in text and int(text.split("RFL=")[1].split()[0], 16) & 0x200
               for text in (vm.qmp.human("info registers", cpu) for cpu in (0, 1)) if "RFL=" in text) and \
        "RFL=" in vm.qmp.human("info registers", 1)


def hung_task_comes_back(stage):
    vm = stuck("blocked for more", "endless-wait", seconds=8, then=both_halted)(stage)
    serial = stage.tmp / "serial.out"
    stage.until("no report has come for longer than one takes",
                lambda: time.time() - serial.stat().st_mtime > 14, 90, 0.2)
    return vm


def works_for(stage, vm, seconds):
    """Some vCPU has run for so long, by the host's count."""
    def used():
        return sum(process.run_ns(vm.pid, vm.vcpu(cpu))[0] for cpu in (0, 1))
    before = used()
    stage.until(f"its vCPUs have run for {seconds} s", lambda: used() - before > seconds * 1e9, 90, 0.1)


def soft_lockup_over_busy(stage):
    """The kernel's last report of it is young, but the next one is overdue."""
    vm = guest(stage, QUICK + trouble("spin", seconds=8) + "sleep 9\n"
               "while :; do busybox dd if=/dev/urandom of=/dev/null bs=64k count=200 2>/dev/null; done\n")
    says(stage, "stuck for")
    serial = stage.tmp / "serial.out"
    stage.until("no report has come for longer than one takes",
                lambda: time.time() - serial.stat().st_mtime > 40, 120, 0.2)
    return vm


FILES = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4")  # that of checksums by hand: ext4 only asks for it
MAKE_FILES = "mkdir /mnt; mke2fs -F /dev/vda >/dev/null; mount -t ext4 -o errors=remount-ro /dev/vda /mnt\n"


def frozen(stage):
    disk = stage.tmp / "disk.img"
    disk.write_bytes(bytes(16 << 20))
    init = QUICK + "tune kernel/printk 7\n" + MAKE_FILES + \
        "fsfreeze --freeze /mnt; (echo hello >/mnt/greeting) &\n" + IDLE
    vm = guest(stage, init, "-drive", f"file={disk},format=raw,if=virtio", modules=FILES)
    says(stage, "blocked for more")
    both_halted(stage, vm)
    return vm


def read_only(stage):
    """The disk lies on a full file system, and errors are handed on to the guest."""
    small = stage.tmp / "small"
    small.mkdir()
    process.mount("vmhang-lab", small, "tmpfs", "size=2m")
    disk = small / "disk.img"
    with open(disk, "wb") as file:
        file.truncate(16 << 20)
    # A journal, which cannot be written any more, makes ext4 give up.
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-J", "size=1", "-E", "lazy_itable_init=1", disk], check=True,
                   capture_output=True)
    init = "tune kernel/printk 7\nmkdir /mnt; mount -t ext4 -o errors=remount-ro /dev/vda /mnt\n" \
        "dd if=/dev/urandom of=/mnt/big bs=64k count=100 conv=fsync 2>/dev/null\n" \
        "for i in 1 2 3 4 5 6; do echo $i >/mnt/$i; sync; sleep 1; done\n" + IDLE
    vm = guest(stage, init, "-drive", f"file={disk},format=raw,if=virtio,werror=report", modules=FILES)
    says(stage, "Remounting filesystem read-only")
    both_halted(stage, vm)
    return vm


def waits_for_root(stage):
    vm = guest(stage, None, append="rootwait root=/dev/vda1 loglevel=7")
    says(stage, "Waiting for root device")
    silent(stage, 3)
    both_halted(stage, vm)
    return vm


def prompts(*lines):
    """A start that ended at a prompt, in the words of initramfs-tools, dracut or systemd."""
    init = "".join(f"echo '{line}'\n" for line in lines[:-1]) + f"echo -n '{lines[-1]}'; read answer\n"
    return script(init, lines[-1], then=both_halted)


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
         panics("echo c >/proc/sysrq-trigger\n", "sysrq triggered crash", smp=1)),
    case("panic-nmi", "an NMI from outside, kernel.unknown_nmi_panic=1", "guest-panic-requested", DEAD,
         panic_by_nmi),
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
    case("panic-mce", "a machine check that cannot be corrected", "guest-panic-machine-check", DEAD,
         panic_by_machine_check),
    case("panic-device", "pvpanic tells the VMM, the console says why", "guest-panicked", DEAD, panic_device, load=0),
    case("panic-over", "a panic, and a quiet start behind it", "guest-idle", ("idle", False), started_again, load=0,
         accept=("guest-on-another-console",), quick=False),
    # Lockups
    case("soft-lockup", "a task spins in the kernel, interrupts on", "guest-soft-lockup", SPINS,
         stuck("stuck for", "spin", 2)),
    case("soft-lockup-quiet", "the same, and the console is told no more than the one line", "guest-soft-lockup", SPINS,
         stuck("stuck for", "spin", 2, loud=False), quick=False),
    case("soft-lockup-softirq", "a softirq spins", "guest-rcu-stall", SPINS,
         stuck("detected stall", "spin-softirq"), "likely", accept=("guest-soft-lockup",)),
    case("hard-lockup", "a CPU takes a spin lock that it holds, interrupts off", "guest-hard-lockup", SPINS,
         stuck("stuck for", "lock-irqs-off", after=NEEDS_ALL_CPUS)),
    case("hard-lockup-spin", "a CPU spins with interrupts off", "guest-hard-lockup", SPINS,
         stuck("stuck for", "spin-irqs-off", after=NEEDS_ALL_CPUS), quick=False),
    case("rcu-stall", "a CPU holds up RCU, and keeps its watchdog content", "guest-rcu-stall", SPINS,
         stuck("detected stall", "rcu-stall"), "likely"),
    # Tasks that wait
    case("deadlock", "two tasks, two mutexes", "guest-deadlock", WAITS,
         stuck("blocked for more", "deadlock", 4, then=both_halted), load=0),
    case("deadlock-rwsem", "two tasks, two semaphores", "guest-deadlock", WAITS,
         stuck("blocked for more", "deadlock-rwsem", 2, then=both_halted), load=0, quick=False),
    case("hung-task", "a task waits for an event that does not come", "guest-hung-task", WAITS,
         stuck("blocked for more", "endless-wait", 1, then=both_halted), load=0),
    case("hung-task-quiet", "the same, and no stack is printed", "guest-hung-task", WAITS,
         stuck("blocked for more", "endless-wait", 1, loud=False, then=both_halted), load=0, quick=False),
    case("lost-request", "a task waits for a disk that does not answer, and outside nothing waits",
         "guest-waits-for-storage", WAITS, stuck("blocked for more", "lost-request", then=both_halted), load=0),
    case("filesystem-frozen", "fsfreeze, and nobody thaws", "guest-filesystem-frozen", WAITS, frozen, load=0),
    # What goes on in some way
    case("filesystem-readonly", "writes fail, ext4 gives up its journal", "guest-filesystem-readonly",
         ("running", True), read_only, "likely", load=0, needs=("mount", "mke2fs")),
    case("out-of-memory", "one process after another eats all memory", "guest-out-of-memory", ("running", True),
         script("while :; do tail /dev/zero; done\n", *["Out of memory: Killed"],
                then=lambda stage, vm: says(stage, "Out of memory: Killed", 4)), "likely"),
    case("oops", "a fault in a driver's thread, and the guest goes on", "guest-idle", ("idle", False),
         script(trouble("oops") + IDLE, "end trace", then=both_halted), also=("guest-oops",), load=0),
    case("soft-lockup-over", "a soft lockup that ended after eight seconds", "guest-idle", ("idle", False),
         stuck("stuck for", "spin", seconds=8, then=both_halted), load=0),
    case("hung-task-over", "a task that came back after eight seconds", "guest-idle", ("idle", False),
         hung_task_comes_back, load=0, quick=False),
    case("oom-survived", "one process ate all memory and was killed, and the guest works on", "guest-busy",
         ("running", False), script("tail /dev/zero & wait\necho lab: survived\nwhile :; do :; done\n",
                                    "Out of memory: Killed", "lab: survived",
                                    then=lambda stage, vm: works_for(stage, vm, 5)), "likely"),
    case("sysrq-w", "somebody had the tasks in state D printed, one waited for two seconds, and the guest works on",
         "guest-busy", ("running", False),
         script("tune kernel/printk 7\n" + trouble("endless-wait", seconds=2) + "echo w >/proc/sysrq-trigger\n"
                "while :; do :; done\n", "Show Blocked State", "make_endless_wait",
                then=lambda stage, vm: works_for(stage, vm, 5)), "likely"),
    case("soft-lockup-over-busy", "a soft lockup that ended, and its CPU works in the kernel since", "guest-busy",
         ("running", False), soft_lockup_over_busy, "likely", quick=False),
    case("timer-slow", "a timer whose handler takes longer than its period: slow, and goes on", "guest-busy",
         ("running", False), stuck("hrtimer: interrupt took", "timer-storm", then=lambda stage, vm: vm.until_runs(1)),
         "likely", quick=False),
    # Starts that end before there is a system
    case("waits-for-root", "rootwait, and no disk", "guest-waits-for-root-device", WAITS, waits_for_root, "likely",
         load=0),
    case("dracut-shell", "dracut's shell", "guest-initramfs-shell", ("idle", True),
         prompts("Warning: /dev/disk/by-uuid/4d09f3f4 does not exist", "Entering emergency mode.", "dracut:/# "),
         "likely", load=0),
    case("emergency", "systemd's emergency mode", "guest-emergency-shell", ("idle", True),
         prompts("You are in emergency mode. After logging in, type \"journalctl -xb\" to view",
                 "Give root password for maintenance", "(or press Control-D to continue): "), "likely", load=0),
    case("start-job", "systemd waits for a disk", "guest-waits-for-root-device", WAITS,
         prompts("[ ***  ] A start job is running for /dev/disk/by-uuid/4d09f3f4 (14s / no limit)", " "),
         "likely", load=0, quick=False),
    case("init-frozen", "systemd crashed", "guest-init-frozen", DEAD,
         script("echo '<0>systemd[1]: Caught <SEGV>, dumped core as pid 17.' >/dev/kmsg\n"
                "echo '<0>systemd[1]: Freezing execution.' >/dev/kmsg\n" + IDLE, "Freezing execution",
                then=both_halted), "likely", load=0),
]
