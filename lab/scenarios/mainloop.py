# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's main loop does not answer, and why: storage, a connection, another program, a lock, itself."""
import dataclasses
import os
import resource
import shutil
import signal
import socket
import subprocess

import process
from scenario import NEEDS, Expect, Scenario, fuse_missing, unless
from stage import HELPERS

NEEDS["compiler"] = lambda: unless(shutil.which("cc"), "no C compiler")


def idle(stage, *args, **more):
    vm = stage.qemu(*args, rom="idle", **more)
    vm.until_halted()
    return vm


def full_socket(stage):
    """A UNIX socket whose server accepts nobody, and whose backlog is full."""
    path = str(stage.tmp / "full.sock")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(0)
    stage.at_exit(server.close)
    while True:
        client = socket.socket(socket.AF_UNIX)
        stage.at_exit(client.close)
        client.setblocking(False)
        try:
            client.connect(path)
        except BlockingIOError:
            return path


def full_port(stage):
    """A TCP port whose server accepts nobody: connections beyond its backlog hang."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(0)
    stage.at_exit(server.close)
    for _ in range(3):
        client = socket.socket()
        stage.at_exit(client.close)
        client.setblocking(False)
        client.connect_ex(server.getsockname())
    return server.getsockname()[1]


def add_client(vm, address):
    vm.qmp.send("chardev-add", id="added",
                backend={"type": "socket", "data": {"server": False, "addr": address}})


def connects(stage):
    vm = idle(stage)
    add_client(vm, {"type": "unix", "data": {"path": full_socket(stage)}})
    vm.until_wchan(("unix_wait_for_peer",))
    return vm


def connects_by_tcp(stage):
    vm = idle(stage)
    add_client(vm, {"type": "inet", "data": {"host": "127.0.0.1", "port": str(full_port(stage))}})
    stage.until("it sits in connect(2)", lambda: process.read(f"/proc/{vm.pid}/syscall").startswith("42 "))
    return vm


def helper_silent(stage):
    """A vhost-user backend that takes the connection, and never answers."""
    path = str(stage.tmp / "backend.sock")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(8)
    stage.at_exit(server.close)
    vm = idle(stage, "-object", "memory-backend-memfd,id=ram,size=32M,share=on",
              "-chardev", f"socket,id=backend,path={path}", machine="pc,memory-backend=ram", memory="32")
    vm.qmp.send("device_add", driver="vhost-user-blk-pci", chardev="backend", id="disk")
    vm.until_wchan(("unix_stream_read_generic", "unix_stream_data_wait"))
    return vm


def drains(stage):
    """A request of a drive hangs in its storage, and somebody stops the VM: that waits for the request."""
    target = stage.stalled_files()
    vm = idle(stage, "-drive", f"file={target}/ram,format=raw,if=none,id=disk,file.locking=off",
              "-device", "virtio-blk-pci,drive=disk")
    vm.qmp.human('qemu-io disk "aio_read 32768 512"')
    stage.until("a worker waits for the file", lambda: any(
        "request_wait_answer" in process.wchan(vm.pid, tid) for tid in process.threads(vm.pid)))
    vm.qmp.send("stop")
    stage.until("the main loop waits for one descriptor alone", lambda: process.read(
        f"/proc/{vm.pid}/syscall").split()[:1] == ["271"] and int(
            process.read(f"/proc/{vm.pid}/syscall").split()[2], 0) <= 2)
    return vm


def log_file_stalled(stage):
    """The guest writes to a debug console that is logged to a file on storage that stopped answering."""
    target = stage.stalled_files()
    vm = stage.qemu("-chardev", f"file,id=console,path={target}/screen",
                    "-device", "isa-debugcon,iobase=0xe9,chardev=console", rom="debugcon")
    vm.until_wchan(("request_wait_answer", "fuse"), vm.vcpu(), 30)
    vm.until_wchan(("futex",))
    return vm


def log_not_read(stage):
    """QEMU's messages go to a pipe that nobody reads, and the guest makes it write many."""
    ours, theirs = os.pipe()
    stage.at_exit(lambda: os.close(ours))
    vm = stage.qemu("-trace", "memory_region_ops_write", rom="port-storm",
                    setup=lambda: os.dup2(theirs, 2))
    os.close(theirs)
    vm.until_wchan(("pipe_write",), vm.vcpu(), 30)
    vm.until_wchan(("futex",))
    return vm


def spins(stage):
    """Somebody asked for the checksum of 2 GiB, which QEMU reads byte by byte."""
    vm = idle(stage)
    vm.qmp.send("human-monitor-command", **{"command-line": "sum 0 0x7fffffff"})
    began = sum(process.run_ns(vm.pid, vm.pid))
    stage.until("the main loop runs", lambda: sum(process.run_ns(vm.pid, vm.pid)) > began + 500e6, 30)
    return vm


