# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's run states: who or what holds the VM, told by the monitor."""
import socket

import process
from scenario import Expect, Scenario


def suspended(stage):
    vm = stage.qemu(rom="suspend")
    vm.until_status("suspended")
    return vm


def watchdog(stage):
    vm = stage.qemu("-device", "ib700", "-action", "watchdog=pause", rom="watchdog")
    vm.until_status("watchdog")
    return vm


def debugger(stage, vm, *packets):
    """A debugger on the VM's gdb stub, which says packets and then nothing more."""
    client = socket.socket(socket.AF_UNIX)
    stage.at_exit(client.close)
    client.connect(str(stage.tmp / "gdb.sock"))
    vm.until_status("paused")
    for packet in packets:
        client.sendall(f"+${packet}#{sum(packet.encode()) & 0xff:02x}".encode())


def with_stub(stage):
    vm = stage.qemu("-gdb", f"unix:{stage.tmp}/gdb.sock,server=on,wait=off", rom="idle")
    vm.until_halted()
    return vm


def debugger_attached(stage):
    vm = with_stub(stage)
    debugger(stage, vm)
    return vm


def debugger_steps(stage):
    vm = with_stub(stage)
    debugger(stage, vm, "s")
    vm.until_status("debug")
    return vm


def stub_unused(stage):
    """The stub is there, nobody is connected to it, and somebody paused the VM."""
    vm = with_stub(stage)
    vm.qmp.ask("stop")
    vm.until_status("paused")
    return vm


def preconfig(stage):
    vm = stage.qemu("-preconfig", rom="idle", vcpus=False)
    stage.until("the main loop runs", lambda: vm.qmp.status() == "prelaunch" and process.is_asleep(vm.pid))
    return vm


def load_failed(stage):
    """A snapshot is to be loaded that does not exist: QEMU stops the VM first, and leaves it so."""
    vm = stage.qemu(rom="idle")
    vm.until_halted()
    vm.qmp.human("loadvm no-such-snapshot")
    vm.until_status("restore-vm")
    return vm


def migrated_away(stage):
    vm = stage.qemu(rom="idle")
    vm.until_halted()
    vm.qmp.ask("migrate", uri="exec:cat >/dev/null")
    vm.until_status("postmigrate")
    return vm


def expect(cause, hung=True, at_least="certain"):
    return Expect(cause, "paused", hung, at_least)


SCENARIOS = [
    Scenario("suspended", "the guest went to sleep (S3)", expect("guest-suspended", False), suspended,
             old_and_new=True, load=0),
    Scenario("watchdog-paused", "a watchdog that nobody served, watchdog=pause", expect("watchdog-paused"),
             watchdog, old_and_new=True, load=0),
    Scenario("debugger-attached", "a debugger connected to the gdb stub, which stops the VM",
             expect("debugger-holds-vm", at_least="likely"), debugger_attached, old_and_new=True, load=0),
    Scenario("debugger-steps", "the VM stands behind a single step of a debugger",
             expect("debugger-holds-vm"), debugger_steps, accel="tcg", old_and_new=True, load=0),
    Scenario("paused-stub-unused", "paused by QMP, beside a gdb stub that nobody uses",
             expect("vm-paused"), stub_unused, old_and_new=True, load=0),
    Scenario("preconfig", "-preconfig, and nobody goes on", expect("vm-preconfig"), preconfig,
             old_and_new=True, load=0),
    Scenario("load-failed", "loadvm of a snapshot that is not there", expect("vm-state-loading"), load_failed,
             old_and_new=True, load=0),
    Scenario("migrated-away", "all was sent to another place", expect("vm-migrated-away"), migrated_away,
             old_and_new=True, load=0),
]
