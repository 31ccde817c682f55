# SPDX-License-Identifier: LGPL-2.1-or-later
"""VMs that change while vmhang looks: what is so at the end is the answer, and what was so before is told."""
import dataclasses
import os
import signal

from scenario import Expect, Scenario
from .guest import BUSY, HALTED, IDLE, SPINS_OFF, runs, halts
from .host import FROZEN, STOPPED

PAUSED = Expect("vm-paused", "paused", True)


def stopped(play):
    """Plays it, and stops the process by a signal."""
    def stop(stage):
        vm = play(stage)
        os.kill(vm.pid, signal.SIGSTOP)
        vm.until_state("T")
        return vm
    return stop


def paused(play):
    def pause(stage):
        vm = play(stage)
        vm.qmp.ask("stop")
        vm.until_status("paused")
        return vm
    return pause


def frozen(stage):
    vm = runs("busy")(stage)
    vm.group = stage.freezer("freezer", vm)
    freeze(vm)
    return vm


def freezable(stage):
    vm = runs("busy")(stage)
    vm.group = stage.freezer("freezer", vm)
    return vm


def freeze(vm):
    vm.group.write("freezer.state", "FROZEN")
    vm.stage.until("FROZEN", lambda: vm.group.read("freezer.state").strip() == "FROZEN")


def ask(command):
    return lambda vm: vm.qmp.ask(command)


def send(number):
    return lambda vm: os.kill(vm.pid, number)


def asked_before(play):
    """The lab's session is open before vmhang looks, so that what is asked half-way is done at once."""
    def connect(stage):
        vm = play(stage)
        vm.qmp.status()
        return vm
    return connect


def so(expect, changed):
    return dataclasses.replace(expect, changed=changed)


SCENARIOS = [
    Scenario("recovers-from-stop", "a stopped process is let go half-way",
             so(BUSY, "it was stopped, and it goes on since"), stopped(runs("busy")),
             asks=False, meanwhile=send(signal.SIGCONT)),
    Scenario("recovers-from-stop-idle", "the same of a guest that has nothing to do",
             so(IDLE, "it was stopped, and it goes on since"), stopped(halts("idle")),
             asks=False, load=0, meanwhile=send(signal.SIGCONT)),
    # What it is now counts: to be let go does not mend it.
    Scenario("stopped-spin-goes-on", "a stopped process is let go half-way, and its guest spins",
             so(SPINS_OFF, "it was stopped, and it goes on since"), stopped(runs("spin")),
             asks=False, meanwhile=send(signal.SIGCONT)),
    Scenario("recovers-from-pause", "a paused VM is resumed half-way",
             so(BUSY, "the VMM held its vCPUs, and it goes on since"), paused(runs("busy")),
             accel="kvm", meanwhile=ask("cont")),
    Scenario("recovers-from-freezer", "a frozen cgroup is thawed half-way",
             so(BUSY, "and it goes on since"), frozen, asks=False, needs=("freezer-v1",),
             meanwhile=lambda vm: vm.group.write("freezer.state", "THAWED")),
    Scenario("stops-half-way", "a process is stopped half-way",
             so(STOPPED, "it ran, and then it was stopped"), runs("busy"), asks=False,
             meanwhile=send(signal.SIGSTOP)),
    Scenario("freezes-half-way", "a cgroup is frozen half-way", so(FROZEN, "it ran, and since then"),
             freezable, asks=False, needs=("freezer-v1",), meanwhile=freeze),
    Scenario("pauses-half-way", "a VM is paused half-way",
             so(PAUSED, "it ran, and since then the VMM held its vCPUs"), asked_before(runs("busy")),
             accel="kvm", meanwhile=ask("stop")),
    Scenario("halts-half-way", "a guest that works halts for ever half-way",
             so(HALTED, "it ran, and since then no vCPU does"),
             asked_before(runs("works-then-halts")), accel="kvm", meanwhile=ask("inject-nmi")),
    Scenario("spins-half-way", "an idle guest begins to spin half-way",
             so(SPINS_OFF, "it hardly ran, and it runs since"),
             asked_before(halts("idles-then-spins")), accel="kvm", meanwhile=ask("inject-nmi")),
    Scenario("work-ends-half-way", "a guest's work is done half-way: no news, and no hang",
             IDLE, asked_before(runs("works-then-idles")), accel="kvm",
             meanwhile=ask("inject-nmi")),
]
