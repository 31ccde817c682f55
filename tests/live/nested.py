#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""nested.py VMHANG [--only NAME...] [--kernel stock|newer]: vmhang where kvm_exit fires.

Boots the nested host (lab/nested.py) once. In there the scenarios below are played and diagnosed, from real
exits; out here the reports are checked as those of lab/run are, and the saved cases replayed to the same
verdict. On some of them `perf kvm stat` and both of vmhang's backends count the same exits, and must
agree (perfstat.py). Prints a table, the figures side by side, and, last, the counts.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(TOP / "lab"), str(HERE)]

import perfstat  # noqa: E402
from guests import guest  # noqa: E402
from qmp import QmpError  # noqa: E402
from scenario import Expect, Scenario  # noqa: E402
from scenarios import BY_NAME  # noqa: E402
from scenarios.guest import runs  # noqa: E402
from stage import LabError, Skip, Stage  # noqa: E402

OUT = pathlib.Path("/run/out")
# Seconds for all of it: it takes a third of that on two idle CPUs.
LIMIT = 300
COUNTED_SECONDS = 1.0
TURNS = 3
# In there it takes seconds to attach to the tracepoints, and QEMU answers late. Where the first window was over
# before vmhang had attached, the next one is tried.
WINDOWS, TOO_SHORT = ("6s", "12s", "24s"), "attaching to the tracepoints took longer than the window"
# How far the mean handling times may be apart: a tenth, and what lies between the readings of the clock, for all
# read it at the same event, one behind the other: up to 15 us where three count on an idle machine, more on a busy one.
TIME_WITHIN, TIME_BETWEEN_NS = 0.10, 50e3
BACKENDS = ("bpf", "perf")


# In there a guest that was reset never gets past its first instruction: KVM takes the fault for one that is mended
# already, and it comes again, for ever. With the stock kernel and the newer one alike.
FAULT_LOOP = Scenario("fault-loop", "faults for ever at the instruction behind a reset",
                      Expect("guest-fault-loop", "spinning", True, "likely"), runs("triple-fault"))


@dataclasses.dataclass
class Played:
    scenario: Scenario
    side_by_side: bool = False


PLAYED = {played.scenario.name: played for played in (
    Played(BY_NAME["boot-cpu-spins"]),  # cases/hung-after-start.md
    Played(BY_NAME["spin-irqs-on"]),
    Played(BY_NAME["halted"]),
    Played(BY_NAME["idle"], True),
    Played(BY_NAME["busy"], True),
    Played(BY_NAME["port-storm"], True),
    Played(BY_NAME["mmio-storm"], True),
    Played(BY_NAME["msr-storm"], True),
    Played(FAULT_LOOP),
)}


# ---- inside ----

def say(name, what):
    """For whoever looks at a run that was not done in time."""
    print(f"{time.clock_gettime(time.CLOCK_BOOTTIME):6.1f} s: {name} {what}", flush=True)


def diagnose(vmhang, vm, name):
    began = time.monotonic()
    for window in WINDOWS:
        done = subprocess.run(
            [vmhang, "diagnose", str(vm.pid), "--window", window, "--deadline", "10s", "--json",
             "--save", OUT / f"{name}.vmhang"], stdin=subprocess.DEVNULL, capture_output=True,
            timeout=90)
        report = done.stdout.decode()
        if TOO_SHORT not in report:
            break
    return {"stdout": report, "stderr": done.stderr.decode(errors="replace"),
            "status": done.returncode, "seconds": time.monotonic() - began}


def side_by_side(stage, vm, vmhang, name):
    """The exits of a second of the guest, as perf and both backends count them at the same time."""
    vm.qmp.ask("stop")
    counters = {backend: perfstat.Exits(stage, vmhang, vm.pid, "--backend", backend, "--save",
                                        OUT / f"{name}.{backend}.exits") for backend in BACKENDS}
    perf = perfstat.PerfRecord(stage, ["kvm", "stat", "record"], vm.pid)
    perfstat.count_both(stage, vm, [*counters.values(), perf], COUNTED_SECONDS)
    shutil.copyfile(stage.tmp / "perf.data.guest", OUT / f"{name}.perf")
    return {"perf_log": perf.log.read_text(errors="replace"),
            "blocks": {backend: exits.blocks for backend, exits in counters.items()}}


def ruined(vm):
    """Whether the guest has lost its registers. QEMU's SVM (7.2) now and then, when the vCPU is kicked, saves
    those of the host in there as the guest's. These ROM guests never leave the first 64 KiB of CS."""
    found = re.search(r"[ER]IP=([0-9a-f]+)", vm.qmp.human("info registers"))
    return not found or int(found[1], 16) > 0xFFFF


def play_inside(vmhang, played):
    """Plays it again where the stage did not hold."""
    for turn in range(TURNS):
        result = play_once(vmhang, played)
        if not result.get("ruined"):
            break
        say(played.scenario.name, f"lost its registers, turn {turn + 1} of {TURNS}")
    return result


def play_once(vmhang, played):
    result, name = {}, played.scenario.name
    try:
        with Stage(name, "kvm") as stage:
            vm = played.scenario.play(stage)
            result["status_before"] = vm.qmp.status()
            say(name, "plays")
            result["diagnosis"] = diagnose(vmhang, vm, name)
            result["status_after"] = vm.qmp.status()
            say(name, "is diagnosed")
            result["ruined"] = ruined(vm)
            if result["ruined"]:
                return result
            if played.side_by_side:
                result["side_by_side"] = side_by_side(stage, vm, vmhang, name)
    except (LabError, QmpError, OSError, subprocess.TimeoutExpired, ValueError) as error:
        result["error"] = f"{type(error).__name__}: {error}"
    return result


