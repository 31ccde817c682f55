#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""trace.py VMHANG: what vmhang counts of a VM's exits is what happened, and nothing of it remains.

The counts of kvm_pio and kvm_userspace_exit are exactly those that the kernel's own tracefs has of the
same thread: the VM is stopped when both begin and when both end. After the end of vmhang, by itself, by
SIGINT, SIGKILL or a crash, none of its BPF programs, maps and links is left. A VM that dies, a vCPU that
is plugged in, two vmhangs at once, many vCPUs. Prints a row each and, last, the counts.
"""
import ctypes
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(TOP / "lab"), str(HERE)]

import process  # noqa: E402
from scenarios import BY_NAME  # noqa: E402
from stage import Qemu, Skip, Stage, have_kvm  # noqa: E402

TRACEFS = pathlib.Path("/sys/kernel/tracing")
EVENTS = ("kvm_pio", "kvm_userspace_exit")
WINDOWS = (2, 6, 20, 60)  # of vmhang, in seconds: the next where a loaded host was too slow for one
RUN = 0.5        # of the VM in it
MANY = 200       # vCPUs
PATIENCE = 60    # seconds until what should happen counts as missing
SYS_BPF = 321 if os.uname().machine == "x86_64" else 280
GET_FD = {"prog": 13, "map": 14, "link": 30}  # BPF_*_GET_FD_BY_ID


STEADY = 20      # looks in a row that show the same


class Failed(Exception):
    pass


class TooShort(Exception):
    """The window was over before all had happened that was to happen in it."""


def until(what, happens, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not (value := happens()):
        if time.monotonic() > deadline:
            raise Failed(f"not in {seconds} s: {what}")
        time.sleep(0.005)
    return value


def exists(kind, number):
    """Whether the kernel has a BPF object of that id."""
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = (ctypes.c_uint32 * 32)(number)
    fd = libc.syscall(SYS_BPF, GET_FD[kind], ctypes.byref(attributes), ctypes.sizeof(attributes))
    if fd >= 0:
        os.close(fd)
        return True
    return False


class Vmhang:
    """A running vmhang, and the BPF objects that it was seen to have."""

    def __init__(self, program, pid, *arguments, command="diagnose"):
        self.popen = subprocess.Popen(
            [program, command, str(pid), "--passive", "--json", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.objects = set()

    def look(self):
        """How many objects it has; remembers them."""
        found = set()
        for path in pathlib.Path(f"/proc/{self.popen.pid}/fdinfo").glob("*"):
            try:
                text = path.read_text()
            except OSError:
                continue
            found |= {(kind, int(number)) for kind, number in
                      re.findall(r"^(prog|map|link)_id:\t(\d+)$", text, re.M)}
        self.objects |= found
        return len(found)

    def until_attached(self):
        """Until it counts: it waits, and its links become no more."""
        last = []

        def settled():
            self.check_lives()
            last.append(self.look() if process.is_asleep(self.popen.pid) else None)
            return (last[-1] or 0) > 30 and last[-STEADY:] == last[-1:] * STEADY
        until("vmhang attaches to tracepoints", settled)
        self.attached = last[-1]

    def check_lives(self):
        if self.popen.poll() in (0, 1, 2):
            raise TooShort
        if self.popen.returncode is not None:
            raise Failed(f"vmhang ended: {self.popen.stderr.read().decode()[-500:]}")

    def until_seen(self):
        """Until it has objects, enough to look for them when it has ended."""
        def has_objects():
            self.check_lives()
            return self.look() > 30
        until("vmhang has BPF objects", has_objects)

    def check_counts(self):
        """It has counted up to here."""
        if self.look() < self.attached:
            raise TooShort

    def report(self):
        out, err = self.popen.communicate(timeout=60)
        if self.popen.returncode not in (0, 1, 2):
            raise Failed(f"exit status {self.popen.returncode}: {err.decode()[-500:]}")
        exits = json.loads(out).get("exits")
        if not exits:
            raise Failed("no exits in the report")
        return exits

    def check_gone(self):
        if len(self.objects) < 30:
            raise Failed(f"only {len(self.objects)} BPF objects were seen of it")
        self.popen.wait(timeout=60)
        # The kernel frees them behind the last reader (RCU).
        until("all of its BPF objects are gone", lambda: not any(
            exists(kind, number) for kind, number in self.objects))


class Tracefs:
    """tracefs' own count of an event of one thread: an instance of its own."""

    def __init__(self, event, tid):
        self.event = event
        self.path = TRACEFS / "instances" / f"vmhang-test-{os.getpid()}-{event}"
        self.tid = tid

    def __enter__(self):
        self.path.mkdir()
        folder = self.path / "events/kvm" / self.event
        (folder / "filter").write_text(f"common_pid == {self.tid}")
        (folder / "enable").write_text("1")
        return self

    def count(self):
        """All that came: what is in the buffers, and what was overwritten there."""
        total = 0
        for path in self.path.glob("per_cpu/cpu*/stats"):
            numbers = dict(re.findall(r"^([a-z ]+): (\d+)$", path.read_text(), re.M))
            if int(numbers["dropped events"]):
                raise Failed(f"tracefs dropped {numbers['dropped events']} events")
            total += int(numbers["entries"]) + int(numbers["overrun"])
        return total

    def __exit__(self, *_):
        (self.path / "events/kvm" / self.event / "enable").write_text("0")
        self.path.rmdir()


