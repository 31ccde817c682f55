# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that waits for its storage: who keeps it from it. Mostly a ROM guest that drives a virtio disk
itself and halts while it waits, so that it looks idle."""
import errno
import os
import shutil
import signal
import subprocess

import cgroup
import process
import scenario
from guests import boot_disk
from scenario import Expect, Scenario, unless
from .healthy import starts

DISK = ("-device", "virtio-blk-pci,id=disk0,drive=disk,addr=04.0,queue-size=256")
DISK_PATH = "/machine/peripheral/disk0/virtio-backend"


def tool_missing(*names):
    return next((f"no program {name}" for name in names if not shutil.which(name)), None)


def loop_missing():
    return (unless(not os.geteuid(), "mounting needs root")
            or unless(os.path.exists("/dev/loop-control"), "no loop devices")
            or tool_missing("mkfs.ext4", "fsfreeze", "mount", "losetup"))


scenario.NEEDS.update({
    "qemu-nbd": lambda: tool_missing("qemu-nbd"),
    "qemu-storage-daemon": lambda: tool_missing("qemu-storage-daemon"),
    "loop": loop_missing,
    "blkio-v1": lambda: unless(cgroup.writable("blkio"), "no cgroup v1 blkio controller to write to"),
})


def image(path, size=16 << 20):
    with open(path, "wb") as disk:
        disk.truncate(size)
    return path


def counters(vm):
    return vm.qmp.ask("query-blockstats")[0]["stats"]


def completed(vm):
    stats = counters(vm)
    return sum(stats[f"{what}_operations"] for what in ("rd", "wr", "flush"))


def until_works(vm, requests=5):
    vm.stage.until(f"{requests} requests are done", lambda: completed(vm) >= requests, 30)


def in_flight(vm):
    return vm.qmp.ask("x-query-virtio-queue-status", path=DISK_PATH, queue=0)["inuse"]


def until_waits(vm, seconds=1.0):
    """Until a request has been in flight and nothing was completed for so long."""
    vm.stage.until(f"a request is in flight for {seconds} s", lambda: in_flight(vm) and counters(
        vm).get("idle_time_ns", 2e9) > seconds * 1e9, 30, 0.1)


def nbd(stage, rom="virtio-read", reconnect=0, requests=5):
    """A guest whose disk is served by qemu-nbd, and the server."""
    address = stage.tmp / "nbd.sock"
    server = stage.spawn(["qemu-nbd", "-t", "-f", "raw", "-k", address,
                          image(stage.tmp / "disk.img")], must_live=False)
    stage.until("the NBD server listens", address.exists)
    vm = stage.qemu("-blockdev", f"driver=nbd,node-name=disk,server.type=unix,server.path={address},"
                    f"reconnect-delay={reconnect}", *DISK, rom=rom)
    until_works(vm, requests)
    return vm, server


def nbd_stalled(stage):
    vm, server = nbd(stage)
    os.kill(server.pid, signal.SIGSTOP)
    until_waits(vm)
    return vm


def nbd_gone(reconnect):
    def play(stage):
        vm, server = nbd(stage, reconnect=reconnect)
        server.kill()
        stage.until("QEMU tries to connect again",
                    lambda: "nbd-connect" in process.threads(vm.pid).values())
        if reconnect:
            until_waits(vm)
        else:
            stage.until("requests fail", lambda: counters(vm)["failed_rd_operations"] > 5)
        return vm
    return play


def nbd_idle(stage):
    """The guest has nothing for its disk to do, behind which the server was stopped."""
    vm, server = nbd(stage, rom="virtio-read-ten", requests=10)
    os.kill(server.pid, signal.SIGSTOP)
    vm.until_halted()
    return vm


def disk(stage, rom, file, *options, device=DISK):
    more = "".join(f",{option}" for option in options)
    return stage.qemu("-drive", f"if=none,id=disk,format=raw,file={file}{more}", *device, rom=rom)


def on_fuse(stage):
    vm = disk(stage, "virtio-read", stage.stalled_files() / "ram")
    until_waits(vm)
    return vm


def on_stuck_device(stage):
    """The disk is a block device of the host, a loop over a file system that does not answer."""
    file = stage.stalled_files() / "ram"
    device = subprocess.run(["losetup", "-r", "-f", "--show", file], check=True,
                            capture_output=True, text=True, timeout=20).stdout.strip()
    stage.at_exit(lambda: subprocess.run(["losetup", "-d", device], check=False, timeout=20))
    vm = disk(stage, "virtio-read", device, "readonly=on")
    until_waits(vm)
    return vm


def io_limited(stage):
    """The disk is a block device of the host, of which the VM's cgroup may read 100 bytes a second."""
    device = subprocess.run(["losetup", "-f", "--show", image(stage.tmp / "loop.img")], check=True,
                            capture_output=True, text=True, timeout=20).stdout.strip()
    stage.at_exit(lambda: subprocess.run(["losetup", "-d", device], check=False, timeout=20))
    number = os.stat(device).st_rdev
    vm = disk(stage, "virtio-read", device, "cache=none")
    until_works(vm)
    group = cgroup.Group("blkio", stage.tag)
    group.write("blkio.throttle.read_bps_device", f"{os.major(number)}:{os.minor(number)} 100")
    group.add(vm.pid)
    until_waits(vm)
    return vm


