# SPDX-License-Identifier: LGPL-2.1-or-later
"""lab/run: plays scenarios, several side by side, and tells how right vmhang is."""
import argparse
import dataclasses
import os
import pathlib
import sys
import time

import accuracy
import accuracy_page
import checks
import pool
import store
import ward
import windows
from scenarios import ALL, BY_NAME
from scenarios.cannot import CANNOT
from stage import Qemu, Skip
from table import Table

TOP = pathlib.Path(__file__).resolve().parent.parent
NEWER = "newer"
UP_IN_NO_TIME = 10  # seconds of a play
ABOUT = """Plays scenarios of the lab, diagnoses each VM with vmhang, compares, and cleans up.

NAME is a scenario (`--list`), or NAME@newer: the same on the newer QEMU of the backports, that is unpacked
beside the system's. They play side by side where they do not disturb each other.

Exit status 1 where one was not right; then, and with --all, what was taken for what is shown.
"""


def parse(arguments):
    parser = argparse.ArgumentParser(prog="lab/run", description=ABOUT,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--all", action="store_true", help="all scenarios, on the newer QEMU too where that tells more")
    parser.add_argument("--list", action="store_true", help="the scenarios, what vmhang must say of each, and why one "
                        "cannot be played here")
    parser.add_argument("--quick", action="store_true", help="leave out those that take long; one that failed while "
                        "others played is played once more alone, and only that counts")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="play each N times")
    parser.add_argument("--jobs", type=int, default=pool.AT_ONCE, metavar="N", help="at most N plays at once "
                        f"(default: {pool.AT_ONCE}; 1: one after the other)")
    parser.add_argument("--healthy", type=int, default=0, metavar="N", help="look N times at healthy VMs, beside "
                        "nothing and beside busy CPUs: none may be called hung")
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE", help="write the accuracy there, as Markdown "
                        "(docs/accuracy.md)")
    parser.add_argument("--vmhang", default=TOP / "build" / "vmhang", type=pathlib.Path, metavar="PATH")
    parser.add_argument("--keep", type=lambda path: pathlib.Path(path).resolve(), metavar="FOLDER",
                        help="leave the cases of what failed there")
    given = parser.parse_args(arguments)
    if not (given.names or given.all or given.list or given.healthy):
        parser.error("which scenarios? NAME..., or --all; --list shows them")
    if given.write and given.quick:
        parser.error("--write is for whole runs: with --quick a second play makes good for the first")
    if not given.list and not os.access(given.vmhang, os.X_OK):
        parser.error(f"no {given.vmhang}: build it (make), or name another with --vmhang")
    return given


def show_list():
    for scenario in ALL:
        reason = scenario.why_not()
        print(f"{scenario.name:24} {scenario.expect.cause or 'unknown':34} {scenario.about}"
              + (f"  [not here: {reason}]" if reason else ""))


def find(name):
    """(scenario, whether on the newer QEMU)"""
    scenario, _, label = name.partition("@")
    if scenario not in BY_NAME or label not in ("", NEWER):
        sys.exit(f"lab: no scenario {name}; `lab/run --list` shows them")
    return BY_NAME[scenario], label == NEWER


def qemu_of(is_newer):
    return store.newer_qemu() if is_newer else Qemu()


def chosen(given):
    """(scenario, whether on the newer QEMU) of all that is to be played."""
    if given.all:
        wanted = [scenario for scenario in ALL if scenario.quick or not given.quick]
        return [(scenario, False) for scenario in wanted] + [
            (scenario, True) for scenario in wanted if scenario.old_and_new]
    return [find(name) for name in given.names]