def inside(arguments):
    for name in arguments.only:
        result = play_inside(arguments.vmhang, PLAYED[name])
        (OUT / f"{name}.json").write_text(json.dumps(result))
        say(name, "is done")
    return 0


# ---- outside ----

def check_diagnosis(vmhang, played, result, out):
    """(what it got, problems)"""
    from checks import in_words, saved_problems, verdict_problems
    diagnosis = result.get("diagnosis")
    if result.get("ruined"):
        return "-", ["the emulator lost the guest's registers each time"]
    if not diagnosis:
        return "-", [result.get("error", "no diagnosis")]
    try:
        report = json.loads(diagnosis["stdout"])
    except ValueError as error:
        return "-", [f"no JSON: {error}: {diagnosis['stderr']}"]
    verdict, problems = report["verdict"], vmhang.schema(report)
    if diagnosis["stderr"]:
        problems.append(f"on standard error: {diagnosis['stderr'].strip()}")
    problems += verdict_problems(played.scenario.expect, report, diagnosis["status"])
    problems += saved_problems(vmhang, out / f"{played.scenario.name}.vmhang", report, diagnosis["status"])
    if result.get("status_after") != result["status_before"]:
        problems.append(f"the status was {result['status_before']} before, "
                        f"{result.get('status_after')} after")
    return in_words(verdict["cause"], verdict["state"], verdict["confidence"]), problems


def check_side_by_side(vmhang, played, result, out):
    """(lines, problems)"""
    found = result.get("side_by_side")
    if not found:
        return [], [result.get("error", "nothing was counted")]
    name = played.scenario.name
    theirs, said = perfstat.perf_tables(out / f"{name}.perf")
    if not theirs["vmexit"]:
        return [], [f"perf counted nothing: {said}"]
    lines, problems, ours = [], [], {}
    if perfstat.lost(said + found["perf_log"]):
        problems.append("perf lost events: the machine was too slow for this comparison")
    for backend, blocks in found["blocks"].items():
        again = perfstat.replayed(vmhang.program, out / f"{name}.{backend}.exits")
        ours[backend] = perfstat.vmhang_tables(again)
        if perfstat.vmhang_tables(dict.fromkeys(perfstat.EVENTS, blocks)) != ours[backend]:
            problems.append(f"{backend}: what was saved is not what was shown")
        problems += [f"the backend is {block['backend']}, not {backend}: {block['why_not_better']}"
                     for block in blocks[:1] if block["backend"] != backend]
        for what in ("lost", "missed"):
            number = sum(block[what] for block in blocks)
            if number:
                problems.append(f"{backend}: {number} events {what}")
        more, wrong = perfstat.compare(ours[backend], theirs, TIME_WITHIN, TIME_BETWEEN_NS,
                                       (f"vmhang ({backend})", "perf"))
        lines += [f"     {backend:5} {line}" for line in more]
        problems += wrong
    return lines, problems


def outside(arguments):
    from nested import Nested, why_not  # lab/nested.py
    from checks import Vmhang
    from table import Table
    vmhang, table = Vmhang(os.path.abspath(arguments.vmhang)), Table()
    chosen = [name for name in PLAYED if not arguments.only or name in arguments.only]
    reason = why_not() or perfstat.why_not()
    if reason:
        for name in chosen:
            table.row("skipped", f"{name}@nested", "", reason)
        return table.end()
    for source in (TOP / "lab" / "guests").glob("*.S"):
        guest(source.stem)  # in there nothing can be written
    with Stage("nested") as stage:
        command = ["/usr/bin/python3", HERE / "nested.py", vmhang.program, "--inside", "--only", *chosen]
        machine = Nested(stage, command, arguments.kernel == "newer", arguments.keep)
        status = machine.wait(LIMIT)
        for name in chosen:
            path = machine.out / f"{name}.json"
            result = json.loads(path.read_text()) if path.exists() else {
                "error": f"it was not played: {machine.trouble(status)}"}
            check(vmhang, table, PLAYED[name], result, machine.out)
    return table.end()


def check(vmhang, table, played, result, out):
    from checks import expected_in_words
    name, expected = played.scenario.name, expected_in_words(played.scenario.expect)
    got, problems = check_diagnosis(vmhang, played, result, out)
    table.row("failed" if problems else "passed", f"{name}@nested", expected, got,
              result.get("diagnosis", {}).get("seconds"), problems)
    if played.side_by_side:
        lines, problems = check_side_by_side(vmhang, played, result, out)
        table.row("failed" if problems else "passed", f"{name}@perf", "the same as perf kvm stat",
                  "vmhang | perf kvm stat", None, problems)
        print("\n".join(lines), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vmhang")
    parser.add_argument("--only", nargs="+", default=[], choices=PLAYED, metavar="NAME", help="these scenarios alone")
    parser.add_argument("--kernel", choices=("stock", "newer"), default="stock")
    parser.add_argument("--keep", type=lambda path: pathlib.Path(path).resolve(),
                        help="leave all that came back there")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    def interrupt(*_):
        raise KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        return inside(arguments) if arguments.inside else outside(arguments)
    except Skip as error:
        print(f"skip nested host: {error}\n0 passed, 0 failed, 1 skipped")
        return 0


if __name__ == "__main__":
    sys.exit(main())
