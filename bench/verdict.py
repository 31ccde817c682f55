#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""verdict.py VMHANG: how long a verdict takes above its window, and what vmhang needs for it.

One VM whose boot CPU spins (KVM, else TCG), one whose monitor is dead, and a Linux guest that idles,
which is looked into as well; the median of ten. For comparison, the expert's commands on the same VM, one after another (without the thinking between them).
"""
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "lab"))

from scenarios import BY_NAME  # noqa: E402
from stage import Qemu, Stage  # noqa: E402

RUNS, WINDOW = 10, 1.0
STEP = 0.5  # the deadline of one question: what a dead monitor costs by itself


def peak_bytes(command):
    """The peak resident memory of a command."""
    pid = os.fork()
    if not pid:
        quiet = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(quiet, number)
        os.execv(command[0], command)
    return os.wait4(pid, 0)[2].ru_maxrss * 1024


def timed(command, expected=None):
    began = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
    if expected is not None and done.returncode != expected:
        sys.exit(f"bench: {command} ended with {done.returncode}, not {expected}")
    return time.monotonic() - began


def row(what, seconds, goal=""):
    print(f"{what:52} {seconds * 1000:8.0f} ms  {goal}")


def diagnoses(vmhang, vm, expected=1):
    return statistics.median(timed([vmhang, "diagnose", str(vm.pid), "--json"], expected)
                             for _ in range(RUNS))


def waited():
    """Seconds for which some thread of this host waited for a CPU, since its boot; 0 where it is not told."""
    try:
        text = pathlib.Path("/proc/pressure/cpu").read_text()
    except OSError:
        return 0.0
    return int(text.split("total=")[1].split()[0]) / 1e6


def linux(vmhang):
    """A verdict on a Linux guest at its login prompt: nothing of the window is the guest's."""
    scenario = BY_NAME["linux-idle"]
    reason = scenario.why_not()
    if reason:
        print(f"Linux guest: not measured: {reason}")
        return
    with Stage("linux-idle", None, Qemu()) as stage:
        vm = scenario.play(stage)
        before, began = waited(), time.monotonic()
        seconds = diagnoses(vmhang, vm, 0)
        share = (waited() - before) / (time.monotonic() - began)
        row("verdict on an idle Linux guest, above the window", seconds - WINDOW, "goal: < 300 ms")
        print(f"{'  meanwhile some thread waited for a CPU':52} {100 * share:8.0f} %  of the time")
        peak = peak_bytes([vmhang, "diagnose", str(vm.pid)])
        print(f"{'  peak memory of vmhang':52} {peak / (1 << 20):8.1f} MiB")


def expert(vm):
    """What cases/hung-after-start.md did: (name, seconds) of each command."""
    steps = [("ps -T", ["ps", "-o", "comm,pid,tid", "-T", "-p", str(vm.pid)]),
             ("top -H -b -n1", ["top", "-H", "-b", "-n1", "-p", str(vm.pid)])]
    if shutil.which("perf"):
        steps.append(("perf kvm stat record, 1 s; report",
                      ["sh", "-c", f"cd {vm.stage.tmp} && perf kvm stat record -p {vm.pid} "
                       "sleep 1 && perf kvm stat report"]))
    found = [(name, timed(command)) for name, command in steps]
    began = time.monotonic()
    vm.qmp.human("info registers -a")
    return found + [("info registers -a", time.monotonic() - began)]


def main():
    vmhang = os.path.abspath(sys.argv[1])
    with Stage("boot-cpu-spins", None, Qemu()) as stage:
        vm = BY_NAME["boot-cpu-spins"].play(stage)
        print(f"{RUNS} runs each, {stage.accel}, {os.cpu_count()} CPUs, "
              f"load {os.getloadavg()[0]:.1f}")
        seconds = diagnoses(vmhang, vm)
        row("verdict on a spinning VM, above the window", seconds - WINDOW, "goal: < 300 ms")
        peak = peak_bytes([vmhang, "diagnose", str(vm.pid)])
        print(f"{'peak memory of vmhang':52} {peak / (1 << 20):8.1f} MiB")
        steps = expert(vm)
    with Stage("main-loop-blocked", None, Qemu()) as stage:
        scenario = BY_NAME["main-loop-blocked"]
        reason = scenario.why_not()
        if reason:
            print(f"dead monitor: not measured: {reason}")
        else:
            vm = scenario.play(stage)
            row("dead monitor, above the window and its deadline",
                diagnoses(vmhang, vm) - WINDOW - STEP, "goal: < 1000 ms")
    linux(vmhang)
    print("the expert's commands, one after another:")
    for name, took in steps:
        row(f"  {name}", took)
    row("  together", sum(took for _, took in steps))


if __name__ == "__main__":
    main()
