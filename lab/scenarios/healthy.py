# SPDX-License-Identifier: LGPL-2.1-or-later
"""VMs that are well, and that vmhang must never call hung, however much they look like it."""
import dataclasses
import fcntl
import os
import re
import socket
import stat
import subprocess
import termios

import cgroup
import kernels
import process
from guests import boot_disk
from scenario import Expect, Scenario
from stage import LabError
from store import initramfs

MOUNTS = "mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev\n"
SLEEP = "exec sleep 1000000\n"
LOGIN = "echo; echo -n 'lab login: '; exec sh -c 'read name'"
CODE, VARS = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"


def starts(stage, init, *extra, smp=2, append="", console="console=tty0 console=ttyS0", kernel=kernels.STOCK,
           modules=(), memory="256", files=(), serial=None):
    """Starts Debian's stock kernel (or another of lab/kernels.py) under TCG; its init is the script `init`.
    Returns (vm, path of its serial log)."""
    log = stage.tmp / "serial.out"
    options = ["-kernel", kernels.image(kernel), "-serial", serial or f"file:{log}", "-vga", "std", "-append",
               f"{console} mitigations=off tsc=unstable {append}", "-initrd",
               initramfs(MOUNTS + init, stage.tmp / "initrd", kernels.drivers(modules, kernel), files)]
    return stage.qemu(*options, *extra, smp=smp, memory=memory, accel="tcg,thread=multi"), log


def boots(init, until, *extra, seconds=240, then=None, **more):
    """Plays it until the serial console shows `until`, and then(vm) has returned."""
    def play(stage):
        vm, log = starts(stage, init, *extra, **more)
        stage.until(f"the console shows {until!r}", lambda: until in process.read(log), seconds, 0.2)
        if then:
            then(vm)
        return vm
    return play


def runs(*cpus):
    return lambda vm: vm.until_runs(*cpus)


def halts(*cpus):
    return lambda vm: vm.until_halted(*cpus)


def kernel_busy(command, until="lab: busy", **more):
    """All CPUs run the same command, which keeps them in the kernel."""
    smp = more.get("smp", 2)
    return boots(f"for n in $(busybox seq {smp}); do {command} & done\necho {until}\n{SLEEP}", until,
                 then=runs(*range(smp)), **more)


def disk(stage, size=64 << 20):
    """A raw disk for virtio-blk that is not sparse, as QEMU's arguments."""
    image = stage.tmp / "disk.img"
    with open(image, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)
    return ("-drive", f"file={image},format=raw,if=none,id=d,cache=none,aio=threads",
            "-device", "virtio-blk-pci,drive=d")


def requests(vm):
    """How many requests its drives have answered."""
    return sum(entry["stats"]["rd_operations"] + entry["stats"]["wr_operations"]
               for entry in vm.qmp.ask("query-blockstats"))


def disk_busy(command, **more):
    def play(stage):
        vm, log = starts(stage, f"echo lab: busy\nwhile :; do {command}; done", *disk(stage),
                         modules=("virtio_pci", "virtio_blk"), **more)
        stage.until("the guest works on its disk",
                    lambda: "lab: busy" in process.read(log) and requests(vm) > 200, 240, 0.2)
        return vm
    return play


def network_busy(command):
    """Against a program of the host, which gives back what it gets, and against QEMU's own network."""
    def play(stage):
        vm, log = starts(
            stage, "busybox ip link set eth0 up; busybox ip addr add 10.0.2.15/24 dev eth0\n"
            f"echo lab: busy\nwhile :; do {command}; done",
            "-netdev", "user,id=n,restrict=on,guestfwd=tcp:10.0.2.100:7-cmd:cat",
            "-device", "virtio-net-pci,netdev=n,romfile=", modules=("virtio_pci", "virtio_net"))
        stage.until("the guest sends", lambda: "lab: busy" in process.read(log), 240, 0.2)
        before = [process.run_ns(vm.pid, vm.pid)[0]]

        def carries():
            before.append(process.run_ns(vm.pid, vm.pid)[0])
            return before[-1] - before[-2] > 10e6  # QEMU's main loop carries it

        stage.until("QEMU carries packets", carries, 60, 0.2)
        return vm
    return play


def booting(until, **more):
    """Caught in the middle of the boot: its kernel waits a little behind each line that it prints."""
    def play(stage):
        vm, log = starts(stage, LOGIN, append="boot_delay=1 lpj=2000 earlyprintk=ttyS0", **more)
        stage.until(f"the console shows {until!r}", lambda: until in process.read(log), 240, 0.05)
        return vm
    return play


def seabios_booting(**more):
    def play(stage):
        boot_disk("sector-idle", stage.tmp / "boot.img", 1 << 20)
        vm = stage.qemu("-vga", "std", "-boot", "menu=on,splash-time=0",
                        "-drive", f"file={stage.tmp / 'boot.img'},format=raw,if=ide", memory="32", **more)
        vm.until_screen("SeaBIOS")
        return vm
    return play


