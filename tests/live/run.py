#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""run.py VMHANG [--only NAME...] [--list]: plays the lab's scenarios and asks vmhang about each.

Of every scenario: cause, state, hung and confidence are what the lab expects; the exit status fits; the
report is valid (docs/report.schema.json); the saved case gives the very same report; the VM's status is
what it was; and it took no longer than it may. Prints a table and, last, the counts. Exit status 1 where
one failed.
"""
import argparse
import contextlib
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
import store  # noqa: E402
from qmp import QmpError  # noqa: E402
from scenario import CONFIDENCE  # noqa: E402
from scenarios import ALL  # noqa: E402
from stage import LabError, Qemu, Skip, Stage  # noqa: E402

WINDOW = 1.0
# What a diagnosis may take above the window: the deadline of the whole monitor (3 s), and as much again as a
# machine with two busy CPUs makes of the rest. That it does not hang is tested here; how long it really takes
# is bench/verdict.py's.
BUDGET = 4.5
# How often a scenario is played whose state, as measured beside vmhang, the host did not keep up.
TURNS = 3
# The text for people holds no control characters, whatever the guest wrote.
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


class Watch:
    """How much of the time a thread ran while it was ready to, looked at beside vmhang. The host gives a
    starved thread its time in bursts: one that fell into vmhang's window decides what vmhang must say."""
    STEP = 0.05

    def __init__(self, pid, tid):
        self.of, self.looks, self.over = (pid, tid), [], threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.over.wait(self.STEP):
            try:
                self.looks.append((time.monotonic(), process.run_ns(*self.of)[0]))
            except (OSError, ValueError):
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def most(self):
        """The largest share that it ran of any time about as long as the window."""
        spans = [(b[1] - a[1]) / 1e9 / (b[0] - a[0]) for i, a in enumerate(self.looks)
                 for b in self.looks[i:] if WINDOW - 0.2 <= b[0] - a[0] <= WINDOW + 0.3]
        return max(spans, default=1.0)


class Table:
    def __init__(self):
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        print(f"{'scenario':30} {'expected':44} {'got':60} seconds", flush=True)

    def row(self, outcome, name, expected, got, seconds=None, problems=()):
        self.counts[outcome] += 1
        mark = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}[outcome]
        print(f"{mark} {name:25} {expected:44} {got:60} "
              + (f"{seconds:4.1f}" if seconds is not None else ""), flush=True)
        for problem in problems:
            print(f"     {name}: {problem}", flush=True)

    def end(self):
        print(", ".join(f"{number} {outcome}" for outcome, number in self.counts.items()))
        return 1 if self.counts["failed"] else 0


class Vmhang:
    def __init__(self, program):
        self.program = program
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


def load_schema(name):
    """A function that tells where a JSON text breaks docs/NAME.schema.json."""
    import jsonschema
    schema = json.loads((TOP / "docs" / f"{name}.schema.json").read_text())
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    validator = kind(schema)
    return lambda report: [f"schema: {'/'.join(map(str, error.path))}: {error.message[:200]}"
                           for error in list(validator.iter_errors(report))[:3]]


def exit_status(hung):
    return {True: 1, False: 0, None: 2}[hung]


def in_words(cause, state, confidence):
    return f"{cause or 'unknown'} ({state}, {confidence or '-'})"


def expected_in_words(expect):
    return in_words(expect.cause, expect.state, f">={expect.at_least}" if expect.cause else None)


def verdict_problems(expect, report, status):
    verdict = report["verdict"]
    named = {other["cause"] for other in report["others"]}
    problems = [f"{cause} is not named beside it" for cause in expect.also if cause not in named]
    if verdict["cause"] in expect.accept:
        return problems
    if verdict["cause"] != expect.cause:
        problems.append(f"cause is {verdict['cause']}, not {expect.cause}")
    if verdict["state"] != expect.state:
        problems.append(f"state is {verdict['state']}, not {expect.state}")
    if verdict["hung"] is not expect.hung:
        problems.append(f"hung is {verdict['hung']}, not {expect.hung}")
    if verdict["cause"] and CONFIDENCE.index(verdict["confidence"]) < CONFIDENCE.index(
            expect.at_least):
        problems.append(f"confidence is only {verdict['confidence']}: {verdict['limits']}")
    if status != exit_status(verdict["hung"]):
        problems.append(f"exit status is {status} with hung {verdict['hung']}")
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


