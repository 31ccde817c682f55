#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""backends.py COUNTERS: the backends of exit tracing count alike, on real VMs.

Two of them count the same VM at the same time, between a stop and a stop of its vCPUs, so that their windows
hold the same events: counts of every reason and key must then be equal. KVM's statistics must agree with both.
The timeline of a VM is JSON whose slices nest, and holds every event that was counted beside it.
Prints a line a test and, last, the counts.
"""
import collections
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "lab"), str(HERE)]

import process  # noqa: E402
import store  # noqa: E402
from scenarios import BY_NAME  # noqa: E402
from stage import LabError, Skip, Stage  # noqa: E402

SECONDS = 0.7
PATIENCE = 60  # seconds until what should happen counts as missing
STEADY = 20    # looks in a row that show the same
TURNS = 3  # a host short of CPU may not drain the rings in time: what was lost was told, and is tried again
SAMPLED = {"kvm:kvm_emulate_insn": "emulated"}  # each backend has its own moment when it stops them
TRACEFS = pathlib.Path("/sys/kernel/tracing")


class Failure(Exception):
    pass


def expect(holds, what):
    if not holds:
        raise Failure(what)


def count(counters, vm, *backends):
    """What the backends counted of a VM that runs only in between."""
    with stopped(vm), subprocess.Popen(
            [counters, str(vm.pid), *backends], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE) as popen:
        ready = popen.stdout.readline().strip()
        if ready != "ready":
            raise Failure(popen.stderr.read().strip() or f"ended with {popen.wait()}")
        vm.qmp.ask("cont")
        time.sleep(SECONDS)
        vm.qmp.ask("stop")
        text, errors = popen.communicate(timeout=60)
    expect(not popen.returncode, f"counters ended with {popen.returncode}: {errors}")
    return [json.loads(line) for line in text.splitlines()]


def sampled(*traces):
    """Kinds of keys that one of them did not count all the time."""
    return {SAMPLED[event["name"]] for trace in traces for event in trace["events"]
            if event["name"] in SAMPLED and event["state"] != "attached"}


def counts(trace, without):
    """{(vcpu, what...): count} of reasons, keys and entries."""
    found = collections.Counter()
    for thread in trace["threads"]:
        of = thread["vcpu"]
        found[of, "entries"] += thread.get("entries", 0)
        for row in thread.get("exits", []):
            found[of, "exit", row["reason"]] += row["count"]
        for key in thread.get("keys", []):
            if key["kind"] not in without:
                found[of, key["kind"], key["value"], key.get("detail"), key.get("reason")] += \
                    key["count"]
    return +found


def compare(vm, counters, kinds):
    for turn in range(TURNS):
        bpf, perf = count(counters, vm, "bpf", "perf")
        expect(not bpf["lost"], "the BPF backend lost events")
        if not perf["lost"]:
            break
    else:
        raise Skip(f"{perf['lost']} events were lost, as was told: too little CPU")
    without = sampled(bpf, perf)
    one, other = counts(bpf, without), counts(perf, without)
    for what in sorted(one.keys() | other.keys(), key=str):
        expect(one[what] == other[what], f"{what}: bpf {one[what]}, perf {other[what]}")
    seen = {what[1] for what in one}
    expect(kinds <= seen, f"nothing was seen of {kinds - seen}")
    for name, place in times(bpf).items():
        span = bpf["span_ns"] / 50
        expect(abs(place - times(perf)[name]) < span,
               f"time {name}: bpf {place}, perf {times(perf)[name]}")
    return (f"{sum(one.values())} in {len(one)} rows are equal"
            + (f" (without {', '.join(without)}, which was sampled)" if without else ""))


def growth(trace, name):
    """Of one of KVM's own counters, over all vCPUs."""
    return sum(thread["statistics"].get(name, 0) for thread in trace["threads"]
               if thread["vcpu"] >= 0)


