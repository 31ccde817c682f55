# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trouble in a guest's Linux that no console tells of: there is no serial port, and the screen shows nothing. What is
known of it lies in the guest's memory alone."""
import mmap
import time

import process
from scenario import Expect, Scenario
from .kernel import IDLE, QUICK, guest, trouble

CHUNK = 16 << 20
QUIET = {"console": "", "vga": "none", "serial": "none"}


def largest_mapping(pid):
    """(begin, bytes) of the guest's memory: nothing else of QEMU's is so large."""
    found = []
    for line in process.read(f"/proc/{pid}/maps").splitlines():
        begin, end = (int(part, 16) for part in line.split()[0].split("-"))
        if line.split()[1].startswith("rw"):
            found.append((end - begin == 256 << 20, begin, end - begin))
    return max(found)[1:]


def present(pid, begin, size):
    """Runs of pages that are there: (address, bytes). To read others would bring them into being."""
    with open(f"/proc/{pid}/pagemap", "rb") as pagemap:
        pagemap.seek(begin // mmap.PAGESIZE * 8)
        entries = pagemap.read(size // mmap.PAGESIZE * 8)
    is_there = bytes(entry >> 7 for entry in entries[7::8])
    at = is_there.find(1)
    while at >= 0:
        end = is_there.find(0, at)
        end = len(is_there) if end < 0 else end
        yield begin + at * mmap.PAGESIZE, (end - at) * mmap.PAGESIZE
        at = is_there.find(1, end)


def memory_says(vm, text):
    """Whether the text lies in the guest's memory: what its kernel printed does."""
    with open(f"/proc/{vm.pid}/mem", "rb", buffering=0) as memory:
        for begin, size in present(vm.pid, *largest_mapping(vm.pid)):
            for at in range(begin, begin + size, CHUNK):
                memory.seek(at)
                if text.encode() in memory.read(min(CHUNK, begin + size - at)):
                    return True
    return False


def until_memory_says(stage, vm, text, seconds=120):
    stage.until(f"its memory holds {text!r}", lambda: memory_says(vm, text), seconds, 0.5)


def halted(vm):
    vm.until_halted(0, 1)


def runs(vm):
    vm.until_runs(0, 1)


# The timer may interrupt insmod itself, and then init waits for that: somebody else, who never runs on CPU 1, has all
# CPUs answer again and again, as a change of a static key does.
ASKS_ALL_CPUS = """busybox taskset 1 sh -c 'while :; do
    echo 1 >/proc/sys/kernel/sched_schedstats; echo 0 >/proc/sys/kernel/sched_schedstats; done' &
"""


def has_spun(vm):
    """For so long that the guest's clock tells: five seconds of CPU time."""
    def used():
        return sum(process.run_ns(vm.pid, vm.vcpu(cpu))[0] for cpu in (0, 1))
    begun = used()
    vm.stage.until("it has spun for five seconds", lambda: used() - begun > 5e9, 60, 0.1)


def has_spun_for_long(vm):
    """Until it is no young VM any more, of which nobody would wonder (src/infer/facts_progress.c)."""
    has_spun(vm)
    began = time.monotonic()
    vm.stage.until("it is not young", lambda: time.monotonic() - began > 180, 200, 1)


def play(text, init, then):
    def played(stage):
        vm = guest(stage, QUICK + init + IDLE, **QUIET)
        until_memory_says(stage, vm, text)
        then(vm)
        return vm
    return played


WAITS, SPINS, DEAD = ("blocked", True), ("spinning", True), ("dead", True)


def case(name, about, cause, state, text, init, then, at_least="certain", load=0.0, **more):
    return Scenario(f"inside-{name}", f"{about}, and no console", Expect(cause, *state, at_least),
                    play(text, init, then), accel="tcg", load=load, **more)


SCENARIOS = [
    case("panic", "echo c >/proc/sysrq-trigger", "guest-panic-requested", DEAD,
         "end Kernel panic - not syncing: sysrq triggered crash", "echo c >/proc/sysrq-trigger\n", runs, load=1.0),
    case("deadlock", "two tasks, two mutexes", "guest-deadlock", WAITS, "task trouble-a:", trouble("deadlock"), halted),
    case("mutex-held", "a task waits for a mutex, and its holder for ever", "guest-hung-task", WAITS, "task trouble-b:",
         trouble("mutex-held"), halted),
    case("lock-irqs-off", "a CPU takes a spin lock that it holds, interrupts off", "guest-hard-lockup", SPINS,
         "trouble: lock-irqs-off", trouble("lock-irqs-off"), has_spun, load=1.0),
    case("lock-contended", "a CPU spins with a lock held, interrupts off, and another waits for the lock",
         "guest-hard-lockup", SPINS, "trouble: lock-contended", trouble("lock-contended"), has_spun, load=2.0),
    case("deadlock-spin", "two CPUs, two spin locks, interrupts off: nobody is left to complain", "guest-lock-spin", SPINS,
         "trouble: deadlock-spin", trouble("deadlock-spin"), has_spun_for_long, "likely", load=2.0, quick=False,
         deadline=480),
    case("spin-hrtimer", "the handler of a timer spins", "guest-hard-lockup", SPINS, "soft lockup - CPU#0 stuck",
         ASKS_ALL_CPUS + trouble("spin-hrtimer"), has_spun, load=1.0),
]