def probe(vmhang, scenario, stage, vm):
    """(report, seconds, problems)"""
    case = stage.tmp / "case.vmhang"
    before = status_of(scenario, vm)
    began = time.monotonic()
    report, status, problems = vmhang.report("diagnose", vm.pid, "--json", "--save", case)
    seconds = time.monotonic() - began
    if report is None:
        return None, seconds, problems
    problems += verdict_problems(scenario.expect, report, status)
    problems += saved_problems(vmhang, case, report, status)
    problems += list_problems(vmhang, vm)
    if scenario.monitor and report["monitor"]["state"] != scenario.monitor:
        problems.append(f"monitor is {report['monitor']['state']}, not {scenario.monitor}")
    if seconds > WINDOW + BUDGET:
        problems.append(f"took {seconds:.1f} s, {WINDOW + BUDGET:.1f} s at most")
    if vm.popen.poll() is not None:
        problems.append("the VM ended")
    elif status_of(scenario, vm) != before:
        problems.append(f"the status was {before} before, {status_of(scenario, vm)} after")
    expect_passive = scenario.passive_expect or (scenario.expect if scenario.passive else None)
    if expect_passive:
        passive, status, more = vmhang.report("diagnose", vm.pid, "--json", "--passive")
        problems += more
        if passive:
            problems += [f"--passive: {problem}" for problem in
                         verdict_problems(expect_passive, passive, status)]
    return report, seconds, problems


def play(vmhang, table, scenario, qemu, keep):
    name = scenario.name + (f"@{qemu.label}" if qemu.label else "")
    expected = expected_in_words(scenario.expect)
    reason = scenario.why_not()
    if reason:
        return table.row("skipped", name, expected, reason)
    try:
        for turn in range(TURNS):
            with Stage(scenario.name, scenario.accel, qemu) as stage:
                vm = scenario.play(stage)
                starves = scenario.expect.state == "starved"
                with Watch(vm.pid, vm.vcpu()) if starves else contextlib.nullcontext() as watch:
                    report, seconds, problems = probe(vmhang, scenario, stage, vm)
                if problems and keep:
                    keep_case(keep, name, stage)
                if not problems or not starves:
                    break
                # A thread that gets a sixth of the CPU or more may rightly be said not to starve.
                if watch.most() < 0.15:
                    break
                print(f"     {name}: the stage did not hold (ran {watch.most():.0%} of a window): "
                      f"turn {turn + 1} of {TURNS}")
    except Skip as error:
        return table.row("skipped", name, expected, str(error))
    except (LabError, QmpError, OSError, subprocess.TimeoutExpired) as error:
        return table.row("failed", name, expected, type(error).__name__, None, [str(error)])
    verdict = report["verdict"] if report else {"cause": None, "state": "?", "confidence": None}
    got = in_words(verdict["cause"], verdict["state"], verdict["confidence"])
    return table.row("failed" if problems else "passed", name, expected, got, seconds, problems)


def keep_case(folder, name, stage):
    """Leaves the case of a failure where a person, or CI, finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    case = stage.tmp / "case.vmhang"
    if case.exists():
        (folder / f"{name}.vmhang").write_bytes(case.read_bytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vmhang")
    parser.add_argument("--only", nargs="+", help="these scenarios alone (and: exits, libvirt, newer)")
    parser.add_argument("--keep", type=pathlib.Path, help="leave the cases of failures there")
    arguments = parser.parse_args()

    def interrupt(*_):
        raise KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)

    def wanted(name):
        return not arguments.only or name in arguments.only

    vmhang, table = Vmhang(os.path.abspath(arguments.vmhang)), Table()
    for scenario in ALL:
        if wanted(scenario.name):
            play(vmhang, table, scenario, Qemu(), arguments.keep)
    if wanted("newer"):
        try:
            newer = store.newer_qemu()
            for scenario in ALL:
                if scenario.old_and_new:
                    play(vmhang, table, scenario, newer, arguments.keep)
        except Skip as error:
            table.row("skipped", "newer QEMU", "", str(error))
    if wanted("exits"):
        import exits
        exits.run(vmhang, table)
    if wanted("libvirt"):
        import domains
        domains.run(vmhang, table)
    return table.end()


if __name__ == "__main__":
    sys.exit(main())
