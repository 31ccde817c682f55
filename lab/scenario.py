# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a scenario is. docs/HOWTO-cause.md tells how to add one."""
import dataclasses
import os
import pathlib
import shutil
import typing

import cgroup
from stage import have_kvm

CONFIDENCE = ("possible", "likely", "certain")


@dataclasses.dataclass
class Expect:
    """What vmhang must say of it."""
    cause: typing.Optional[str]  # None: it cannot tell
    state: str
    hung: typing.Optional[bool]
    at_least: str = "certain"
    also: tuple = ()    # causes that it must name beside the first: two troubles at once
    changed: typing.Optional[str] = None  # what it must say of what was so before: a part of that
    accept: tuple = ()  # weaker answers that mislead nobody: counted apart from right ones, and as no failure


@dataclasses.dataclass
class Scenario:
    name: str
    about: str
    expect: Expect
    play: typing.Callable  # play(stage) -> Vm, when what it shows is there
    needs: tuple = ()
    accel: typing.Optional[str] = None  # None: kvm, and tcg where there is no KVM
    asks: bool = True       # the lab's own monitor answers while the scenario lasts
    passive: bool = False   # also decided by `vmhang diagnose --passive`
    passive_expect: typing.Optional[Expect] = None  # what --passive must say, where it knows less
    monitor: typing.Optional[str] = None  # what the report must say of the monitor: "busy", ...
    # meanwhile(vm) is called half-way through vmhang's window; what is expected is what is so afterwards.
    meanwhile: typing.Optional[typing.Callable] = None
    old_and_new: bool = False  # also played on the newer QEMU
    # CPUs of the host that it keeps busy while it is looked at: 0 for one that sleeps. None: as its state tells.
    load: typing.Optional[float] = None
    alone: bool = False  # it measures or disturbs the host itself: nothing else plays meanwhile
    quick: bool = True   # played in `make check`; False: in the nightly form alone, for it takes long
    lasts: bool = True   # it stays in its state as long as it is left alone: a healthy VM for many windows
    deadline: float = 240  # seconds that a play may take on a loaded host, before it is ended

    @property
    def cpus(self):
        """CPUs of the host that it takes. TCG works for a guest that boots, even where that will sleep."""
        load = self.load
        if load is None:
            load = {"starved": 2.0, "spinning": 1.0, "running": 1.0}.get(self.expect.state, 0.0)
        return max(load, 1.0) if self.accel == "tcg" else load

    def why_not(self):
        """Why it cannot be played here, or None."""
        for need in self.needs + (("kvm",) if self.accel == "kvm" else ()):
            reason = NEEDS[need]()
            if reason:
                return reason
        return None


def unless(condition, reason):
    return None if condition else reason


def fuse_missing():
    if os.geteuid():
        return "mounting a FUSE file system needs root"
    return unless(os.access("/dev/fuse", os.R_OK | os.W_OK), "no /dev/fuse")


def autogroup_missing():
    if os.geteuid():
        return "changing the scheduling of others needs root"
    enabled = pathlib.Path("/proc/sys/kernel/sched_autogroup_enabled")
    if not enabled.exists() or enabled.read_text().strip() != "1":
        return "the kernel groups no tasks by session (sched_autogroup_enabled)"
    own = pathlib.Path("/proc/self/cgroup").read_text().splitlines()
    groups = [line.split(":", 2)[2] for line in own if "cpu" in line.split(":")[1].split(",")]
    return unless(groups in ([], ["/"]), "in a cpu control group: autogroup does not count there")


def two_cpus_missing():
    if os.geteuid():
        return "real-time scheduling needs root"
    return unless(len(os.sched_getaffinity(0)) > 1, "one CPU only: the hog would take it all")


NEEDS = {
    "kvm": lambda: unless(have_kvm(), "no access to /dev/kvm"),
    # Counting exits: tracepoints of KVM, for root.
    "exits": lambda: unless(not os.geteuid() and (
        os.path.isdir("/sys/kernel/tracing/events/kvm")
        or os.path.isdir("/sys/kernel/debug/tracing/events/kvm")), "no tracepoints of KVM to count"),
    "root": lambda: unless(not os.geteuid(), "needs root"),
    "mount": lambda: unless(not os.geteuid(), "mounting needs root"),
    "fuse": fuse_missing,
    "freezer-v1": lambda: unless(cgroup.writable("freezer"), "no cgroup v1 freezer to write to"),
    "cgroup-v2": lambda: unless(cgroup.writable("v2"), "no cgroup v2 to write to"),
    "cpu-v1": lambda: unless(cgroup.writable("cpu"), "no cgroup v1 cpu controller to write to"),
    "memory-v1": lambda: unless(cgroup.writable("memory"), "no cgroup v1 memory controller to write to"),
    "autogroup": autogroup_missing,
    "spare-cpu": two_cpus_missing,
    "ovmf": lambda: unless(os.path.exists("/usr/share/OVMF/OVMF_CODE_4M.fd"), "no ovmf package"),
    "qemu-nbd": lambda: unless(shutil.which("qemu-nbd"), "no qemu-nbd (package qemu-utils)"),
    "assembler": lambda: unless(shutil.which("as") and shutil.which("ld"), "no binutils"),
}
