# SPDX-License-Identifier: LGPL-2.1-or-later
"""What vmhang must say of a VM, and must never do to it: the checks that every play of a scenario makes."""
import contextlib
import json
import os
import pathlib
import re
import subprocess
import threading
import time

import process
from qmp import QmpError
from scenario import CONFIDENCE
from stage import LabError

TOP = pathlib.Path(__file__).resolve().parent.parent
WINDOW = 1.0
# What a diagnosis may take above the window: the deadline of the whole monitor (3 s), and as much again as a
# machine with two busy CPUs makes of the rest. That it does not hang is tested here; how long it really takes
# is bench/verdict.py's.
BUDGET = 4.5
# The text for people holds no control characters, whatever the guest wrote.
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def load_schema(name):
    """A function that tells where a JSON text breaks docs/NAME.schema.json."""
    import jsonschema
    schema = json.loads((TOP / "docs" / f"{name}.schema.json").read_text())
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    validator = kind(schema)
    return lambda report: [f"schema: {'/'.join(map(str, error.path))}: {error.message[:200]}"
                           for error in list(validator.iter_errors(report))[:3]]


class Vmhang:
    """The program under test."""

    def __init__(self, program):
        self.program = os.path.abspath(program)
        self.schema = load_schema("report")
        self.list_schema = load_schema("list")
        self.exits_schema = load_schema("exits")

    def run(self, *arguments, seconds=60):
        return subprocess.run([self.program, *map(str, arguments)], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=seconds)

    def report(self, *arguments):
        """(report, exit status, problems)"""
        done = self.run(*arguments)
        try:
            report = json.loads(done.stdout)
        except ValueError as error:
            return None, done.returncode, [f"no JSON from {arguments[0]}: {error}: "
                                           + done.stderr.decode(errors="replace").strip()]
        problems = [f"on standard error: {done.stderr.decode(errors='replace').strip()}"
                    ] if done.stderr else []
        return report, done.returncode, problems + self.schema(report)


def exit_status(hung):
    return {True: 1, False: 0, None: 2}[hung]


def in_words(cause, state, confidence):
    return f"{cause or 'unknown'} ({state}, {confidence or '-'})"


def expected_in_words(expect):
    return in_words(expect.cause, expect.state, f">={expect.at_least}" if expect.cause else None)


def unsure(expect, verdict):
    """Whether the right cause is named with less confidence than it should be."""
    return bool(verdict["cause"]) and CONFIDENCE.index(verdict["confidence"]) < CONFIDENCE.index(
        expect.at_least)


def outcome_of(expect, verdict):
    """What a verdict is worth: "right", "unsure" (the right cause, with less confidence than it should have),
    "accepted" (a weaker answer that misleads nobody), "no-answer" or "wrong". That a healthy VM hangs is
    never acceptable."""
    if verdict["cause"] == expect.cause:
        if (verdict["state"], verdict["hung"]) != (expect.state, expect.hung):
            return "wrong"
        return "unsure" if unsure(expect, verdict) else "right"
    if expect.hung is False and verdict["hung"]:
        return "wrong"
    if verdict["cause"] in expect.accept:
        return "accepted"
    return "wrong" if verdict["cause"] else "no-answer"


def not_named(expect, report):
    """The other troubles that the report should name beside the first, and does not."""
    named = {report["verdict"]["cause"], *(other["cause"] for other in report["others"])}
    return [cause for cause in expect.also if cause not in named]


def verdict_problems(expect, report, status):
    verdict = report["verdict"]
    problems = [f"{cause} is not named beside it" for cause in not_named(expect, report)]
    if status != exit_status(verdict["hung"]):
        problems.append(f"exit status is {status} with hung {verdict['hung']}")
    if outcome_of(expect, verdict) == "accepted":
        return problems
    if verdict["cause"] != expect.cause:
        problems.append(f"cause is {verdict['cause']}, not {expect.cause}")
    if verdict["state"] != expect.state:
        problems.append(f"state is {verdict['state']}, not {expect.state}")
    if verdict["hung"] is not expect.hung:
        problems.append(f"hung is {verdict['hung']}, not {expect.hung}")
    if unsure(expect, verdict):
        problems.append(f"confidence is only {verdict['confidence']}: {verdict['limits']}")
    return problems


def saved_problems(vmhang, case, report, status):
    """The saved case gives the same report, and a text without control characters."""
    again, again_status, problems = vmhang.report("analyze", case, "--json")
    if again is None:
        return problems
    for key in sorted(set(report) | set(again)):
        if report.get(key) != again.get(key):
            problems.append(f"saved case: {key} differs: {str(report.get(key))[:150]} / "
                            f"{str(again.get(key))[:150]}")
    if again_status != status:
        problems.append(f"saved case: exit status {again_status}, live {status}")
    text = vmhang.run("analyze", case, "--verbose").stdout.decode()
    if CONTROL.search(text):
        problems.append(f"control character in the text: {CONTROL.search(text)[0]!r}")
    if report["verdict"]["title"] and report["verdict"]["title"] not in text.splitlines()[0]:
        problems.append(f"the first line is not the answer: {text.splitlines()[0]!r}")
    return problems