def ovmf_booting(stage):
    vm = stage.qemu("-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={CODE}",
                    "-drive", f"if=pflash,format=raw,unit=1,snapshot=on,file={VARS}",
                    "-serial", f"file:{stage.tmp / 'serial.out'}", machine="q35", memory="128", smp=2)
    vm.until_runs(0, seconds=0.2)
    return vm


def slow(stage):
    """Half of a CPU, by its cgroup's quota: that is slow, and goes on."""
    vm, log = starts(stage, "(while :; do :; done) & echo lab: busy; while :; do :; done")
    stage.until("the console shows that it works", lambda: "lab: busy" in process.read(log), 240, 0.2)
    group = cgroup.Group("cpu", stage.tag)
    group.add(vm.pid)
    group.write("cpu.cfs_period_us", 100000)
    group.write("cpu.cfs_quota_us", 50000)

    def throttled():
        return int(dict(line.split() for line in group.read("cpu.stat").splitlines())["nr_throttled"])

    stage.until("the quota takes CPU time from it", lambda: throttled() > 5, 60)
    return vm


def full_pipe(stage):
    """A serial port whose reader never reads: who writes there waits, the rest of the guest goes on."""
    for name in ("pipe.in", "pipe.out"):
        os.mkfifo(stage.tmp / name)
    ends = [os.open(stage.tmp / name, os.O_RDWR | os.O_NONBLOCK) for name in ("pipe.in", "pipe.out")]
    stage.at_exit(lambda: [os.close(end) for end in ends])
    vm, _ = starts(stage, "busybox yes >/dev/ttyS0 &\nwhile :; do :; done", console="console=tty0",
                   serial=f"pipe:{stage.tmp / 'pipe'}")

    def unread():
        return int.from_bytes(fcntl.ioctl(ends[1], termios.FIONREAD, bytes(4)), "little")

    stage.until("the pipe is full", lambda: unread() >= 65536, 240, 0.2)
    vm.until_runs(0, 1)
    return vm


def debugged(stage):
    """Somebody's debugger is attached to QEMU's gdb stub, and lets the guest run."""
    path = stage.tmp / "gdb.sock"
    vm, log = starts(stage, LOGIN, "-chardev", f"socket,id=g,path={path},server=on,wait=off", "-gdb", "chardev:g")
    stage.until("the login prompt", lambda: "lab login:" in process.read(log), 240, 0.2)
    gdb = socket.socket(socket.AF_UNIX)
    gdb.settimeout(10)
    gdb.connect(str(path))
    stage.at_exit(gdb.close)
    vm.until_status("paused")  # so the stub receives who attaches
    gdb.sendall(b"+$c#63")
    vm.until_status("running")
    vm.until_halted(0, 1)
    return vm


# Boots the kernel that is already in its initramfs: kexec_file_load(2), reboot(2).
KEXEC = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	int kernel = open("/vmlinuz", O_RDONLY), initrd = open("/initrd", O_RDONLY);
	int crash = argc > 2;

	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[1]) + 1, argv[1], crash ? 2L : 0L))
		return 1;
	if (!crash)
		syscall(SYS_reboot, 0xfee1dead, 672274793, 0x45584543, 0);
	return 0;
}
"""


def kexec(crash):
    """Another kernel took the machine over: by kexec, or as kdump's capture kernel behind a panic."""
    def play(stage):
        source, program = stage.tmp / "kexec.c", stage.tmp / "kexec"
        source.write_text(KEXEC)
        subprocess.run(["cc", "-static", "-O1", "-o", program, source], check=True, timeout=60)
        second = initramfs(MOUNTS + "echo lab: second kernel; while :; do :; done", stage.tmp / "second")
        options = "console=ttyS0 mitigations=off tsc=unstable" + (" nr_cpus=1 reset_devices" if crash else "")
        files = [("kexec", stat.S_IFREG | 0o755, 0, program.read_bytes()),
                 ("vmlinuz", stat.S_IFREG | 0o644, 0, kernels.image().read_bytes()),
                 ("initrd", stat.S_IFREG | 0o644, 0, second.read_bytes())]
        go = "echo c >/proc/sysrq-trigger" if crash else "echo failed"
        vm, log = starts(stage, f"/kexec '{options}' {'crash' if crash else ''} || echo lab: kexec failed\n{go}\n"
                         + SLEEP, files=files, memory="768", append="crashkernel=256M" if crash else "")
        stage.until("the second kernel is up",
                    lambda: re.search("lab: (second|kexec failed)", process.read(log)), 400, 0.2)
        if "kexec failed" in process.read(log):
            raise LabError(f"{stage.name}: kexec_file_load failed")
        vm.until_runs(*range(2))
        return vm
    return play


