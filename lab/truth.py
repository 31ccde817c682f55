# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Linux guest that tells the truth about itself: it writes what its kernel says of itself to a disk, which is read
here, and then goes on. What is read of its memory from outside is compared with that (tests/live/inside.py)."""
import dataclasses
import functools
import io
import re
import socket
import tarfile
import typing

import kernels
import process
from guests import SOURCES
from kernels import KERNELS
from scenario import Expect, Scenario
from store import initramfs

DISK = "truth.img"
DISK_BYTES = 96 << 20
MOUNTS = """export PATH=/bin; /bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
tune() { echo "$2" >/proc/sys/$1; }
tune kernel/kptr_restrict 0
exec 3<>/dev/%s # open from now on: what is sent while a port is closed is lost
"""
# What /proc and /sys show has no size, so that tar would leave it out: it is copied first. A second call replaces what
# the first has told.
TELL = """tell() {
    rm -rf /truth; mkdir -p /truth; cd /truth
    for pid in /proc/[0-9]*; do
        mkdir ${pid##*/}
        cat $pid/status >${pid##*/}/status; cat $pid/stack >${pid##*/}/stack
    done 2>/dev/null
    cat /proc/kallsyms >kallsyms; cat /proc/modules >modules; cat /proc/version >version
    cat /proc/cmdline >cmdline; cat /proc/sys/kernel/tainted >tainted
    for path in /sys/kernel/btf/vmlinux /sys/kernel/notes /sys/kernel/vmcoreinfo; do
        [ -e $path ] && cat $path >${path##*/}
    done
    cat /proc/uptime >uptime
    cat /dev/kmsg >kmsg & reader=$!
    sleep 1; kill $reader
    tar c . | busybox dd of=/dev/vda bs=64k conv=fsync 2>/dev/null; cd /
    echo lab: told >&3
}
"""


@dataclasses.dataclass(frozen=True)
class Machine:
    """What differs between the architectures of guests."""
    port: str         # name of the first serial port
    arguments: tuple  # of QEMU
    append: str       # to the kernel's command line


MACHINES = {
    "amd64": Machine("ttyS0", ("-vga", "std"), "tsc=reliable random.trust_cpu=on"),
    "arm64": Machine("ttyAMA0", (), "random.trust_cpu=on"),
}
UNTIL_GO = "read line <&3\n"
IDLE = "while :; do sleep 1; done\n"


@dataclasses.dataclass
class Record:
    seq: int
    ts_us: int
    level: int
    facility: int
    text: bytes


@dataclasses.dataclass
class Task:
    pid: int
    tgid: int
    name: str
    state: str
    stack: typing.List[str]  # names of functions, innermost first


class Truth:
    """What a guest told of itself."""

    def __init__(self, path):
        self.files = {}
        with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as tar:
            for entry in tar:
                if entry.isfile():
                    self.files[entry.name.removeprefix("./")] = tar.extractfile(entry).read()

    def text(self, name):
        return self.files[name].decode(errors="replace")

    @functools.cached_property
    def symbols(self):
        """[(address, type, name)] of the kernel itself, in its order. What bpf and modules added is left out."""
        rows = (line.split("\t")[0].split(" ") for line in self.text("kallsyms").splitlines() if "\t" not in line)
        return [(int(row[0], 16), row[1], row[2]) for row in rows]

    @property
    def btf(self):
        """Bytes of its types; None where it has none."""
        return self.files.get("vmlinux")

    @property
    def build_id(self):
        """Of the note "GNU" of type 3 in /sys/kernel/notes, as hexadecimal digits."""
        found = re.search(rb"\x04\0\0\0(.)\0\0\0\x03\0\0\0GNU\0", self.files["notes"], re.S)
        return self.files["notes"][found.end():found.end() + found[1][0]].hex() if found else None

    @property
    def release(self):
        return self.text("version").split()[2]

    @functools.cached_property
    def modules(self):
        """{name: (bytes, address)}"""
        rows = (line.split() for line in self.text("modules").splitlines())
        return {row[0]: (int(row[1]), int(row[5], 16)) for row in rows}

    @functools.cached_property
    def records(self):
        """The kernel's log: Documentation/ABI/testing/dev-kmsg. Bytes that are not printed are undone of \\xNN."""
        found = []
        for line in self.files["kmsg"].split(b"\n"):
            head, separator, text = line.partition(b";")
            if separator and not line.startswith(b" "):
                prefix, seq, ts_us, *_ = head.split(b",")
                text = re.sub(rb"\\x([0-9a-f]{2})", lambda digits: bytes([int(digits[1], 16)]), text)
                found.append(Record(int(seq), int(ts_us), int(prefix) & 7, int(prefix) >> 3, text))
        return found

    @functools.cached_property
    def tasks(self):
        """{pid: Task} of processes and kernel threads."""
        found = {}
        for name in self.files:
            pid, _, leaf = name.partition("/")
            if leaf != "status" or not pid.isdigit():
                continue
            rows = dict(line.split(":\t", 1) for line in self.text(name).splitlines() if ":\t" in line)
            if "State" in rows:
                stack = re.findall(r"\] (\S+?)\+0x", self.files.get(f"{pid}/stack", b"").decode(errors="replace"))
                found[int(pid)] = Task(int(pid), int(rows["Tgid"]), rows["Name"], rows["State"][0], stack)
        return found


class Guest:
    """A guest that tells: the VM, and what it has told."""

    def __init__(self, vm, log):
        self.vm, self.pid, self.log = vm, vm.pid, log

    def until_said(self, text, times=1, seconds=120):
        self.vm.stage.until(f"the guest says {text!r}", lambda: process.read(self.log).count(text) >= times, seconds,
                            0.1)

    def told(self, times=1):
        self.until_said("lab: told", times)
        return Truth(self.vm.stage.tmp / DISK)

    def let_it_wait(self):
        """Of reads_disk(): from now on its disk serves a byte a second."""
        self.until_said("lab: ready")
        self._throttle(1)

    def let_it_go_on(self):
        """Of reads_disk(): its disk is as fast as it can be again."""
        self._throttle(0)

    def _throttle(self, bytes_a_second):
        self.vm.qmp.ask("block_set_io_throttle", id="/machine/peripheral/slow/virtio-backend",
                        bps=bytes_a_second, bps_rd=0, bps_wr=0, iops=0, iops_rd=0, iops_wr=0)

    def go(self):
        """Lets it go on from where its script waits for a line."""
        with socket.socket(socket.AF_UNIX) as says:
            says.settimeout(20)
            says.connect(str(self.vm.stage.tmp / "says.sock"))
            says.sendall(b"go\n")
            # QEMU forgets what it has not passed on when the other side is gone, and some ports take a byte at a
            # time: it closes when it has read all.
            says.shutdown(socket.SHUT_WR)
            while says.recv(4096):
                pass


def trouble(kind, cpu=1, again=False):
    """Of lab/guests/kernel/trouble.c; again: a further one of the same guest."""
    if again:
        where = "/sys/module/trouble/parameters"
        return f"echo {cpu} >{where}/cpu; echo {kind} >{where}/make\n"
    return f"busybox insmod /modules/trouble.ko make={kind} cpu={cpu}\n"


def start(stage, init, *extra, kernel=kernels.STOCK, append="", modules=(), smp=2, memory="512", machine="pc",
          accel="tcg,thread=multi", kaslr=True, console=""):
    """Starts a guest whose init is the shell script `init`, in which `tell` tells the truth. Its first serial port, which
    is no console of the kernel's unless `console` says so, is for what the script says; and its first virtio disk for
    the truth. extra: further arguments of QEMU."""
    disk, log = stage.tmp / DISK, stage.tmp / "serial.log"
    with open(disk, "wb") as file:
        file.truncate(DISK_BYTES)
    arch = kernels.described(kernel).arch
    of_machine = MACHINES[arch]
    files = []
    if "trouble.ko" in init:
        files.append(("modules/trouble.ko", 0o100644, 0,
                      kernels.own_module(SOURCES / "kernel" / "trouble.c", kernel)))
    loaded = kernels.drivers(("virtio_pci", "virtio_blk", *modules), kernel)
    arguments = ["-kernel", kernels.image(kernel), "-chardev",
                 f"socket,id=says,path={stage.tmp}/says.sock,server=on,wait=off,logfile={log}", "-serial", "chardev:says",
                 *of_machine.arguments, "-append",
                 f"{console} {of_machine.append} {'' if kaslr else 'nokaslr'} {append}",
                 "-drive", f"file={disk},format=raw,if=none,id=truth,cache=unsafe", "-device", "virtio-blk-pci,drive=truth",
                 "-initrd", initramfs(MOUNTS % of_machine.port + TELL + init, stage.tmp / "initrd", loaded, files, arch),
                 *extra]
    return Guest(stage.qemu(*arguments, smp=smp, memory=memory, machine=machine, accel=accel), log)


# Reads from a disk until one takes for ever; then tells.
READS_UNTIL_IT_HANGS = """echo lab: ready >&3; tune vm/drop_caches 4
dd() { tune vm/drop_caches 3; busybox dd if=/dev/vdb of=/dev/null bs=4k count=1 2>/dev/null; }
while dd; do :; done &
hangs() { grep -l '^State:.D' /proc/[0-9]*/status; }
until a=$(hangs); sleep 1; b=$(hangs); [ "$a" ] && [ "$a" = "$b" ]; do :; done
"""


def reads_disk(stage, then=IDLE, **more):
    """A guest that will have a task in state D, whatever its kernel, once its disk serves next to nothing
    (Guest.let_it_wait()); then it tells of itself."""
    disk = stage.tmp / "slow.img"
    with open(disk, "wb") as file:
        file.truncate(1 << 20)
    return start(stage, READS_UNTIL_IT_HANGS + "tell\n" + then, "-drive", f"file={disk},format=raw,if=none,id=slow",
                 "-device", "virtio-blk-pci,drive=slow,id=slow", *more.pop("extra", ()), **more)


def scenario_of(kernel):
    """For lab/start: such a guest, when it has told."""
    def play(stage):
        guest = reads_disk(stage, kernel=kernel)
        guest.let_it_wait()
        guest.told()
        return guest.vm
    return Scenario(f"truth@{kernel}", f"Linux {kernel} has told the truth about itself",
                    Expect(None, "blocked", None), play, accel="tcg")