class Run:
    """Plays, and the results of them in the order in which they ended."""

    def __init__(self, given, table):
        self.given, self.table, self.results = given, table, []
        self.vmhang, self.began = checks.Vmhang(given.vmhang), time.monotonic()
        self.windows = windows.Windows(self.vmhang, windows.SHORT_LENGTHS if given.quick else windows.LENGTHS,
                                       given.keep)

    def job(self, scenario, qemu, turn, alone=False):
        """A play; alone: it is the second, for the first failed beside others."""
        result = ward.Result(scenario.name, qemu.label, turn, second=alone)

        def work():
            return dataclasses.asdict(ward.play(self.vmhang, scenario, qemu, result, self.given.keep))
        return pool.Job((scenario, qemu, result), work, scenario.cpus, scenario.alone or alone, scenario.deadline)

    def jobs(self, plays):
        """A job for each play of (scenario, whether on the newer QEMU), repetitions and all."""
        newer = self.newer() if any(is_newer for _, is_newer in plays) else None
        return [self.job(scenario, newer if is_newer else Qemu(), turn)
                for turn in range(1, self.given.repeat + 1)
                for scenario, is_newer in plays if newer or not is_newer]

    def newer(self):
        """The newer QEMU, fetched before anybody needs it; None where there is none."""
        try:
            return store.newer_qemu()
        except Skip as error:
            self.table.row("skipped", "newer QEMU", "", str(error))
            return None

    def play(self, plays):
        """Plays those (as of chosen()), and shows each result."""
        with pool.Pool(self.jobs(plays), at_once=self.given.jobs) as running:
            for done in running.results():
                scenario, qemu, result = done.job.what
                if done.value is None:
                    ward.broken(result, done.error)
                else:
                    result = ward.Result(**done.value)
                result.took = done.seconds
                self.results.append(result)
                again = self.given.quick and done.beside and not result.passed and result.outcome != "skipped"
                if again:
                    running.add(self.job(scenario, qemu, result.turn, alone=True))
                self.show(result, again)

    def show(self, result, again):
        """A row of the table; it is not counted where the scenario is played again."""
        row = (result.name, checks.expected_in_words(BY_NAME[result.scenario].expect), result.got, result.seconds)
        lines = [*result.problems, *result.remarks]
        if again:
            return self.table.show("?   ", *row, [*lines, "is played once more, alone"])
        if result.second and result.passed:
            lines.append("right at the second play")
        outcome = "skipped" if result.outcome == "skipped" else "passed" if result.passed else "failed"
        return self.table.row(outcome, *row, lines)


    def look_at_healthy(self):
        """Windows of healthy VMs: a row for each VM. In the quick form, of those that were played in no time."""
        scenarios = [BY_NAME[name.partition("@")[0]] for name in self.given.names] or ALL
        if self.given.quick:
            slow = {result.scenario for result in self.results if result.took > UP_IN_NO_TIME}
            scenarios = [scenario for scenario in scenarios if scenario.quick and scenario.name not in slow]
        self.windows.run(scenarios, self.given.healthy, self.show_windows)
        for name, why in self.windows.not_up.items():
            self.table.row("failed", f"{name}, windows", "not hung", "it was not there", None, [why])

    def show_windows(self, name, taken):
        if not taken:
            return  # there were fewer windows than VMs; one that was not there has a row of its own
        wrong = [each.what for each in taken if each.false_alarm or each.problem]
        unknown = sum(each.hung is None and not each.problem for each in taken)
        starved = sum(each.hung is True and each.starved for each in taken)
        self.table.row("failed" if wrong else "passed", f"{name}, {len(taken)} windows", "not hung",
                       f"{sum(each.false_alarm for each in taken)} hung, {unknown} unknown"
                       + (f", {starved} starved in truth" if starved else ""), None, wrong)

    def accuracy(self):
        causes = {scenario.expect.cause for scenario in ALL} - {None}
        return accuracy.Accuracy(self.results, BY_NAME, accuracy.layers_of(self.vmhang, causes))

    def write(self, command):
        text = accuracy_page.page(
            self.accuracy(), self.windows.taken, self.windows.not_up, accuracy.known_causes(self.vmhang), CANNOT,
            command, (time.monotonic() - self.began) / 60)
        self.given.write.write_text(text)


def main(arguments):
    given = parse(arguments)
    if given.list:
        return show_list()
    plays = chosen(given)
    pool.interrupts_as_exceptions()
    table = Table()
    run = Run(given, table)
    try:
        if given.names or given.all:
            run.play(plays)
        if given.healthy:
            run.look_at_healthy()
    except KeyboardInterrupt:
        print("lab/run: interrupted", file=sys.stderr)
        table.end()
        return 130
    if given.all or given.repeat > 1 or any(not result.passed for result in run.results):
        print("\n".join(accuracy.summary(run.accuracy())))
    if given.write:
        run.write(["lab/run", *arguments])
    return table.end()
