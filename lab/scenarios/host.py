# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host: stopped, traced, frozen, throttled, starved. Passive evidence alone decides these."""
import os
import pathlib
import signal
import time

import process
from guests import guest
from scenario import Expect, Scenario

STOPPED = Expect("process-stopped", "stopped", True)
TRACED = Expect("process-traced", "stopped", True)
FROZEN = Expect("cgroup-frozen", "stopped", True)
QUOTA = Expect("cpu-quota", "starved", True)
STARVED = Expect("cpu-starved", "starved", True)
REALTIME = Expect("cpu-starved-by-realtime", "starved", True)
LOW_PRIORITY = Expect("cpu-low-priority", "starved", True)
TOGETHER = Expect("cpu-pinned-together", "starved", True)
OVERCOMMITTED = Expect("host-overcommitted", "starved", True)


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


def until_starved(stage, vm, cpu=0, most=0.08):
    """Until the vCPU, which always wants to run, ran less than that share of the time, in three looks in turn:
    the host gives a starved thread its time in bursts. (The kernel counts a wait when it is over: that tells
    nothing here.)"""
    tid, looks = vm.vcpu(cpu), []

    def starved():
        looks.append((time.monotonic(), process.run_ns(vm.pid, tid)[0]))
        shares = [(ran - before) / 1e9 / (now - then)
                  for (then, before), (now, ran) in zip(looks[-4:], looks[-4:][1:])]
        return len(shares) == 3 and max(shares) < most and process.state(vm.pid, tid) == "R"
    stage.until("the vCPU hardly runs", starved, 60, 0.7)


def realtime_hog(stage):
    vm = pinned(stage)
    stage.helper("hog", last_cpu(), 50)
    until_starved(stage, vm)
    return vm


def several_hogs(stage):
    """One would leave the vCPU a slice of 4 ms every so often: 5 to 8 % of the CPU, about as much as a guest that is
    slow, and not starved, has."""
    for _ in range(3):
        stage.helper("hog", last_cpu())


def nice_19(stage):
    vm = pinned(stage)
    for tid in process.threads(vm.pid):
        os.setpriority(os.PRIO_PROCESS, tid, 19)
    # Sessions share the CPU first, their tasks after that: nice alone would leave it a half.
    pathlib.Path(f"/proc/{vm.pid}/autogroup").write_text("19")
    several_hogs(stage)
    until_starved(stage, vm)
    return vm


def low_weight(stage):
    vm = pinned(stage)
    group = stage.freezer("cpu", vm)
    group.write("cpu.shares", 2)
    several_hogs(stage)
    until_starved(stage, vm)
    return vm


def sched_idle(stage):
    vm = pinned(stage)
    for tid in process.threads(vm.pid):
        os.sched_setscheduler(tid, os.SCHED_IDLE, os.sched_param(0))
    # In a session of its own it would share by halves all the same.
    stage.freezer("cpu", vm).add(stage.helper("hog", last_cpu()).pid)
    until_starved(stage, vm)
    return vm


def strong_rival(stage):
    """Nothing is low about the VM: the rival's priority is high."""
    vm = pinned(stage)
    hog = stage.helper("hog", last_cpu())
    pathlib.Path(f"/proc/{hog.pid}/autogroup").write_text("-20")
    until_starved(stage, vm)
    return vm


def tied_together(stage):
    vm = stage.qemu(rom="busy-smp", smp=24, setup=lambda: os.sched_setaffinity(0, {last_cpu()}))
    stage.until("all vCPUs were started", lambda: sum(
        name.startswith("CPU ") and process.state(vm.pid, tid) == "R" and process.run_ns(vm.pid, tid)[0] > 0.1e9
        for tid, name in process.threads(vm.pid).items()) == 24, 60)
    until_starved(stage, vm, 3)
    return vm


def other_vms(stage, count, setup=None):
    """Busy VMs beside the one that is looked at: bare processes, with no monitor and nothing to wait for."""
    return [stage.spawn([*stage.qemu_build.command, "-name", f"lab-other-{number},debug-threads=on",
                         "-machine", "pc", "-accel", "kvm", "-m", "2", "-nodefaults", "-display", "none",
                         "-bios", guest("busy")],
                        log="others.log", setup=setup, environment=stage.qemu_build.environment)
            for number in range(count)]