def statistics(vm, counters):
    """Each KVM_RUN of the window loads the FPU once, by the events and by KVM's counter."""
    bpf, kvm = count(counters, vm, "bpf", "statistics")
    events = {event["name"]: event.get("seen", 0) for event in bpf["events"]}
    runs, counted = events["kvm:kvm_userspace_exit"], growth(kvm, "fpu_reload")
    expect(kvm["backend"] == "statistics" and not kvm.get("why"), f"{kvm.get('why')}")
    expect(runs and abs(runs - counted) <= 2, f"KVM_RUN: {runs} events, fpu_reload {counted}")
    return f"{counted} fpu_reload, {runs} kvm_userspace_exit"


def times(trace):
    """Nanoseconds by vCPU and place; a rest that perf cannot tell counts with its like."""
    found = collections.Counter()
    for thread in trace["threads"]:
        for place, rests in thread.get("time_ns", {}).items():
            for rest, ns in rests.items():
                if place != "unknown" and rest == "on":
                    found[thread["vcpu"], place] += ns
    return found


def check_slices(events):
    """Slices of a thread are apart, or one holds the other."""
    threads = collections.defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            start = round(event["ts"] * 1000)
            threads[event["tid"]].append((start, -round(event["dur"] * 1000), event["name"]))
    expect(threads, "no slices")
    for slices in threads.values():
        open_until = []
        for start, minus_length, name in sorted(slices):
            while open_until and open_until[-1] <= start:
                open_until.pop()
            end = start - minus_length
            expect(not open_until or end <= open_until[-1], f"{name} at {start} ns overlaps")
            open_until.append(end)


@contextlib.contextmanager
def tracefs_count(event, tid):
    """Counts an event of a thread in a tracefs instance of its own, whose buffer may overflow."""
    instance = TRACEFS / "instances" / f"vmhang-test-{os.getpid()}"
    instance.mkdir()
    found = []
    try:
        (instance / "set_event_pid").write_text(str(tid))
        (instance / "events" / event / "enable").write_text("1")
        yield found
        (instance / "events" / event / "enable").write_text("0")
        stats = "\n".join(path.read_text() for path in instance.glob("per_cpu/cpu*/stats"))
        found.append(sum(int(number) for name, number in re.findall(r"([a-z ]+): (\d+)", stats)
                         if name in ("entries", "overrun", "dropped events")))
    finally:
        instance.rmdir()


@contextlib.contextmanager
def stopped(vm):
    """The VM's vCPUs stand still at both ends."""
    vm.qmp.ask("stop")
    try:
        yield
    finally:
        vm.qmp.ask("cont")


def until_recording(popen):
    """Until it waits, and opens no more events."""
    deadline, looks = time.monotonic() + PATIENCE, []
    while len(looks) < STEADY or not looks[-1] or len(set(looks[-STEADY:])) > 1:
        expect(popen.poll() is None and time.monotonic() < deadline, "it does not begin to record")
        looks.append(process.is_asleep(popen.pid) and sum(
            "perf_event" in link for link in process.links(popen.pid)))
        time.sleep(0.005)


def timeline(vm, counters):
    """The file loads, its slices nest, and its kvm_pio are those that tracefs counts."""
    with tempfile.TemporaryDirectory(prefix="vmhang-timeline-") as folder:
        path = pathlib.Path(folder) / "trace.json"
        with stopped(vm), tracefs_count("kvm/kvm_pio", vm.vcpu()) as counted:
            with subprocess.Popen([counters, str(vm.pid), "record", str(path), "0"], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE) as popen:
                until_recording(popen)
                vm.qmp.ask("cont")
                time.sleep(0.3)  # the load; nothing waits for it
                vm.qmp.ask("stop")
                text, errors = popen.communicate(timeout=60)
            expect(not popen.returncode, errors)
        told, trace = json.loads(text), json.loads(path.read_text())
        names = os.listdir(folder)
    expect(names == ["trace.json"], f"left behind: {names}")
    check_slices(trace["traceEvents"])
    pio = sum(event["name"] == "kvm_pio" for event in trace["traceEvents"])
    real = counted[0]
    expect(not told["lost"], f"{told['lost']} lost")
    expect(real and pio == real, f"kvm_pio: {pio} in the file, tracefs counted {real}")
    expect(trace["otherData"]["lost"] == 0 and "tool" in trace["otherData"], "otherData")
    lanes = {event["args"]["name"] for event in trace["traceEvents"]
             if event["name"] == "thread_name"}
    expect("vCPU 0" in lanes, f"threads {lanes}")
    return f"{pio} kvm_pio, {told['bytes'] >> 10} KiB"


