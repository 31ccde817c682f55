# SPDX-License-Identifier: LGPL-2.1-or-later
"""Healthy VMs, looked at again and again: none of them may be called hung.

The windows differ in length, in what else the host does meanwhile, in how many vmhangs look at once, and, as
the scenarios do, in vCPUs, guests and accelerators.
"""
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import subprocess
import tempfile
import time
import typing

import checks
import pool
import process
import store
from qmp import QmpError
from stage import LabError, Qemu, Skip, Stage

LENGTHS = (0.3, 0.5, 1, 1, 2, 3, 5)
SHORT_LENGTHS = (0.3, 0.5, 1, 2)
AT_ONCE = 3         # vmhangs
UP_AT_ONCE = 5      # VMs
PATIENCE = 300      # seconds until a group of them is up
DEADLINE = 60       # seconds of one diagnosis


@dataclasses.dataclass
class Window:
    """One look at a healthy VM."""
    name: str
    length: float      # seconds
    beside: int        # CPUs of the host that something else kept busy
    vcpus: int = 0
    cause: typing.Optional[str] = None
    hung: typing.Optional[bool] = None
    confidence: typing.Optional[str] = None
    starved: bool = False  # the host did starve it, as measured beside vmhang: it is right to say so
    problem: str = ""  # why there is no verdict
    case: str = ""     # where it was kept

    @property
    def false_alarm(self):
        return self.hung is True and not self.starved

    @property
    def what(self):
        return (f"{self.length:g} s, {self.vcpus} vCPUs, {self.beside} CPUs busy beside it: "
                + (self.problem or f"{self.cause or 'unknown'} ({self.confidence or '-'})")
                + (f", see {self.case}" if self.case else ""))


def candidates(scenarios):
    """(scenario, whether on the newer QEMU): healthy VMs that can be played here and stay as they are."""
    healthy = [scenario for scenario in scenarios if scenario.expect.hung is False and scenario.lasts
               and not scenario.meanwhile
               and not scenario.why_not()]
    return [(each, False) for each in healthy] + [(each, True) for each in healthy if each.old_and_new]


def groups(chosen, cpus, size=UP_AT_ONCE):
    """Which are up together: as many as the host has CPUs for, each on its own where it must be."""
    bins = []
    for scenario, newer in sorted(chosen, key=lambda one: -one[0].cpus):
        for group in bins:
            load = sum(other.cpus for other, _ in group) + scenario.cpus
            alone = scenario.alone or group[0][0].alone
            if not alone and len(group) < size and load <= cpus:
                group.append((scenario, newer))
                break
        else:
            bins.append([(scenario, newer)])
    return bins


def shares(windows, groups_):
    """How many of the windows each group gets: by its size, and all of them together."""
    members = sum(map(len, groups_))
    given, out = 0, []
    for number in range(len(groups_)):
        upto = windows * sum(map(len, groups_[:number + 1])) // members
        out.append(upto - given)
        given = upto
    return out


def keep_up(scenario, qemu):
    """The job that brings a VM up, tells of it, and keeps it until it is ended. It returns only where something goes
    wrong: what."""
    def work(tell):
        try:
            with Stage(scenario.name, scenario.accel, qemu) as stage:
                vm = scenario.play(stage)
                tell({"pid": vm.pid, "vcpus": sum(
                    name.startswith("CPU ") for name in process.threads(vm.pid).values())})
                while vm.popen.poll() is None:
                    time.sleep(0.5)
                return f"the VM ended with {vm.popen.returncode}"
        except (LabError, QmpError, OSError, Skip) as error:
            return f"{type(error).__name__}: {error}"
    return pool.Job(scenario.name + (f"@{qemu.label}" if qemu.label else ""), work, tells=True, deadline=3600)


def look(vmhang, pid, window, case):
    """Takes the window: fills in what vmhang says."""
    try:
        with checks.Watches(pid) as watches:
            done = vmhang.run("diagnose", pid, "--json", "--no-libvirt", "--window",
                              f"{round(window.length * 1000)}ms", "--save", case, seconds=DEADLINE)
        verdict = json.loads(done.stdout)["verdict"]
    except subprocess.TimeoutExpired:
        window.problem = f"vmhang was not done in {DEADLINE} s"
        return
    except ValueError:
        window.problem = f"no report: {done.stderr.decode(errors='replace').strip()}"
        return
    window.cause, window.hung, window.confidence = (verdict[key] for key in ("cause", "hung", "confidence"))
    window.starved = verdict["state"] == "starved" and watches.starved(window.length)