def keys(vcpu, kind):
    return sum(key["count"] for key in vcpu["keys"] if key["kind"] == kind)


def seen(exits, event):
    return next(row["seen"] for row in exits["events"] if row["name"] == f"kvm:{event}")


def check_sums(exits):
    """The parts of each vCPU's time are the whole."""
    for vcpu in exits["vcpus"]:
        whole = sum(vcpu["split"].values())
        if abs(whole - 1) > 1e-6:
            raise Failed(f"the parts of vCPU {vcpu['vcpu']}'s time are {whole}: {vcpu['split']}")


def in_window(check):
    """A test with a window that is long enough for this host."""
    def with_window(program):
        for seconds in WINDOWS:
            try:
                return check(program, f"{seconds}s")
            except TooShort:
                continue
        raise Failed(f"a window of {WINDOWS[-1]} s was too short")
    return with_window


@in_window
def exact(program, window):
    """Two vmhangs and tracefs count the same."""
    if not (TRACEFS / "instances").is_dir():
        raise Skip(f"no tracefs at {TRACEFS}: nothing to compare with")
    if not all((TRACEFS / "events/kvm" / event).is_dir() for event in EVENTS):
        raise Skip("this kernel has no such events")
    with Stage("trace-exact", "kvm", Qemu()) as stage:
        vm = BY_NAME["port-storm"].play(stage)
        vm.qmp.ask("stop")
        with Tracefs(EVENTS[0], vm.vcpu()) as pio, Tracefs(EVENTS[1], vm.vcpu()) as user:
            runs = [Vmhang(program, vm.pid, "--window", window) for _ in range(2)]
            for run in runs:
                run.until_attached()
            before = pio.count(), user.count()
            if before != (0, 0):
                raise Failed(f"a stopped VM had events: {before}")
            vm.qmp.ask("cont")
            time.sleep(RUN)  # the load; nothing waits for it
            vm.qmp.ask("stop")
            for run in runs:
                run.check_counts()
            reports = [run.report() for run in runs]
            truth = {"kvm_pio": pio.count(), "kvm_userspace_exit": user.count()}
    for exits, run in zip(reports, runs):
        if exits["backend"] != "bpf":
            raise Skip(f"counted by {exits['backend']}: {exits['why_not_better']}")
        got = {event: seen(exits, event) for event in EVENTS}
        by_key = {"kvm_pio": keys(exits["vcpus"][0], "pio"),
                  "kvm_userspace_exit": keys(exits["vcpus"][0], "userspace")}
        if got != truth or by_key != truth or exits["lost"] or exits["missed"]:
            raise Failed(f"{got}, by key {by_key}, lost {exits['lost']}, missed "
                         f"{exits['missed']}; tracefs has {truth}")
        check_sums(exits)
        run.check_gone()
    if not all(truth.values()):
        raise Failed(f"nothing happened: {truth}")
    return f"{truth['kvm_pio']} and {truth['kvm_userspace_exit']}, twice"