def frozen(stage):
    """The disk lies on a file system of the host that somebody froze."""
    target = stage.tmp / "mount"
    target.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-F", image(stage.tmp / "ext4.img", 64 << 20)], check=True)
    subprocess.run(["mount", "-o", "loop", stage.tmp / "ext4.img", target], check=True)
    vm = disk(stage, "virtio-write", image(target / "disk.img"))
    until_works(vm)
    subprocess.run(["fsfreeze", "-f", target], check=True)
    stage.at_exit(lambda: subprocess.run(["fsfreeze", "-u", target], check=False))
    until_waits(vm)
    return vm


def fails(stage):
    """Every write fails, and the guest is told."""
    vm = stage.qemu(
        "-blockdev", f"driver=file,filename={image(stage.tmp / 'disk.img')},node-name=file0",
        "-blockdev", "driver=blkdebug,image=file0,node-name=disk,inject-error.0.event=pwritev,"
        f"inject-error.0.iotype=write,inject-error.0.errno={errno.EIO}",
        "-device", "virtio-blk-pci,id=disk0,drive=disk,addr=04.0,queue-size=256,werror=report",
        rom="virtio-write")
    stage.until("requests fail", lambda: counters(vm)["failed_wr_operations"] > 5, 30)
    return vm


def throttled(stage):
    vm = disk(stage, "virtio-read", image(stage.tmp / "disk.img"), "throttling.iops-total=1")
    until_works(vm, 3)
    return vm


def slow(stage):
    """Twenty requests a second: slow, but it moves."""
    vm = disk(stage, "virtio-write", image(stage.tmp / "disk.img"), "throttling.iops-total=20")
    until_works(vm, 30)
    return vm


def limited(stage):
    """A drive with a limit that the guest does not reach."""
    vm = disk(stage, "virtio-read-ten", image(stage.tmp / "disk.img"), "throttling.iops-total=5")
    until_works(vm, 10)
    vm.until_halted()
    return vm


def writes(stage):
    vm = disk(stage, "virtio-write", image(stage.tmp / "disk.img"), "cache=writethrough")
    until_works(vm, 20)
    return vm


def ring(rom):
    def play(stage):
        vm = disk(stage, rom, image(stage.tmp / "disk.img"))
        if rom != "virtio-broken":
            until_works(vm, 3)
        else:
            stage.until("QEMU says so", lambda: "Virtqueue" in process.read(vm.log))
        vm.until_halted()
        return vm
    return play