def deadlock(stage):
    library, when = stage.tmp / "deadlock.so", stage.tmp / "now"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HELPERS / "deadlock.c"], check=True)
    stage.qemu_build.environment = {**stage.qemu_build.environment, "LD_PRELOAD": str(library),
                                    "VMHANG_LAB_DEADLOCK": str(when)}
    vm = idle(stage)
    when.touch()
    vm.qmp.send("query-status")
    vm.until_wchan(("futex",))
    stage.until("the worker waits, too", lambda: any(
        name == "worker" and "futex" in process.wchan(vm.pid, tid)
        for tid, name in process.threads(vm.pid).items()))
    return vm


def killed(stage):
    """Killed while the main thread is inside of a write that not even SIGKILL breaks."""
    target = stage.stalled_files()
    vm = idle(stage, "-vga", "std")
    vm.qmp.send("screendump", filename=str(target / "screen"))
    vm.until_wchan(("request_wait_answer", "fuse"))
    return kill(stage, vm)


def killed_worker_left(stage):
    """Killed while a worker is inside of such a read: the first thread has ended, the process cannot."""
    target = stage.stalled_files()
    vm = idle(stage, "-drive", f"file={target}/ram,format=raw,if=none,id=disk,file.locking=off",
              "-device", "virtio-blk-pci,drive=disk")
    vm.qmp.human('qemu-io disk "aio_read 32768 512"')
    stage.until("a worker waits for the file", lambda: any(
        "request_wait_answer" in process.wchan(vm.pid, tid) for tid in process.threads(vm.pid)))
    return kill(stage, vm)


def kill(stage, vm):
    """A request that the file system has not taken yet could still be broken off."""
    server = next(popen.pid for popen in stage.processes if "stallfs.py" in str(popen.args))
    stage.until("the file system has taken it", lambda: "fuse_dev_do_read" in process.wchan(server))
    vm.popen.kill()
    stage.until("one thread is left that works, in state D", lambda: sorted(
        process.state(vm.pid, tid) for tid in process.threads(vm.pid)) in (["D"], ["D", "Z"]))
    return vm


def core_pattern_missing():
    pattern = process.read("/proc/sys/kernel/core_pattern").strip()
    return fuse_missing() or unless(pattern == "core", f"core dumps go elsewhere here: {pattern}")


NEEDS["core-in-cwd"] = core_pattern_missing


def dumps_core(stage):
    """Aborted, and its core dump goes to storage that stopped answering."""
    target = stage.stalled_files()

    def setup():
        os.chdir(target)
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    vm = idle(stage, setup=setup)
    vm.popen.send_signal(signal.SIGABRT)
    stage.until("the kernel dumps it", lambda: "CoreDumping:\t1" in process.read(f"/proc/{vm.pid}/status"))
    vm.until_wchan(("request_wait_answer", "fuse"))
    return vm


def blocked(cause, at_least="certain", state="blocked"):
    return Expect(cause, state, True, at_least)


def silent(name, about, expect, play, **more):
    return Scenario(name, about, expect, play, asks=False, monitor="silent", load=more.pop("load", 0), **more)


SCENARIOS = [
    silent("main-loop-connects", "the main loop connects to a socket that nobody accepts on",
           blocked("main-loop-connects"), connects),
    silent("main-loop-connects-tcp", "the same by TCP", blocked("main-loop-connects"), connects_by_tcp),
    silent("helper-silent", "a vhost-user backend that never answers",
           blocked("main-loop-waits-for-helper"), helper_silent, old_and_new=True),
    silent("stop-on-hung-drive", "stop, while a request of a drive hangs in its storage",
           blocked("main-loop-waits-for-drive"), drains, needs=("fuse",), old_and_new=True),
    silent("console-file-stalled", "a vCPU holds the big lock, in a write to a file on dead storage",
           blocked("vmm-lock-held"), log_file_stalled, needs=("fuse",), old_and_new=True),
    silent("log-not-read", "standard error into a full pipe", blocked("vmm-log-not-read"), log_not_read),
    silent("main-loop-spins", "a monitor command that computes for minutes",
           dataclasses.replace(blocked("vmm-main-loop-spins", state="spinning"), accept=("main-loop-starved",)),
           spins, load=1.0),
    Scenario("killed-in-the-kernel", "kill -9 of a VMM that is in a write to dead storage",
             blocked("process-cannot-end", state="dead"), killed, needs=("fuse",), asks=False, load=0),
    Scenario("killed-worker-left", "kill -9, and a worker cannot end: the first thread has",
             blocked("process-cannot-end", state="dead"), killed_worker_left, needs=("fuse",), asks=False, load=0),
    Scenario("dumping-core", "aborted, with its core dump on dead storage",
             blocked("process-dumping-core", state="dead"), dumps_core, needs=("core-in-cwd",), asks=False,
             load=0),
    silent("deadlock", "two threads of QEMU, each with the lock that the other one wants",
           blocked("vmm-deadlock"), deadlock, needs=("compiler",), old_and_new=True),
]