def until_busy(stage, others):
    """Until the vCPU of each of them runs, or wants to."""
    def runs(popen):
        return any(name.startswith("CPU ") and process.state(popen.pid, tid) == "R"
                   for tid, name in process.threads(popen.pid).items())
    stage.until("all of the others are busy", lambda: all(map(runs, others)), 90, 0.3)


def tied_with_others(stage):
    vm = pinned(stage)
    until_busy(stage, other_vms(stage, 31, lambda: os.sched_setaffinity(0, {last_cpu()})))
    until_starved(stage, vm, most=0.05)
    return vm


def overcommitted(stage):
    vm = stage.qemu(rom="busy")
    vm.until_runs()
    until_busy(stage, other_vms(stage, 20 * len(os.sched_getaffinity(0))))
    until_starved(stage, vm)
    return vm


def quota_above(stage):
    """The quota is on the cgroup above the VM's, as Kubernetes and systemd slices have it."""
    vm = stage.qemu(rom="busy")
    vm.until_runs()
    above = stage.group("cpu")
    below = above.child("vm")
    below.add(vm.pid)
    above.write("cpu.cfs_period_us", 100000)
    above.write("cpu.cfs_quota_us", 1000)
    stage.until("throttled three times", lambda: above.throttled() > 2)
    return vm


def job(stage, number):
    """Stopped as job control stops it. The kernel does so only where a parent in the same session could
    let it go on: setup gives its process group such a member."""
    def member():
        if os.fork():
            return
        os.closerange(0, 4096)  # the one who started it waits for the end of a pipe
        process.die_with_parent()
        group = os.getppid()
        os.setpgid(0, 0)
        if os.fork() == 0:
            process.die_with_parent()
            os.setpgid(0, group)
        signal.pause()
    vm = stage.qemu(rom="idle", setup=member)
    vm.until_halted()
    os.kill(vm.pid, number)
    vm.until_state("T")
    return vm


def background_job(stage):
    return job(stage, signal.SIGTTOU)


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
    Scenario("quota-above", "CPU quota of 1 % on the cgroup above", QUOTA, quota_above,
             needs=("cpu-v1",), passive=True, asks=False, load=0.1),
    Scenario("background-job", "stopped by SIGTTOU, as in the background of a terminal", STOPPED,
             background_job, asks=False, passive=True, load=0),
    Scenario("realtime-hog", "a real-time thread takes the vCPU's CPU", REALTIME, realtime_hog,
             needs=("spare-cpu",), passive=True, alone=True),
    Scenario("nice-19", "the lowest priority, and a rival on the same CPU", LOW_PRIORITY, nice_19,
             needs=("autogroup", "spare-cpu"), passive=True),
    Scenario("low-weight", "a cgroup of the least cpu.shares, and a rival on the same CPU",
             LOW_PRIORITY, low_weight, needs=("cpu-v1", "spare-cpu"), passive=True),
    Scenario("sched-idle", "SCHED_IDLE, and a rival on the same CPU", LOW_PRIORITY, sched_idle,
             needs=("cpu-v1", "spare-cpu"), passive=True, alone=True),
    Scenario("strong-rival", "one rival of the highest nice value takes the vCPU's CPU", STARVED,
             strong_rival, needs=("autogroup", "spare-cpu"), passive=True, alone=True),
    Scenario("tied-together", "24 busy vCPUs may use one CPU only", TOGETHER, tied_together,
             needs=("spare-cpu",), accel="kvm", passive=True, alone=True),
    Scenario("tied-with-others", "the vCPUs of 32 VMs may use one CPU only", TOGETHER, tied_with_others,
             needs=("spare-cpu",), accel="kvm", passive=True, alone=True),
    Scenario("overcommitted", "20 busy VMs for each CPU of the host", OVERCOMMITTED, overcommitted,
             needs=("root",), accel="kvm", passive=True, alone=True),
]
