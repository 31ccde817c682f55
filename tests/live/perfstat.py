# SPDX-License-Identifier: LGPL-2.1-or-later
"""`perf kvm stat` beside `vmhang exits`: on the same guest, over the very same exits.

The windows are made equal by the guest: it is stopped while both begin to count, runs for a while, and is
stopped again before they end. Every exit of its run that was followed by an entry is then seen by both, so the
numbers must be the same where nothing was lost.
"""
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import time

from stage import LabError

INTERVAL = "2s"  # what vmhang does between intervals takes CPUs from the guest
EVENTS = ("vmexit", "ioport", "mmio", "msr")
# A line of perf's table: name, samples, two shares, and min, max and mean in microseconds.
LINE = re.compile(r"^\s*(\S.*?)\s+(\d+)\s+[\d.]+%\s+[\d.]+%\s+([\d.]+)us\s+([\d.]+)us\s+([\d.]+)us ")
# What a thread may wait for a CPU once, between the two readings of the clock at one event.
PREEMPTED_NS = 20e6
KINDS = {"ioport": "pio", "mmio": "mmio", "msr": "msr"}


def why_not():
    return None if shutil.which("perf") else "no perf (package linux-perf)"


class Fifo:
    """perf's control channel: what is asked is done when the call returns."""

    def __init__(self, folder):
        self.paths = [folder / "perf.control", folder / "perf.ack"]
        self.files = []
        for path in self.paths:
            os.mkfifo(path)
            self.files.append(os.open(path, os.O_RDWR | os.O_NONBLOCK))

    def argument(self):
        return "--control=fifo:" + ",".join(map(str, self.paths))

    def ask(self, command, seconds=30):
        os.write(self.files[0], command.encode() + b"\n")
        with selectors.DefaultSelector() as selector:
            selector.register(self.files[1], selectors.EVENT_READ)
            if not selector.select(seconds):
                raise LabError(f"perf did not say within {seconds} s that it did {command!r}")
        os.read(self.files[1], 64)


class PerfRecord:
    """perf recording a VM from begin() to end(); `arguments` are its command: "kvm", "stat", "record"."""

    def __init__(self, stage, arguments, pid, log="perf.log"):
        self.stage, self.fifo = stage, Fifo(stage.tmp)
        self.log, config = stage.tmp / log, stage.tmp / "perf.config"
        config.write_text("[record]\nbuild-id = skip\n")  # it would read each program and library
        self.popen = stage.spawn(["perf", *arguments, "-p", pid, "-D", "-1", self.fifo.argument()],
                                 log=log, must_live=False, cwd=stage.tmp,
                                 environment={"PERF_CONFIG": config})

    def begin(self):
        self.fifo.ask("enable")

    def end(self):
        self.fifo.ask("disable")
        self.popen.send_signal(signal.SIGINT)
        self.popen.wait(60)
        for path, file in zip(self.fifo.paths, self.fifo.files):
            os.close(file)
            path.unlink()


class Exits:
    """`vmhang exits --json`, running: an object an interval."""

    def __init__(self, stage, vmhang, pid, *options, interval=INTERVAL):
        self.popen = stage.spawn([vmhang, "exits", pid, "--json", "--interval", interval, *options],
                                 log="exits.log", must_live=False, stdout=subprocess.PIPE)
        self.blocks, self.stage, self.rest = [], stage, b""
        os.set_blocking(self.popen.stdout.fileno(), False)

    def next(self, seconds=30):
        """The next interval, when it is over."""
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.popen.stdout, selectors.EVENT_READ)
            while b"\n" not in self.rest:
                if not selector.select(max(0, deadline - time.monotonic())):
                    raise LabError(f"no interval of vmhang exits within {seconds} s")
                data = self.popen.stdout.read()
                if data == b"":
                    raise LabError(f"vmhang exits ended with {self.popen.wait(10)}\n"
                                   + self.stage.tail())
                self.rest += data or b""
        line, self.rest = self.rest.split(b"\n", 1)
        self.blocks.append(json.loads(line))
        return self.blocks[-1]

    def after_now(self):
        """Waits until an interval ends that ends behind this moment."""
        now = time.time_ns()
        while self.next()["at_wall_ns"] <= now:
            pass

    def end(self):
        self.popen.send_signal(signal.SIGINT)
        self.popen.wait(30)
        self.popen.stdout.close()


