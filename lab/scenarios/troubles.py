# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two troubles at once: the nearest is the answer, and the other is named, for it would be left."""
import os
import signal

from scenario import Expect, Scenario
from .linux import linux
from .vmm import no_space

PANIC = "guest-panic-no-root"


def panicked(stage):
    return linux(None, "end Kernel panic")(stage)


def panicked_and_stopped(stage):
    vm = panicked(stage)
    os.kill(vm.pid, signal.SIGSTOP)
    vm.until_state("T")
    return vm


def panicked_and_paused(stage):
    vm = panicked(stage)
    vm.qmp.ask("stop")
    vm.until_status("paused")
    return vm


def panicked_and_starved(stage):
    """The one CPU that a panicked Linux keeps running gets 1 % of a CPU."""
    vm = panicked(stage)
    group = stage.freezer("cpu", vm)
    group.write("cpu.cfs_period_us", 100000)
    group.write("cpu.cfs_quota_us", 1000)
    stage.until("throttled three times", lambda: int(dict(
        line.split() for line in group.read("cpu.stat").splitlines())["nr_throttled"]) > 2)
    return vm


def full_and_paused(stage):
    """Its disk is full, and somebody paused it while the request was sent again: it is "paused", and not
    "io-error"."""
    vm = no_space(stage)

    def paused():
        if vm.qmp.status() == "paused":
            return True
        vm.qmp.ask_at_once("cont", "stop")
        return False
    stage.until("it is paused, and its disk full", paused, 30, 0.2)
    return vm


SCENARIOS = [
    Scenario("panicked-and-stopped", "the guest panicked, and its process is stopped",
             Expect("process-stopped", "stopped", True, also=(PANIC,)), panicked_and_stopped,
             accel="tcg", asks=False, load=0),
    Scenario("panicked-and-paused", "the guest panicked, and somebody paused the VM",
             Expect("vm-paused", "paused", True, also=(PANIC,)), panicked_and_paused, accel="tcg",
             load=0),
    Scenario("panicked-and-starved", "the guest panicked, and a quota leaves it 1 % of a CPU",
             Expect("cpu-quota", "starved", True, also=(PANIC,)), panicked_and_starved, accel="tcg",
             needs=("cpu-v1",), asks=False, load=0),
    Scenario("full-and-paused", "a disk is full, and somebody paused the VM",
             Expect("vm-paused", "paused", True, also=("drive-full",)), full_and_paused,
             needs=("mount",), load=0),
]
