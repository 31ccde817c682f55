# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stage: where one scenario plays. Whatever it starts, mounts or makes ends with it."""
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import cgroup
import process
from guests import boot_disk, guest
from qmp import Qmp

HELPERS = pathlib.Path(__file__).resolve().parent / "helpers"
KVM = "/dev/kvm"


class LabError(Exception):
    pass


class Skip(Exception):
    """The scenario cannot be played here; the text says why."""


def have_kvm():
    """Whether /dev/kvm is there, may be opened, and is KVM (KVM_GET_API_VERSION)."""
    try:
        with open(KVM, "rb+", buffering=0) as device:
            return fcntl.ioctl(device, 0xAE00) == 12
    except OSError:
        return False


class Qemu:
    """Which QEMU: the system's, or one unpacked beside it (lab/store.py)."""

    def __init__(self, label="", command=("qemu-system-x86_64",), environment=None):
        self.label, self.command, self.environment = label, list(command), environment or {}


class Vm:
    def __init__(self, stage, popen, monitor, lab_monitor, name):
        self.stage, self.popen, self.pid, self.name = stage, popen, popen.pid, name
        self.monitor, self._lab_monitor, self._qmp = monitor, lab_monitor, None

    @property
    def qmp(self):
        """The lab's own session, on a monitor of its own."""
        if not self._qmp:
            self._qmp = Qmp(self._lab_monitor)
        return self._qmp

    @property
    def log(self):
        return self.stage.tmp / "qemu.log"

    def vcpu(self, number=0):
        """Thread id of a vCPU."""
        for tid, name in process.threads(self.pid).items():
            if name.startswith(f"CPU {number}/"):
                return tid
        raise LabError(f"no thread of vCPU {number}")

    def until_runs(self, *cpus, seconds=0.3):
        """Until one of those vCPUs (0 without any) has run, or waited for a CPU, for that long without
        a break."""
        tids = [self.vcpu(cpu) for cpu in cpus or (0,)]

        def used(tid):
            return sum(process.run_ns(self.pid, tid))

        def steadily():
            before = [used(tid) for tid in tids]
            time.sleep(0.1)
            return max(used(tid) - was for tid, was in zip(tids, before)) > 60e6

        self.stage.until(f"one of vCPUs {cpus or (0,)} runs all the time", lambda: all(
            steadily() for _ in range(round(seconds * 10))), 30)

    def until_halted(self, *cpus):
        for cpu in cpus or (0,):
            self.stage.until(f"vCPU {cpu} is halted", lambda: self.qmp.halted(cpu), 30)

    def until_status(self, status):
        self.stage.until(f"status {status}", lambda: self.qmp.status() == status, 30)

    def until_screen(self, text, seconds=60):
        self.stage.until(f"screen shows {text!r}", lambda: text in self.qmp.screen(), seconds, 0.1)

    def until_wchan(self, names, tid=None, seconds=10):
        self.stage.until(f"thread waits in {names}", lambda: any(
            name in process.wchan(self.pid, tid) for name in names), seconds)

    def until_state(self, state, tid=None):
        self.stage.until(f"thread state {state}", lambda: process.state(self.pid, tid) == state)