def silent_display(init, until, *cpus, busy=False):
    """The kernel speaks on the serial port alone: the display stays at SeaBIOS' last words."""
    def then(vm):
        vm.until_runs(*cpus) if busy else vm.until_halted(*cpus)
        screen = vm.qmp.screen()
        if "SeaBIOS" not in screen and "Booting" not in screen:
            raise LabError(f"{vm.stage.name}: the display shows {screen!r}")
    return boots(init, until, console="console=ttyS0", then=then)


def scrolled_screen(vm):
    """All of the text memory: a console that scrolls moves its begin."""
    words = re.findall(r"0x([0-9a-f]{4})\b", vm.qmp.human("xp /16384hx 0xb8000"))
    return "".join(chr(int(word, 16) & 0xFF) for word in words)


def silent_serial(stage):
    """The kernel speaks on the display alone."""
    vm, log = starts(stage, "exec >/dev/tty0 2>&1; " + LOGIN, console="console=tty0")
    stage.until("the screen shows the login prompt", lambda: "lab login:" in scrolled_screen(vm), 240, 0.2)
    vm.until_halted(0, 1)
    if process.read(log):
        raise LabError(f"{stage.name}: the serial port is not silent")
    return vm


IDLE = Expect("guest-idle", "idle", False, "likely")
BUSY = Expect("guest-busy", "running", False, "likely")
DISK = Expect("guest-disk-busy", "running", False, "likely", accept=("guest-busy",))
BOOTS = Expect("guest-boots", "running", False, "likely", accept=("guest-busy",))
ELSEWHERE = Expect("guest-on-another-console", "running", False, "likely")
LOOPS = "(while :; do :; done) & "
TCG = {"accel": "tcg", "quick": False, "deadline": 480}
BOTH = {**TCG, "load": 2.0}                      # both of its vCPUs work all the time
MANY = {**TCG, "load": 2.0, "alone": True}       # the host has no CPU left for others
PASSES = {"quick": False, "lasts": False, "deadline": 480}  # a boot does not last

