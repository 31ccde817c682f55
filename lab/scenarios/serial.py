# SPDX-License-Identifier: LGPL-2.1-or-later
"""Serial ports and consoles whose other end nobody reads, and those that look so and are well."""
import fcntl
import os
import signal
import socket
import sys
import termios
import time

import process
from scenario import Expect, Scenario
from .healthy import starts

F_SETPIPE_SZ = 1031
PRINT = "serial-print"


def until_waits(vm):
    """QEMU's own view: the guest stays in its loop of three instructions that polls the line status, with
    the port empty of room (bit 5 of port 3fd), however often one looks."""
    def no_room():
        for _ in range(10):
            if not vm.qmp.human("i /b 0x3fd").strip().endswith(("00", "01")):
                return False
            time.sleep(0.02)
        return True
    vm.stage.until("the serial port has no room", no_room, 60, 0.1)
    return vm


def fifo(stage, rom=PRINT):
    """A FIFO of one page: somebody has it open, and does not read."""
    for name in ("port.in", "port.out"):
        os.mkfifo(stage.tmp / name)
    ends = [os.open(stage.tmp / name, os.O_RDWR | os.O_NONBLOCK) for name in ("port.in", "port.out")]
    stage.at_exit(lambda: [os.close(end) for end in ends])
    fcntl.fcntl(ends[1], F_SETPIPE_SZ, 4096)
    vm = stage.qemu("-serial", f"pipe:{stage.tmp}/port", rom=rom)
    return until_waits(vm)


def connected(stage, path):
    client = socket.socket(socket.AF_UNIX)
    stage.at_exit(client.close)

    def connects():
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True
    stage.until("the serial port's socket takes a connection", connects)
    return client


def unread_socket(stage):
    """A client of the serial port's socket that does not read."""
    vm = stage.qemu("-chardev", f"socket,id=port,path={stage.tmp}/port.sock,server=on,wait=off",
                    "-device", "isa-serial,chardev=port", rom=PRINT)
    connected(stage, stage.tmp / "port.sock")
    return until_waits(vm)


def stopped_reader(stage):
    """The program that reads the serial port's socket is stopped."""
    vm = stage.qemu("-serial", f"unix:{stage.tmp}/port.sock,server=on,wait=off", rom=PRINT)
    reader = stage.spawn([sys.executable, "-c", "import socket, sys\ns = socket.socket(socket.AF_UNIX)\n"
                          "s.connect(sys.argv[1])\nprint('reads', flush=True)\nwhile s.recv(4096): pass",
                          stage.tmp / "port.sock"], stdout=-1, must_live=False)
    if reader.stdout.readline().strip() != b"reads":
        raise OSError("the reader did not connect")
    os.kill(reader.pid, signal.SIGSTOP)
    return until_waits(vm)


def unread_terminal(stage):
    """A terminal that somebody opened, and does not read."""
    vm = stage.qemu("-serial", "pty", rom=PRINT)
    name = next(entry["filename"] for entry in vm.qmp.ask("query-chardev") if entry["label"] == "serial0")
    terminal = os.open(name.split(":", 1)[1], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    stage.at_exit(lambda: os.close(terminal))
    return until_waits(vm)


def nobody(*serial):
    """Nobody has the other end open: what the guest prints is thrown away, and it goes on."""
    def play(stage):
        vm = stage.qemu(*(arg.format(tmp=stage.tmp) for arg in serial), rom="busy-io")
        vm.until_runs()
        return vm
    return play


def read_by_somebody(stage):
    """A client reads all that the guest prints, as fast as it comes."""
    vm = stage.qemu("-serial", f"unix:{stage.tmp}/port.sock,server=on,wait=off", rom="busy-io")
    reader = stage.spawn([sys.executable, "-c", "import socket, sys\ns = socket.socket(socket.AF_UNIX)\n"
                          "s.connect(sys.argv[1])\ns.recv(1)\nprint('reads', flush=True)\n"
                          "while s.recv(4096): pass", stage.tmp / "port.sock"], stdout=-1)
    if reader.stdout.readline().strip() != b"reads":
        raise OSError("the reader got nothing")
    vm.until_runs()
    return vm


def unread_port(stage):
    """A program in the guest writes to a virtio port whose client does not read: the guest is idle."""
    vm, log = starts(stage, "sleep 1; echo lab: writes; busybox yes > /dev/vport0p1", "-device", "virtio-serial-pci",
                     "-chardev", f"socket,id=port,path={stage.tmp}/port.sock,server=on,wait=off",
                     "-device", "virtserialport,chardev=port,name=lab.port", modules=("virtio_pci", "virtio_console"),
                     smp=1)
    client = connected(stage, stage.tmp / "port.sock")
    stage.until("the guest writes", lambda: "lab: writes" in process.read(log), 240, 0.2)
    seen = []

    def full():
        seen.append(int.from_bytes(fcntl.ioctl(client, termios.FIONREAD, bytes(4)), "little"))
        return seen[-1] and len(seen) > 9 and len(set(seen[-9:])) == 1
    stage.until("the port is full", full, 60, 0.1)
    vm.until_halted()
    return vm


WAITS = Expect("guest-waits-for-serial-reader", "spinning", True)
BUSY = Expect("guest-busy", "running", False, "likely", accept=("guest-slow",))
COUNTED = {"accel": "kvm", "needs": ("exits",)}

SCENARIOS = [
    Scenario("serial-fifo-unread", "prints to a serial port whose FIFO is full", WAITS, fifo, **COUNTED),
    Scenario("serial-socket-unread", "prints to a serial port whose client does not read", WAITS,
             unread_socket, old_and_new=True, **COUNTED),
    Scenario("serial-reader-stopped", "prints to a serial port whose reader is stopped", WAITS,
             stopped_reader, **COUNTED),
    Scenario("serial-terminal-unread", "prints to a terminal that somebody opened and does not read",
             WAITS, unread_terminal, **COUNTED),
    Scenario("virtio-port-unread", "a program writes to a virtio port whose client does not read",
             Expect("guest-idle", "idle", False, also=("console-not-read",)), unread_port, accel="tcg", load=0.2),
    Scenario("serial-nobody-connected", "prints to a socket that nobody is connected to",
             BUSY, nobody("-serial", "unix:{tmp}/port.sock,server=on,wait=off"), **COUNTED),
    Scenario("serial-terminal-unopened", "prints to a terminal that nobody opened",
             BUSY, nobody("-serial", "pty"), quick=False, **COUNTED),
    Scenario("serial-socket-read", "prints to a serial port whose client reads", BUSY, read_by_somebody,
             **COUNTED),
]
