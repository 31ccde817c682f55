# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest itself: spinning, halted, idle, busy. ROM guests, which boot at once."""
import process
from scenario import Expect, Scenario


def runs(rom, *args, **more):
    """Plays a ROM whose boot CPU runs without a break."""
    def play(stage):
        vm = stage.qemu(*args, rom=rom, **more)
        vm.until_runs()
        return vm
    return play


def halts(rom, *args, **more):
    """Plays a ROM whose boot CPU waits in HLT."""
    def play(stage):
        vm = stage.qemu(*args, rom=rom, **more)
        vm.until_halted()
        return vm
    return play


def idles(stage):
    """The guest waits in HLT, and its timer wakes it."""
    vm = halts("idle")(stage)
    woken = process.switches(vm.pid, vm.vcpu())
    stage.until("the timer wakes the guest",
                lambda: process.switches(vm.pid, vm.vcpu()) > woken + 2)
    return vm


def spins_after_firmware(stage):
    vm = stage.qemu("-vga", "std", sector="sector-spin", smp=4, memory="32")
    vm.until_screen("Booting from Hard Disk")
    vm.until_runs()
    return vm


def triple_fault(stage):
    vm = stage.qemu("-no-reboot", "-no-shutdown", rom="triple-fault")
    vm.until_status("shutdown")
    return vm


def reset_loop(stage):
    vm = stage.qemu(rom="triple-fault")
    vm.until_status("running")
    return vm


SPINS_OFF = Expect("guest-spins-irqs-off", "spinning", True)
SPINS_ON = Expect("guest-spins-irqs-on", "spinning", True, "likely")
APS_NEVER = Expect("boot-cpu-spins-aps-never-started", "spinning", True)
APS_NEVER_LIKELY = Expect("boot-cpu-spins-aps-never-started", "spinning", True, "likely")
HALTED = Expect("guest-halted-forever", "dead", True)
IDLE = Expect("guest-idle", "idle", False, "likely")
BUSY = Expect("guest-busy", "running", False, "likely")
COUNTED = {"accel": "kvm", "needs": ("exits",)}  # what its exits tell decides


def storm(of, at_least):
    return Expect(f"guest-{of}-storm", "spinning", True, at_least)


SCENARIOS = [
    Scenario("spin-irqs-off", "cli; pause; jmp", SPINS_OFF, runs("spin"), old_and_new=True),
    Scenario("spin-irqs-off-tcg", "the same under TCG", SPINS_OFF, runs("spin"), accel="tcg"),
    Scenario("spin-irqs-on", "sti; pause; jmp, timer at 18 Hz", SPINS_ON, runs("spin-irqs-on")),
    Scenario("boot-cpu-spins", "4 vCPUs, the boot CPU spins, no other was ever started",
             APS_NEVER, runs("spin", smp=4)),
    Scenario("boot-cpu-spins-passive", "the same, and exits alone must show it",
             APS_NEVER, runs("spin", smp=4), passive_expect=APS_NEVER_LIKELY, **COUNTED),
    Scenario("boot-cpu-spins-seabios", "the same, the others parked by SeaBIOS",
             APS_NEVER, spins_after_firmware, accel="kvm"),
    Scenario("halted", "cli; hlt", HALTED, halts("halt")),
    Scenario("halted-tcg", "the same under TCG", HALTED, halts("halt"), accel="tcg"),
    Scenario("idle", "sti; hlt, timer at 18 Hz", IDLE, idles, old_and_new=True),
    Scenario("idle-no-timer", "sti; hlt, every interrupt masked", IDLE, halts("idle-no-timer")),
    Scenario("idle-tcg", "idle under TCG", IDLE, idles, accel="tcg"),
    Scenario("busy", "computes for ever, timer at 100 Hz", BUSY, runs("busy")),
    Scenario("busy-io", "works and prints to the serial port for ever, timer at 100 Hz", BUSY,
             runs("busy-io"), passive=True, **COUNTED),
    Scenario("busy-clock", "computes and reads a clock for ever, timer at 100 Hz", BUSY,
             runs("busy-clock"), passive=True, **COUNTED),
    Scenario("busy-tcg", "the same under TCG", BUSY, runs("busy"), accel="tcg"),
    Scenario("port-storm", "writes to an I/O port for ever, interrupts off",
             storm("port", "certain"), runs("port-storm"), **COUNTED),
    Scenario("poll-port", "waits for a bit of a port that nothing answers at, interrupts off",
             storm("port", "likely"), runs("poll-port"), **COUNTED),
    Scenario("mmio-storm", "reads device memory for ever, interrupts off",
             storm("mmio", "certain"), runs("mmio-storm", "-vga", "std"), **COUNTED),
    Scenario("msr-storm", "reads an MSR for ever, interrupts off",
             storm("msr", "certain"), runs("msr-storm"), **COUNTED),
    Scenario("cpuid-storm", "executes CPUID for ever, interrupts off",
             storm("cpuid", "certain"), runs("cpuid-storm"), **COUNTED),
    Scenario("exception-loop", "an exception whose handler returns to it, interrupts off",
             Expect("guest-exception-loop", "spinning", True), runs("exception-loop"),
             passive=True, **COUNTED),
    Scenario("triple-fault", "an exception without a handler, -no-reboot -no-shutdown",
             Expect("guest-triple-fault", "dead", True), triple_fault, old_and_new=True),
    Scenario("reset-loop", "the same without these options: it is reset again and again",
             Expect("guest-reset-loop", "running", True, "likely"), reset_loop, passive=True,
             **COUNTED),
]