class Stage:
    def __init__(self, name, accel=None, qemu=None):
        self.name, self.qemu_build = name, qemu or Qemu()
        self.accel = accel or ("kvm" if have_kvm() else "tcg")
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="vmhang-lab-", dir="/tmp"))
        self.tag = self.tmp.name[len("vmhang-lab-"):]
        self.processes, self.undo = [], []
        self.reaper = self._start_reaper()

    def _start_reaper(self):
        """A child that sweeps up should this process be killed: it reads a pipe until its end."""
        ours, theirs = os.pipe()
        child = os.fork()
        if child:
            os.close(ours)
            return theirs, child
        os.setsid()
        os.closerange(0, ours)  # it must not hold anybody's pipe open
        os.closerange(ours + 1, 1024)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        finished = os.read(ours, 1) == b"."
        if not finished:
            self._sweep()
        os._exit(0)

    def _sweep(self):
        cgroup.sweep(self.tag)
        for line in reversed(process.read("/proc/self/mounts").splitlines()):
            if line.split()[1].startswith(f"{self.tmp}/"):
                process.unmount(line.split()[1])
        shutil.rmtree(self.tmp, ignore_errors=True)

    def at_exit(self, action):
        self.undo.append(action)

    def close(self):
        for action in reversed(self.undo):
            try:
                action()
            except OSError as error:
                print(f"lab: clean-up: {error}", file=sys.stderr)
        for popen in reversed(self.processes):
            popen.kill()
        cgroup.sweep(self.tag)  # a task frozen by cgroup v1 dies only when it is thawed
        for popen in reversed(self.processes):
            popen.wait(30)
        self._sweep()
        pipe, child = self.reaper
        os.write(pipe, b".")
        os.close(pipe)
        os.waitpid(child, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def until(self, what, happens, seconds=10, step=0.02):
        deadline = time.monotonic() + seconds
        while not happens():
            if time.monotonic() > deadline:
                raise LabError(f"{self.name}: not within {seconds} s: {what}\n{self.tail()}")
            for popen in self.processes:
                if popen.poll() is not None and popen.must_live:
                    raise LabError(f"{self.name}: {popen.args[0]} ended with {popen.returncode} "
                                   f"before: {what}\n{self.tail()}")
            time.sleep(step)

    def tail(self):
        return "".join(f"--- {path.name}\n{process.read(path)[-2000:]}"
                       for path in sorted(self.tmp.glob("*.log")))

    def spawn(self, argv, log="helper.log", must_live=True, environment=None, setup=None, **more):
        def prepare():
            os.setsid()
            process.die_with_parent()
            if setup:
                setup()

        with open(self.tmp / log, "ab") as output:
            popen = subprocess.Popen(
                [str(arg) for arg in argv], stdin=subprocess.DEVNULL, stderr=output,
                stdout=more.pop("stdout", output), preexec_fn=prepare,
                env={**os.environ, **(environment or {})}, **more)
        popen.must_live = must_live
        self.processes.append(popen)
        return popen

    def helper(self, name, *args, says=None):
        """A program of lab/helpers/; waits until it says so, where it says something."""
        popen = self.spawn(["/usr/bin/python3", HELPERS / f"{name}.py", *args],
                           stdout=subprocess.PIPE if says else subprocess.DEVNULL)
        if says and popen.stdout.readline().decode().strip() != says:
            raise LabError(f"{self.name}: {name} did not say {says!r}\n{self.tail()}")
        return popen

    def qemu(self, *args, rom=None, sector=None, smp=1, memory="2", machine="pc", accel=None,
             disk_size=1 << 20, setup=None, one_monitor=False, defaults=False, vcpus=True, role=""):
        """Starts QEMU with a ROM guest, or SeaBIOS with the boot sector `sector`, or as args say. vcpus=False:
        it does not come to make any. The role tells several on one stage apart (the sides of a migration)."""
        monitor, ours = self.tmp / f"{role}qmp.sock", self.tmp / f"{role}lab.sock"
        accel = accel or self.accel
        name = f"lab-{self.name}{'-' if role else ''}{role}"
        command = [*self.qemu_build.command, "-name", f"{name},debug-threads=on",
                   "-machine", machine, "-accel", accel, "-smp", smp, "-m", memory,
                   "-display", "none", "-qmp", f"unix:{monitor},server=on,wait=off"]
        if not one_monitor:
            command += ["-qmp", f"unix:{ours},server=on,wait=off"]
        if not defaults:
            command += ["-nodefaults"]
        if rom:
            command += ["-bios", guest(rom)]
        if sector:
            disk = boot_disk(sector, self.tmp / "boot.img", disk_size)
            command += ["-drive", f"file={disk},format=raw,if=ide"]
        popen = self.spawn([*command, *args], log="qemu.log", setup=setup,
                           environment=self.qemu_build.environment)
        vm = Vm(self, popen, monitor, monitor if one_monitor else ours, name)
        if vcpus:
            self.until("the vCPU threads are there", lambda: any(
                thread.startswith("CPU 0/") for thread in process.threads(vm.pid).values()), 30)
        return vm

    def group(self, kind):
        return cgroup.Group(kind, self.tag)

    def freezer(self, kind, vm):
        group = self.group(kind)
        group.add(vm.pid)
        return group

    def stalled_files(self):
        """A FUSE mount whose file `ram` has a page that is never served, and `screen`, which
        never takes a write."""
        target = self.tmp / "stalled"
        target.mkdir()
        self.helper("stallfs", target, says="mounted")
        return target
