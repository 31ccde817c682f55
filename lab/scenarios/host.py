# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host: stopped, traced, frozen, throttled, starved. Passive evidence alone decides these."""
import os
import pathlib
import signal

import process
from scenario import Expect, Scenario

STOPPED = Expect("process-stopped", "stopped", True)
TRACED = Expect("process-traced", "stopped", True)
FROZEN = Expect("cgroup-frozen", "stopped", True)
QUOTA = Expect("cpu-quota", "starved", True)
STARVED = Expect("cpu-starved", "starved", True)


def sigstop(stage):
    vm = stage.qemu(rom="idle")
    vm.until_halted()
    os.kill(vm.pid, signal.SIGSTOP)
    vm.until_state("T")
    return vm


def traced_main(stage):
    vm = stage.qemu(rom="spin")
    vm.until_runs()
    stage.helper("tracer", vm.pid, says="traced")
    vm.until_state("t")
    return vm


def traced_vcpu(stage):
    vm = stage.qemu(rom="spin")
    vm.until_runs()
    stage.helper("tracer", vm.vcpu(), says="traced")
    vm.until_state("t", vm.vcpu())
    return vm


def frozen_v1(stage):
    vm = stage.qemu(rom="spin")
    group = stage.freezer("freezer", vm)
    group.write("freezer.state", "FROZEN")
    stage.until("FROZEN", lambda: group.read("freezer.state").strip() == "FROZEN")
    return vm


def frozen_v2(stage):
    vm = stage.qemu(rom="spin")
    group = stage.freezer("v2", vm)
    group.write("cgroup.freeze", 1)
    stage.until("frozen 1", lambda: "frozen 1" in group.read("cgroup.events"))
    return vm


def quota(stage):
    vm = stage.qemu(rom="busy")
    vm.until_runs()
    group = stage.freezer("cpu", vm)
    group.write("cpu.cfs_period_us", 100000)
    group.write("cpu.cfs_quota_us", 1000)
    stage.until("throttled three times", lambda: dict(
        line.split() for line in group.read("cpu.stat").splitlines())["nr_throttled"] not in ("0", "1", "2"))
    return vm


def last_cpu():
    return max(os.sched_getaffinity(0))


def pinned(stage):
    """A healthy guest at full load that may use one CPU: what ails it is the host alone."""
    vm = stage.qemu(rom="busy", setup=lambda: os.sched_setaffinity(0, {last_cpu()}))
    vm.until_runs()
    return vm


def until_starved(stage, vm):
    """Until the vCPU waits at least nine times as long for the CPU as it runs."""
    last = [process.run_ns(vm.pid, vm.vcpu())]

    def starved():
        now = process.run_ns(vm.pid, vm.vcpu())
        ran, waited = (after - before for after, before in zip(now, last[0]))
        last[0] = now
        return waited > 0.3e9 and waited > 9 * ran
    stage.until("the vCPU hardly runs", starved, 30, 0.5)


def realtime_hog(stage):
    vm = pinned(stage)
    stage.helper("hog", last_cpu(), 50)
    until_starved(stage, vm)
    return vm


def nice_19(stage):
    vm = pinned(stage)
    for tid in process.threads(vm.pid):
        os.setpriority(os.PRIO_PROCESS, tid, 19)
    # Sessions share the CPU first, their tasks after that: nice alone would leave it a half.
    pathlib.Path(f"/proc/{vm.pid}/autogroup").write_text("19")
    stage.helper("hog", last_cpu())
    until_starved(stage, vm)
    return vm


SCENARIOS = [
    Scenario("sigstop", "SIGSTOP", STOPPED, sigstop, asks=False, passive=True),
    Scenario("sigstop-tcg", "the same under TCG", STOPPED, sigstop, accel="tcg", asks=False,
             passive=True),
    Scenario("traced-main", "a debugger holds the main thread", TRACED, traced_main, asks=False,
             needs=("root",), passive=True),
    # Under TCG the thread may be held while it has the big lock: then nothing answers.
    Scenario("traced-vcpu", "a debugger holds a vCPU thread", TRACED, traced_vcpu,
             needs=("root",), accel="kvm", passive=True),
    Scenario("frozen-v1", "cgroup v1 freezer", FROZEN, frozen_v1, asks=False,
             needs=("freezer-v1",), passive=True),
    Scenario("frozen-v2", "cgroup v2 freezer", FROZEN, frozen_v2, asks=False,
             needs=("cgroup-v2",), passive=True),
    Scenario("quota", "CPU quota of 1 %", QUOTA, quota, needs=("cpu-v1",), passive=True,
             asks=False),
    Scenario("realtime-hog", "a real-time thread takes the vCPU's CPU", STARVED, realtime_hog,
             needs=("spare-cpu",), passive=True, alone=True),
    Scenario("nice-19", "the lowest priority, and a rival on the same CPU", STARVED, nice_19,
             needs=("autogroup", "spare-cpu"), passive=True),
]