def ends_by(number):
    """Nothing remains when vmhang is ended by a signal in the middle of its window."""
    def check(program):
        with Stage("trace-leak", "kvm", Qemu()) as stage:
            vm = BY_NAME["idle"].play(stage)
            run = Vmhang(program, vm.pid, "--window", "60s")
            try:
                run.until_attached()
            finally:
                run.popen.send_signal(number)
            run.check_gone()
            return f"{len(run.objects)} objects, all gone"
    return check


@in_window
def dies(program, window):
    """The VM is killed in the window."""
    with Stage("trace-dies", "kvm", Qemu()) as stage:
        vm = BY_NAME["port-storm"].play(stage)
        run = Vmhang(program, vm.pid, "--window", window)
        run.until_attached()
        vm.popen.kill()
        vm.popen.wait()
        run.check_counts()
        exits = run.report()
        run.check_gone()
    if not exits["vcpus"][0]["ended"] or not seen(exits, "kvm_pio"):
        raise Failed(f"vCPU 0: {exits['vcpus'][0]}")
    check_sums(exits)
    return f"{seen(exits, 'kvm_pio')} kvm_pio until its end"


def plugged(program):
    """A vCPU is plugged in while exits are counted: from some interval on it is there."""
    with Stage("trace-plug", "kvm", Qemu()) as stage:
        vm = stage.qemu(rom="idle", smp="1,maxcpus=2", machine="q35")
        run = Vmhang(program, vm.pid, "--interval", "200ms", command="exits")
        give_up = threading.Timer(PATIENCE, run.popen.kill)
        give_up.start()
        try:
            first = json.loads(run.popen.stdout.readline())
            run.look()
            plug(vm)
            exits = next((interval for interval in map(json.loads, run.popen.stdout)
                          if len(interval["vcpus"]) > 1), first)
        finally:
            give_up.cancel()
            run.popen.terminate()
        run.check_gone()
    check_sums(exits)
    if [vcpu["vcpu"] for vcpu in exits["vcpus"]] != [0, 1]:
        raise Failed(f"vCPUs {[vcpu['vcpu'] for vcpu in exits['vcpus']]}")
    return "both are there"


def plug(vm):
    slots = vm.qmp.ask("query-hotpluggable-cpus")
    slot = next(slot for slot in slots if "qom-path" not in slot)
    vm.qmp.ask("device_add", driver=slot["type"], id="more", **slot["props"])


@in_window
def many(program, window):
    """A VM with many vCPUs."""
    with Stage("trace-many", "kvm", Qemu()) as stage:
        vm = stage.qemu(rom="idle", smp=str(MANY), memory="16")
        stage.until("all vCPU threads are there", lambda: sum(
            name.startswith("CPU ") for name in process.threads(vm.pid).values()) == MANY, 60)
        run = Vmhang(program, vm.pid, "--window", window)
        run.until_seen()
        exits = run.report()
        run.check_gone()
    check_sums(exits)
    if len(exits["vcpus"]) != MANY:
        raise Failed(f"{len(exits['vcpus'])} vCPUs")
    return f"attached in {exits['attach_ns'] / 1e6:.0f} ms"


TESTS = (
    ("counts are exact", exact),
    ("nothing remains after SIGINT", ends_by(signal.SIGINT)),
    ("nothing remains after SIGKILL", ends_by(signal.SIGKILL)),
    ("nothing remains after a crash", ends_by(signal.SIGSEGV)),
    ("a VM that dies in the window", dies),
    ("a vCPU that is plugged in", plugged),
    (f"{MANY} vCPUs", many),
)


def why_skip(program):
    if os.geteuid():
        return "tracing needs root"
    if not have_kvm():
        return "no KVM here"
    done = subprocess.run([program, "check", "--json"], capture_output=True, timeout=60)
    row = next(row for row in json.loads(done.stdout)["checks"] if row["id"] == "exits")
    return None if row["ok"] and row["detail"].startswith("by BPF") else f"no BPF: {row['detail']}"


def main():
    program = os.path.abspath(sys.argv[1])
    reason = why_skip(program)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name, check in TESTS:
        try:
            if reason:
                raise Skip(reason)
            outcome, detail = "passed", check(program)
        except Skip as skip:
            outcome, detail = "skipped", f"SKIPPED: {skip}"
        except (Failed, subprocess.TimeoutExpired) as problem:
            outcome, detail = "failed", str(problem)
        counts[outcome] += 1
        print(f"{outcome:8} {name:32} {detail}", flush=True)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