def count_both(stage, vm, counters, seconds):
    """Lets the stopped guest run for that long, with all counters on."""
    for counter in counters:
        counter.next() if isinstance(counter, Exits) else counter.begin()
    vm.qmp.ask("cont")
    time.sleep(seconds)
    vm.qmp.ask("stop")
    for counter in counters:
        if isinstance(counter, Exits):
            counter.after_now()
        counter.end()


def perf_tables(data):
    """{event: {name: {"count", "mean_ns"}}} of a recording, and what perf said of it."""
    tables, said = {}, []
    for event in EVENTS:
        done = subprocess.run(["perf", "kvm", "-i", data, "stat", "report", f"--event={event}"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        text, rows = done.stdout + done.stderr, {}  # its tables go to standard error
        for line in text.splitlines():
            found = LINE.match(line)
            if found:
                rows[found[1]] = {"count": int(found[2]), "mean_ns": float(found[5]) * 1000}
        tables[event] = rows
        said.append(text)
    return tables, "\n".join(said)


def perf_name(key):
    """A key as perf names it, or None where perf has no row for it."""
    value, detail = int(key["value"], 16), int(key["detail"], 16)
    if key["kind"] == "pio":
        return f"{value:#x}:{'POUT' if detail & 1 else 'PIN'}"
    if key["kind"] == "msr":
        return f"{value:#x}:{'W' if detail & 1 else 'R'}"
    what = {1: "R", 2: "W"}.get(detail & 0xFF)
    return f"{value:#x}:{what}" if what else None


def replayed(vmhang, file):
    """{event: intervals} as vmhang shows what `exits --save` wrote, with each --event."""
    found = {}
    for event in EVENTS:
        done = subprocess.run([vmhang, "exits", "--replay", file, "--event", event, "--json"],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        if done.returncode:
            raise LabError(f"vmhang exits --replay: {done.stderr.decode(errors='replace')}")
        found[event] = [json.loads(line) for line in done.stdout.splitlines()]
    return found


def vmhang_tables(intervals):
    """The same of what vmhang said of several intervals, by event; the count is of those with an end."""
    tables = {event: {} for event in EVENTS}

    def add(event, name, row):
        if not name or not row["timed"]:
            return
        sum_ = tables[event].setdefault(name, {"count": 0, "total_ns": 0.0})
        sum_["count"] += row["timed"]
        sum_["total_ns"] += row["total_ns"]
        sum_["mean_ns"] = sum_["total_ns"] / sum_["count"]

    for block in intervals["vmexit"]:
        for row in block["total"]["rows"]:
            add("vmexit", row["name"] or row["reason"], row)
    for event, kind in KINDS.items():
        for block in intervals[event]:
            for key in block["total"]["keys"]:
                if key["kind"] == kind:
                    add(event, perf_name(key), key)
    return tables


def compare(ours, theirs, time_within, time_between_ns, labels):
    """(lines of a table side by side, problems): the counts are the same, the mean times nearly so."""
    lines, problems = [], []
    for event in EVENTS:
        for name in sorted(set(ours[event]) | set(theirs[event])):
            a, b = ours[event].get(name), theirs[event].get(name)
            cells = [f"{row['count']:>8} {row['mean_ns'] / 1000:>10.2f} us" if row else
                     f"{'-':>8} {'':>13}" for row in (a, b)]
            lines.append(f"{event:7} {name:16} {cells[0]} | {cells[1]}")
            what = f"{event} {name}"
            if not a or not b:
                problems.append(f"{what}: only {labels[0] if a else labels[1]} has it")
            elif a["count"] != b["count"]:
                problems.append(f"{what}: {labels[0]} counts {a['count']}, {labels[1]} {b['count']}")
            elif abs(a["mean_ns"] - b["mean_ns"]) > (
                    time_within * b["mean_ns"] + time_between_ns + PREEMPTED_NS / b["count"]):
                problems.append(f"{what}: mean {a['mean_ns']:.0f} ns, {labels[1]}: "
                                f"{b['mean_ns']:.0f} ns")
    return lines, problems


def lost(said):
    """Whether perf lost events."""
    return "lost" in said.lower()