def list_problems(vmhang, vm):
    """`vmhang list` has the VM, once, as its schema says."""
    done = vmhang.run("list", "--json", "--no-libvirt")
    listed = json.loads(done.stdout)
    count = sum(entry["pid"] == vm.pid for entry in listed["vms"])
    return vmhang.list_schema(listed) + ([] if count == 1 else [f"listed {count} times"])


def status_of(scenario, vm):
    return vm.qmp.status() if scenario.asks else None


def passive_problems(vmhang, scenario, vm):
    """`diagnose --passive` says what it must, where the scenario tells."""
    expect = scenario.passive_expect or (scenario.expect if scenario.passive else None)
    if not expect:
        return []
    report, status, problems = vmhang.report("diagnose", vm.pid, "--json", "--passive")
    if report:
        problems += [f"--passive: {problem}" for problem in
                     verdict_problems(expect, report, status)]
    return problems


@contextlib.contextmanager
def meanwhile(scenario, vm, problems):
    """What the scenario does while vmhang looks."""
    def act():
        try:
            scenario.meanwhile(vm)
        except (OSError, LabError, QmpError) as error:
            problems.append(f"half-way through the window: {error}")

    if not scenario.meanwhile:
        yield
        return
    timer = threading.Timer(WINDOW / 2, act)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def change_problems(expect, report):
    told = report["verdict"]["changed"]
    if expect.changed and expect.changed not in (told or ""):
        return [f"of the change it says {told!r}, not {expect.changed!r}"]
    return []


def examine(vmhang, scenario, stage, vm):
    """Diagnoses the VM. (report, exit status, seconds of the diagnosis, problems but those of the verdict)"""
    case = stage.tmp / "case.vmhang"
    before = status_of(scenario, vm)
    began = time.monotonic()
    missed = []
    with meanwhile(scenario, vm, missed):
        report, status, problems = vmhang.report("diagnose", vm.pid, "--json", "--save", case)
        seconds = time.monotonic() - began
    problems += missed
    if report is None:
        return None, status, seconds, problems
    problems += change_problems(scenario.expect, report)
    problems += saved_problems(vmhang, case, report, status)
    problems += list_problems(vmhang, vm)
    if scenario.monitor and report["monitor"]["state"] != scenario.monitor:
        problems.append(f"monitor is {report['monitor']['state']}, not {scenario.monitor}")
    windows = 2 if report["verdict"]["changed"] else 1
    if seconds > windows * WINDOW + BUDGET:
        problems.append(f"took {seconds:.1f} s, {windows * WINDOW + BUDGET:.1f} s at most")
    if vm.popen.poll() is not None:
        problems.append("the VM ended")
    elif not scenario.meanwhile and status_of(scenario, vm) != before:
        problems.append(f"the status was {before} before, {status_of(scenario, vm)} after")
    problems += passive_problems(vmhang, scenario, vm)
    return report, status, seconds, problems


class Watch:
    """How a thread ran, and waited for a CPU, looked at beside vmhang. The host gives a starved thread its time
    in bursts: one that fell into vmhang's window decides what vmhang must say."""
    STEP = 0.05

    def __init__(self, pid, tid):
        self.of, self.looks, self.over = (pid, tid), [], threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while True:
            try:
                self.looks.append((time.monotonic(), *process.run_ns(*self.of)))
            except (OSError, ValueError):
                return
            if self.over.wait(self.STEP):
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def most(self, column, window, default):
        """The largest share that it did so (1: ran, 2: waited) of any time about as long as the window; default
        where there was no such time."""
        spans = [(b[column] - a[column]) / 1e9 / (b[0] - a[0]) for i, a in enumerate(self.looks)
                 for b in self.looks[i:] if 0.8 * window <= b[0] - a[0] <= window + 0.3]
        return max(spans, default=default)

    def ran(self, window=WINDOW):
        return self.most(1, window, 1.0)

    def waited(self, window=WINDOW):
        return self.most(2, window, 0.0)


# What a stage must not do to a thread that it does not mean to starve, and must to one that it does: vmhang calls a
# vCPU starved that waited for 92 % of its window; one that gets a twelfth of a CPU may rightly be said not to starve.
MOST_WAITED, MOST_RAN = 0.85, 0.08
MOST_WATCHED = 8  # vCPUs of one VM


class Watches:
    """A Watch of each vCPU of a VM."""

    def __init__(self, pid):
        tids = [tid for tid, name in process.threads(pid).items() if name.startswith("CPU ")]
        self.all = [Watch(pid, tid) for tid in tids[:MOST_WATCHED]]

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        for watch in self.all:
            self.stack.enter_context(watch)
        return self

    def __exit__(self, *_):
        self.stack.close()

    def starved(self, window=WINDOW):
        """Whether the host starved one of them for any time about as long as the window."""
        return any(watch.waited(window) > MOST_WAITED for watch in self.all)

    def did_not_hold(self, expect):
        """Why the VM was not, beside vmhang, as the stage should have kept it; None where it was."""
        if expect.state == "starved":
            ran = max((watch.ran() for watch in self.all[:1]), default=0)
            return f"a vCPU that should starve ran {ran:.0%} of a window" if ran >= MOST_RAN else None
        waited = max((watch.waited() for watch in self.all), default=0)
        return f"the host let a vCPU wait for {waited:.0%} of a window" if waited > MOST_WAITED else None