def vhost_user(stage):
    """SeaBIOS reads a disk that qemu-storage-daemon serves, and that process."""
    address = stage.tmp / "vhost.sock"
    boot = boot_disk("sector-read", stage.tmp / "disk.img", 16 << 20)
    server = stage.spawn(["qemu-storage-daemon", "--blockdev",
                          f"driver=file,node-name=file,filename={boot}", "--export",
                          "type=vhost-user-blk,id=export,node-name=file,writable=on,"
                          f"addr.type=unix,addr.path={address}"], must_live=False)
    stage.until("the backend listens", address.exists)
    vm = stage.qemu("-object", "memory-backend-memfd,id=ram,size=32M,share=on",
                    "-chardev", f"socket,id=backend,path={address}", "-vga", "std",
                    "-device", "vhost-user-blk-pci,id=disk0,chardev=backend,bootindex=1",
                    machine="pc,memory-backend=ram", memory="32")
    vm.until_screen("Booting from Hard Disk")
    vm.until_runs()
    return vm, server


def vhost_user_gone(stage):
    vm, server = vhost_user(stage)
    server.kill()
    stage.until("QEMU has noticed", lambda: any(
        device["label"] == "backend" and device["filename"].startswith("disconnected:")
        for device in vm.qmp.ask("query-chardev")))
    return vm


def vhost_user_stopped(stage):
    vm, server = vhost_user(stage)
    os.kill(server.pid, signal.SIGSTOP)
    stage.until("the backend is stopped", lambda: process.state(server.pid) == "T")
    vm.until_runs()
    return vm


def firmware_waits(stage):
    """SeaBIOS reads an IDE disk whose NBD server was stopped: it polls, and its vCPU is busy."""
    address = stage.tmp / "nbd.sock"
    boot = boot_disk("sector-read", stage.tmp / "disk.img", 1 << 20)
    server = stage.spawn(["qemu-nbd", "-t", "-f", "raw", "-k", address, boot], must_live=False)
    stage.until("the NBD server listens", address.exists)
    vm = stage.qemu("-blockdev", f"driver=nbd,node-name=disk,server.type=unix,server.path={address}",
                    "-device", "virtio-blk-pci,id=disk0,drive=disk,bootindex=1", memory="32")
    until_works(vm, 100)
    os.kill(server.pid, signal.SIGSTOP)
    until_waits(vm)
    return vm


def linux_waits(stage):
    """Linux writes to a disk whose NBD server was stopped: all of its CPUs are idle then."""
    address = stage.tmp / "nbd.sock"
    server = stage.spawn(["qemu-nbd", "-t", "-f", "raw", "-k", address,
                          image(stage.tmp / "disk.img")], must_live=False)
    stage.until("the NBD server listens", address.exists)
    vm, _ = starts(stage, "while :; do dd if=/dev/zero of=/dev/vda bs=64k count=4 oflag=direct 2>/dev/null; done",
                   "-blockdev", f"driver=nbd,node-name=disk,server.type=unix,server.path={address}",
                   "-device", "virtio-blk-pci,id=disk0,drive=disk,num-queues=1",
                   modules=("virtio_pci", "virtio_blk"))
    stage.until("the guest writes", lambda: completed(vm) > 20, 240, 0.2)
    os.kill(server.pid, signal.SIGSTOP)
    until_waits(vm)
    vm.until_halted(0, 1)
    return vm


def waits(cause, at_least="likely", state="blocked", **more):
    return Expect(cause, state, True, at_least, **more)


def polls(cause, at_least="likely"):
    """Firmware polls while it waits: on a host that is short of CPUs its vCPU is starved as well."""
    return waits(cause, at_least, accept=("cpu-starved",))


IDLE = Expect("guest-idle", "idle", False, "likely", accept=("guest-disk-busy",))
VIRTIO = {"accel": "kvm", "load": 0.1}