class Windows:
    """Takes them, and counts. keep: a folder for the cases of false alarms, or None."""

    def __init__(self, vmhang, lengths=LENGTHS, keep=None, seed=1, cpus=None):
        self.vmhang, self.lengths, self.keep = vmhang, lengths, keep
        self.cpus = cpus or len(os.sched_getaffinity(0))
        self.random, self.taken, self.not_up = random.Random(seed), [], {}

    def job(self, name, vm, beside, folder, number):
        window = Window(name, self.random.choice(self.lengths), beside, vm["vcpus"])

        def work():
            case = pathlib.Path(folder) / f"{number}.vmhang"
            look(self.vmhang, vm["pid"], window, case)
            if window.false_alarm and self.keep and case.exists():
                self.keep.mkdir(parents=True, exist_ok=True)
                window.case = str(self.keep / f"healthy-{name}-{len(self.taken)}-{number}.vmhang")
                pathlib.Path(window.case).write_bytes(case.read_bytes())
            case.unlink(missing_ok=True)
            return dataclasses.asdict(window)
        return pool.Job(window, work, deadline=DEADLINE + 30)

    def take(self, up, count, beside):
        """count windows of the VMs that are up ({name: what it told}), each about as often."""
        names = sorted(up) * (count // len(up) + 1)
        self.random.shuffle(names)
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vmhang-lab-", dir="/tmp"))
            if beside:
                stage = stack.enter_context(Stage("beside"))
                for cpu in sorted(os.sched_getaffinity(0))[:beside]:
                    stage.helper("hog", cpu)
            looks = stack.enter_context(pool.Pool([
                self.job(name, up[name], beside, folder, number)
                for number, name in enumerate(names[:count])], at_once=AT_ONCE))
            for done in looks.results():
                if done.value is None:
                    done.job.what.problem = done.error
                self.taken.append(Window(**done.value) if done.value else done.job.what)

    def group(self, members, count):
        """Brings the VMs up and takes count windows of them: beside nothing, beside one busy CPU, beside all."""
        with pool.Pool(members, at_once=len(members)) as keepers:
            keepers.start()
            up = self.until_up(keepers)
            loads = [0] if any(job.alone for job in members) else sorted({0, 1, self.cpus})
            for number, beside in enumerate(loads):
                part = count * (number + 1) // len(loads) - count * number // len(loads)
                if up and part:
                    self.take(up, part, beside)
            for done in keepers.wait(0):  # it ended while it was looked at
                self.not_up[done.job.what] = done.value or done.error

    def until_up(self, keepers):
        """{name: what it told} of those that came up."""
        deadline = time.monotonic() + PATIENCE
        up = {}
        while keepers.running and time.monotonic() < deadline:
            for done in keepers.wait(0.2):
                self.not_up[done.job.what] = done.value or done.error
            up = {each.job.what: each.told[0] for each in keepers.running if each.told}
            if len(up) == len(keepers.running):
                return up
        for each in keepers.running:
            if not each.told:
                self.not_up[each.job.what] = f"not up within {PATIENCE} s"
        return up

    def run(self, scenarios, count, show):
        """Takes count windows; show(name, windows) is called with those of each VM when its group is done. One that
        does not come up beside others is tried once more on its own."""
        chosen = candidates(scenarios)
        if not chosen:
            return
        try:
            newer = store.newer_qemu() if any(is_newer for _, is_newer in chosen) else None
        except Skip as error:
            newer, chosen = None, [one for one in chosen if not one[1]]
            self.not_up["newer QEMU"] = str(error)
        together = groups(chosen, self.cpus)
        waiting = [(group, share, True) for group, share in zip(together, shares(count, together)) if share]
        while waiting:
            group, share, first = waiting.pop(0)
            members = [keep_up(scenario, newer if is_newer else Qemu()) for scenario, is_newer in group]
            for job, (scenario, _) in zip(members, group):
                job.alone = scenario.alone
            before = len(self.taken)
            self.group(members, share)
            for job, one in zip(members, group):
                taken = [each for each in self.taken[before:] if each.name == job.what]
                if first and not taken and self.not_up.pop(job.what, None):
                    waiting.append(([one], max(1, share // len(group)), False))
                else:
                    show(job.what, taken)