def timeline_limits(vm, counters):
    """It ends early at its size; a full disk is an error and leaves nothing."""
    with tempfile.TemporaryDirectory(prefix="vmhang-timeline-") as folder:
        path = pathlib.Path(folder) / "trace.json"
        done = subprocess.run([counters, str(vm.pid), "record", path, "3000", "300000"], text=True,
                              capture_output=True, timeout=60)
        expect(not done.returncode, done.stderr)
        expect(json.loads(done.stdout)["full"] and path.stat().st_size <= 300000, done.stdout)
        expect("ended_early" in json.loads(path.read_text())["otherData"], "ended_early")
        small = pathlib.Path(folder) / "small"
        small.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", small])
        if mounted.returncode:
            return "no mount for a full disk"
        try:
            done = subprocess.run([counters, str(vm.pid), "record", small / "t.json", "1000"],
                                  text=True, capture_output=True, timeout=60)
            left = os.listdir(small)
        finally:
            subprocess.run(["umount", small], check=True)
        expect(done.returncode == 1 and "No space left" in done.stderr, done.stderr)
        expect(not left, f"left behind: {left}")
    return "ended early; no space left"


TESTS = [
    ("port-storm", lambda vm, c: compare(vm, c, {"pio", "userspace"})),
    ("port-storm", statistics),
    ("port-storm", timeline),
    ("port-storm", timeline_limits),
    ("mmio-storm", lambda vm, c: compare(vm, c, {"mmio", "userspace"})),
    ("msr-storm", lambda vm, c: compare(vm, c, {"msr"})),
    ("idle", lambda vm, c: compare(vm, c, {"userspace", "wakeup"})),
    ("seabios-no-disk", lambda vm, c: compare(vm, c, {"userspace", "wakeup", "pio", "eoi"})),
]


def play(name, tests, counters, qemu=None):
    """(passed, failed, skipped) of the tests on one scenario's VM."""
    results = [0, 0, 0]
    scenario = BY_NAME[name]
    label = f"{name} {qemu.label}" if qemu else name
    reason = scenario.why_not()
    with contextlib.ExitStack() as stack:
        vm = None
        for about, test in tests:
            try:
                if reason:
                    raise Skip(reason)
                vm = vm or scenario.play(stack.enter_context(Stage(name, scenario.accel, qemu)))
                text, kind = test(vm, counters), 0
            except Skip as skip:
                text, kind = f"skipped: {skip}", 2
            except (Failure, LabError, OSError, ValueError, KeyError) as failure:
                text, kind = f"FAILED: {failure}", 1
            results[kind] += 1
            print(f"{label:20} {about:16} {text}", flush=True)
    return results


def play_newer(counters):
    """The statistics of a newer QEMU, which answers otherwise."""
    try:
        return play("port-storm", [("statistics", statistics)], counters, store.newer_qemu())
    except Skip as skip:
        print(f"newer QEMU skipped: {skip}")
        return [0, 0, 1]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if os.geteuid() or not (TRACEFS / "instances").exists():
        print("tracing needs root, and tracefs\n0 passed, 0 failed, 1 skipped")
        return 0
    total = [0, 0, 0]
    for name in dict.fromkeys(name for name, _ in TESTS):
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        tests = [(getattr(test, "__name__", "").replace("<lambda>", "bpf = perf"), test)
                 for of, test in TESTS if of == name]
        total = [a + b for a, b in zip(total, play(name, tests, sys.argv[1]))]
    if not sys.argv[2:] or "newer" in sys.argv[2:]:
        total = [a + b for a, b in zip(total, play_newer(sys.argv[1]))]
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