SCENARIOS = [
    Scenario("nbd-stalled", "the NBD server of the guest's disk was stopped",
             waits("nbd-server-stalled", "certain"), nbd_stalled, needs=("qemu-nbd",), old_and_new=True,
             **VIRTIO),
    Scenario("nbd-stalled-firmware", "the same, and it is the firmware that waits and polls",
             polls("nbd-server-stalled", "certain"), firmware_waits, needs=("qemu-nbd",), accel="kvm"),
    Scenario("nbd-stalled-linux", "the same, and it is Linux that waits, with idle CPUs",
             waits("nbd-server-stalled", "certain"), linux_waits, needs=("qemu-nbd",), accel="tcg",
             load=0.2),
    Scenario("vhost-user-gone", "the process that served the guest's vhost-user disk was killed",
             polls("vhost-user-backend-gone", "certain"), vhost_user_gone,
             needs=("qemu-storage-daemon",), accel="kvm", old_and_new=True),
    Scenario("vhost-user-stopped", "the process that serves the guest's vhost-user disk was stopped",
             polls("vhost-user-backend-stalled"), vhost_user_stopped,
             needs=("qemu-storage-daemon",), accel="kvm", old_and_new=True),
    Scenario("nbd-gone", "the NBD server was killed, requests fail at once",
             waits("nbd-server-gone", "certain"), nbd_gone(0), needs=("qemu-nbd",),
             old_and_new=True, **VIRTIO),
    Scenario("nbd-gone-waits", "the NBD server was killed, requests wait for it to come back",
             waits("nbd-server-gone", "certain"), nbd_gone(300), needs=("qemu-nbd",), **VIRTIO),
    Scenario("nbd-stopped-unused", "the NBD server was stopped, and nobody has noticed",
             IDLE, nbd_idle, needs=("qemu-nbd",), **VIRTIO),
    Scenario("disk-on-fuse", "the disk lies on a FUSE file system that does not answer",
             waits("fuse-backend-stalled"), on_fuse, needs=("fuse",), old_and_new=True, **VIRTIO),
    Scenario("disk-in-d-state", "the disk is a block device of the host that does not answer",
             waits("storage-in-d-state"), on_stuck_device, needs=("fuse", "loop"), **VIRTIO),
    Scenario("disk-cgroup-limit", "a cgroup lets the VM read a hundred bytes a second",
             waits("cgroup-io-limit"), io_limited, needs=("loop", "blkio-v1"), **VIRTIO),
    Scenario("disk-frozen", "the disk lies on a file system of the host that is frozen",
             waits("host-filesystem-frozen", "certain"), frozen, needs=("loop",), **VIRTIO),
    Scenario("disk-fails", "every write fails, and the guest is told so",
             waits("storage-fails", state="running"), fails, old_and_new=True, **VIRTIO),
    Scenario("disk-throttled", "a limit of one request a second",
             waits("drive-throttled"), throttled, old_and_new=True, **VIRTIO),
    Scenario("disk-slow", "twenty requests a second: slow, and well", IDLE, slow, **VIRTIO),
    Scenario("disk-limited", "a drive with a limit, and a guest that does not need it", IDLE,
             limited, **VIRTIO),
    Scenario("disk-writes", "a guest that writes all the time", IDLE, writes, **VIRTIO),
    Scenario("virtio-no-kick", "a request in a virtio ring of which the disk was not told",
             waits("lost-virtio-kick"), ring("virtio-no-kick"), old_and_new=True, **VIRTIO),
    Scenario("virtio-deaf", "an answer in a virtio ring of which the guest does not know",
             waits("lost-virtio-interrupt"), ring("virtio-deaf"), old_and_new=True, **VIRTIO),
    Scenario("virtio-broken", "a virtio ring with nonsense in it",
             waits("virtio-queue-broken", "certain"), ring("virtio-broken"), old_and_new=True,
             **VIRTIO),
]