SCENARIOS = [
    Scenario("linux-kernel-busy", "Linux copies zeroes and makes random numbers for ever, in the kernel",
             BUSY, boots("(while :; do dd if=/dev/zero of=/dev/null bs=1M count=9999; done) 2>/dev/null &\n"
                         "echo lab: busy\n"
                         "(while :; do dd if=/dev/urandom of=/dev/null bs=64k count=999; done) 2>/dev/null",
                         "lab: busy", then=runs(0, 1)), **BOTH),
    Scenario("linux-find", "Linux with 4 CPUs walks its file systems for ever",
             BUSY, kernel_busy("(while :; do busybox find /sys /proc; done) >/dev/null 2>&1", smp=4, kernel=kernels.NEWER),
             **MANY),
    Scenario("linux-busy-8", "Linux with 8 CPUs, a loop in user space on each",
             BUSY, kernel_busy("(while :; do :; done)", smp=8), **MANY),
    Scenario("linux-idle-8", "Linux with 8 CPUs at its login prompt",
             IDLE, boots(LOGIN, "lab login:", smp=8, then=halts(0, 7)), **{**TCG, "load": 0.2}),
    Scenario("linux-disk-direct", "Linux writes to a virtio disk with O_DIRECT for ever",
             DISK, disk_busy("dd if=/dev/zero of=/dev/vda bs=64k count=1000 oflag=direct 2>/dev/null"), **TCG),
    Scenario("linux-disk-fsync", "Linux writes to a virtio disk and waits for each to be on it",
             DISK, disk_busy("dd if=/dev/zero of=/dev/vda bs=4k count=16 conv=fsync 2>/dev/null", smp=1), **TCG),
    Scenario("linux-network-ping", "Linux answers and sends pings as fast as it can",
             BUSY, network_busy("busybox ping -A -q 10.0.2.2"), **TCG),
    Scenario("linux-network-stream", "Linux sends a stream over virtio-net, and gets it back",
             BUSY, network_busy("dd if=/dev/zero bs=16k count=9999 2>/dev/null | busybox nc 10.0.2.100 7 >/dev/null"),
             **TCG),
    Scenario("linux-boots-early", "Linux at the begin of its boot, slowed by its console",
             BOOTS, booting("Linux version"), accel="tcg", **PASSES),
    Scenario("linux-boots", "Linux in the middle of its boot, slowed by its console",
             BOOTS, booting("smp: Bringing up secondary CPUs"), accel="tcg", **PASSES),
    Scenario("linux-boots-newer", "a newer Linux with 4 CPUs, late in its boot",
             BOOTS, booting("NET: Registered PF_NETLINK", kernel=kernels.NEWER, smp=4), accel="tcg", **PASSES),
    Scenario("seabios-boots", "SeaBIOS looks for its devices", BOOTS, seabios_booting(), accel="kvm", **PASSES),
    Scenario("ovmf-boots", "OVMF just started", BOOTS, ovmf_booting, accel="tcg", needs=("ovmf",),
             **PASSES),
    Scenario("linux-slow", "Linux works at half of a CPU, for its cgroup's quota",
             Expect("guest-slow", "running", False, "likely", accept=("guest-busy",)), slow,
             needs=("cpu-v1",), **MANY),
    Scenario("linux-idle-poll", "Linux idles in a loop that never halts (idle=poll)",
             Expect("guest-polls-when-idle", "running", False, "likely", accept=("guest-busy",)),
             boots(LOGIN, "lab login:", append="idle=poll", then=runs(0, 1)), **BOTH),
    Scenario("linux-isolated", "a program that polls for ever has CPU 1 for itself (isolcpus, nohz_full)",
             BUSY, boots("busybox taskset 2 sh -c 'while :; do :; done' & echo lab: busy\n" + SLEEP, "lab: busy",
                         append="isolcpus=1 nohz_full=1 rcu_nocbs=1", then=runs(1)), **TCG),
    Scenario("linux-asleep", "Linux with one CPU sleeps, with hardly a timer",
             IDLE, boots("echo lab: asleep\n" + SLEEP, "lab: asleep", smp=1, then=halts(0)), **{**TCG, "load": 0.2}),
    Scenario("linux-cpu-offline", "Linux with CPU 1 taken offline: halted for good, interrupts off",
             IDLE, boots("echo 0 >/sys/devices/system/cpu/cpu1/online && echo lab: offline\n" + SLEEP, "lab: offline",
                         then=halts(0, 1)), **{**TCG, "load": 0.2}),
    Scenario("linux-cpu-offline-busy", "the same with 3 CPUs, and CPU 0 at work",
             BUSY, boots("echo 0 >/sys/devices/system/cpu/cpu1/online && echo lab: offline\n"
                         "busybox taskset 1 sh -c 'while :; do :; done'\n", "lab: offline", smp=3, then=runs(0)),
             **TCG),
    Scenario("linux-maxcpus", "Linux that starts one of its 4 CPUs (maxcpus=1)",
             IDLE, boots(LOGIN, "lab login:", smp=4, append="maxcpus=1", then=halts(0)), **{**TCG, "load": 0.2}),
    Scenario("linux-nosmp", "Linux that starts one of its 2 CPUs (nosmp), at work",
             BUSY, boots("echo lab: busy; while :; do :; done", "lab: busy", append="nosmp", then=runs(0)), **TCG),
    Scenario("linux-kexec", "Linux behind a kexec, at work", BUSY, kexec(False), **BOTH),
    Scenario("linux-kdump", "kdump's capture kernel at work, behind a panic", BUSY, kexec(True), **TCG),
    Scenario("linux-oops", "Linux at work behind an oops that killed a task",
             BUSY, boots("echo 'WARNING: CPU: 0 PID: 77 at kernel/lab.c:1 lab+0x1/0x2' >/dev/kmsg\n"
                         "echo 'BUG: kernel NULL pointer dereference, address: 0000000000000000' >/dev/kmsg\n"
                         "echo 'Oops: 0002 [#1] PREEMPT SMP NOPTI' >/dev/kmsg\n"
                         f"{LOOPS} echo lab: busy; while :; do :; done", "lab: busy", then=runs(0, 1)), **BOTH),
    Scenario("linux-going-down", "Linux counts down to its power-off",
             IDLE, boots("echo 'The system will power off in 60 minutes!'\n" + SLEEP, "power off in",
                         then=halts(0, 1)), **{**TCG, "load": 0.2}),
    Scenario("linux-debugged", "Linux idles, a debugger is attached to QEMU's gdb stub",
             IDLE, debugged, **{**TCG, "load": 0.2}),
    Scenario("linux-serial-unread", "Linux at work, whose serial port nobody reads",
             dataclasses.replace(BUSY, also=("console-not-read",)), full_pipe, **BOTH),
    Scenario("linux-silent-display", "Linux idles and speaks on the serial port alone",
             Expect("guest-on-another-console", "idle", False, "likely"),
             silent_display(LOGIN, "lab login:", 0, 1), **{**TCG, "load": 0.2}),
    Scenario("linux-silent-display-busy", "Linux works and speaks on the serial port alone",
             ELSEWHERE, silent_display(f"{LOOPS} while :; do echo lab: busy; busybox usleep 100000; done",
                                       "lab: busy", 0, busy=True), **TCG),
    Scenario("linux-silent-serial", "Linux idles and speaks on the display alone",
             Expect("guest-on-another-console", "idle", False, "likely"), silent_serial, **{**TCG, "load": 0.2}),
]
