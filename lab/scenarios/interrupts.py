# SPDX-License-Identifier: LGPL-2.1-or-later
"""Interrupts that are lost, held back or never heard, and programs that spin in user mode. ROM guests."""
import process
from scenario import Expect, Scenario

from .guest import BUSY, COUNTED, SPINS_OFF, runs


def sleeps(rom, *args, **more):
    """The guest halted, and is woken no more: what would wake it is held back."""
    def play(stage):
        vm = stage.qemu(*args, rom=rom, **more)
        vm.until_halted()
        seen = []

        def stays():
            seen.append(process.switches(vm.pid, vm.vcpu()))
            return len(seen) > 10 and seen[-1] == seen[-10]
        stage.until("nothing wakes it", stays, 30, 0.1)
        return vm
    return play


def hung(cause, state, at_least="likely"):
    return Expect(cause, state, True, at_least)


UNACKED = hung("guest-interrupt-not-acknowledged", "dead")
PRIORITY = hung("guest-interrupt-priority-raised", "dead")
TIMER_LOST = hung("guest-timer-lost", "spinning")
IPI = hung("guest-waits-for-ipi", "spinning")

SCENARIOS = [
    Scenario("irq-unacked", "the timer's handler never acknowledged the first tick", UNACKED,
             sleeps("irq-unacked"), old_and_new=True),
    Scenario("tpr-raised", "sleeps at a task priority that keeps its timer out", PRIORITY,
             sleeps("tpr-raised"), old_and_new=True),
    Scenario("timer-lost", "waits in a loop for a tick of a timer that it masked", TIMER_LOST,
             runs("waits-for-tick"), old_and_new=True),
    Scenario("ipi-unheard", "calls a CPU that halted with interrupts off", IPI,
             runs("ipi-unheard", smp=2), old_and_new=True),
    Scenario("ipi-lost", "calls a CPU that is not there, again and again", IPI,
             runs("ipi-lost", smp=2), **COUNTED),
    Scenario("user-spin", "a program computes in a tight loop in user mode, timer at 100 Hz", BUSY,
             runs("user-spin"), accel="tcg"),
    Scenario("user-spin-irqs-off", "a program in user mode switched interrupts off and waits", SPINS_OFF,
             runs("user-spin-irqs-off"), accel="tcg"),
]
