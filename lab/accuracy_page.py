# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/accuracy.md, out of a run's results and nothing else."""
import collections
import datetime
import os
import pathlib
import platform
import shlex
import subprocess

import process
from accuracy import GOAL, matrix, percent, windows_summary
from ward import JUDGED

TOP = pathlib.Path(__file__).resolve().parent.parent
MEANINGS = {
    "right": "the expected cause first, in the expected state, with at least the expected confidence",
    "accepted": "a weaker answer that misleads nobody, as the scenario allows it",
    "unsure": "the expected cause first, with less confidence than it should have",
    "no-answer": "`unknown`",
    "wrong": "another cause, or another state",
    "broken": "the lab did not bring the VM into its state: nothing was there to be judged",
}


def output(*command):
    try:
        return subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=30).stdout.strip()
    except OSError:
        return ""


def machine():
    """What it ran on, as a line each."""
    model = next((line.partition(":")[2].strip() for line in process.read("/proc/cpuinfo").splitlines()
                  if line.startswith("model name")), platform.machine())
    qemu = output("qemu-system-x86_64", "--version").partition("\n")[0]
    changes = " with changes that are not committed" if output("git", "status", "--porcelain", "-uno") else ""
    return [f"vmhang at commit {output('git', 'rev-parse', '--short=12', 'HEAD') or '?'}{changes}",
            f"{len(os.sched_getaffinity(0))} CPUs ({model}), kernel {platform.release()}",
            f"{qemu or 'no QEMU'}; scenarios marked @qemu-... on that one, out of the backports"]


def cells(*columns):
    return "| " + " | ".join(str(column).replace("|", "\\|").replace("\n", " ") for column in columns) + " |"


def rows(head, lines):
    return [cells(*head), cells(*("---" for _ in head)), *(cells(*line) for line in lines), ""]


def in_short(accuracy, windows):
    named, wanted = accuracy.others_named()
    judged = len(accuracy.judged)
    found = windows_summary(windows)
    lines = [("right cause first", f"{percent(accuracy.rate())} of {judged} plays", f"at least {GOAL:.0%}"),
             ("certain and wrong", len(accuracy.certain_and_wrong), "0"),
             ("healthy VMs called hung, in the plays", len(accuracy.healthy_called_hung), "0")]
    if windows:
        lines.append(("healthy VMs called hung, in windows of their own",
                      f"{len(found['hung'])} of {found['windows']}", "0 of 500"))
    if wanted:
        lines.append(("the other of two troubles named", f"{named} of {wanted}", ""))
    return ["## In short", "", *rows(("", "", "goal"), lines)]


def replays(accuracy):
    """What was played anew, for the host did not let the VM be as it should."""
    found = [f"`{result.name}` ({'; '.join(result.remarks)})" for result in accuracy.results if result.remarks]
    if not found:
        return []
    return ["Played anew, for, as was measured beside vmhang, the host did not keep the VM in its state: "
            + ", ".join(found) + ".", ""]


def by_kind(accuracy):
    lines = []
    for kind, results in [*accuracy.by_kind().items(), ("all", accuracy.judged)]:
        counts = collections.Counter(one.outcome for one in results)
        lines.append((kind, len({one.scenario for one in results}), len(results),
                      *(counts[outcome] for outcome in JUDGED), percent(accuracy.rate(results))))
    return ["## By layer of the cause", "",
            *rows(("layer", "scenarios", "plays", *JUDGED, "right first"), lines),
            *(f"- **{outcome}**: {meaning}" for outcome, meaning in MEANINGS.items()), ""]


def instead(results):
    """With what instead: "cpu-starved (certain) 2, broken 1"."""
    found = collections.Counter(f"{one.cause or 'unknown'} ({one.confidence or '-'})" if one.outcome in JUDGED
                                else one.outcome for one in results if one.outcome not in ("right", "skipped"))
    return ", ".join(f"{what}: {number}" for what, number in found.most_common())


def what_is_wrong(accuracy):
    """Every play that was not right, and every report that was not as it must be."""
    lines = []
    for name, results in accuracy.by_scenario().items():
        for result in results:
            if result.outcome in ("right", "skipped") and not result.problems:
                continue
            why = "; ".join(" ".join(problem.split())[:300] for problem in result.problems[:4])
            lines.append(f"- `{name}`, play {result.turn}: {result.outcome}" + (f": {why}" if why else ""))
    return ["## What it gets wrong", "", *(lines or ["Nothing in this run."]), ""]


def every_scenario(accuracy):
    lines = []
    for name, results in accuracy.by_scenario().items():
        judged = [one for one in results if one.outcome in JUDGED]
        if all(one.outcome == "skipped" for one in results):
            continue
        counts = collections.Counter(one.outcome for one in results)
        lines.append((f"`{name}`", accuracy.expect(results[0]).cause or "unknown", len(judged), counts["right"],
                      counts["accepted"], instead(results)))
    return ["## Every scenario", "",
            *rows(("scenario", "expected", "plays", "right", "accepted", "said instead"), lines)]


def healthy_windows(windows, not_up):
    if not windows:
        return []
    found = windows_summary(windows)
    lines = []
    for name in sorted({each.name for each in windows}):
        own = windows_summary([each for each in windows if each.name == name])
        said = collections.Counter(each.cause or "unknown" for each in windows if each.name == name)
        lines.append((f"`{name}`", own["windows"], len(own["hung"]),
                      ", ".join(f"{cause}: {number}" for cause, number in said.most_common())))
    lengths = sorted({each.length for each in windows})
    beside = sorted({each.beside for each in windows})
    text = ["## Windows of healthy VMs", "",
            f"{found['windows']} windows of {lengths[0]:g} to {lengths[-1]:g} s, beside "
            + ", ".join(map(str, beside)) + f" CPUs kept busy by something else, several vmhangs and VMs at once: "
            f"{len(found['hung'])} called hung, {len(found['unknown'])} unknown, {len(found['failed'])} without a "
            f"report. In {len(found['starved'])} more the host did starve the VM, as was measured beside vmhang, and "
            "vmhang said so.", "", *rows(("scenario", "windows", "called hung", "said"), lines)]
    for each in [*found["hung"], *found["failed"]]:
        text.append(f"- `{each.name}`: {each.what}")
    text += [f"- `{name}` was not there: {' '.join(why.split())[:200]}" for name, why in not_up.items()]
    return [*text, ""]


def not_played(accuracy, causes, cannot):
    """Scenarios that could not be played, and causes that no scenario makes."""
    lines = []
    for name, results in accuracy.by_scenario().items():
        if all(one.outcome == "skipped" for one in results):
            lines.append((f"`{name}`", accuracy.expect(results[0]).cause or "unknown", results[0].reason))
    text = ["## Not played here", "", *(rows(("scenario", "expected", "why"), lines) if lines
                                        else ["Every scenario was played.", ""])]
    made = {accuracy.expect(one).cause for one in accuracy.judged}
    missing = [cause for cause in causes if cause not in made]
    text += ["## Causes that this run did not make", "",
             f"vmhang knows {len(causes)} causes; {len(causes) - len(missing)} of them were made in this run."]
    if missing:
        text += ["", *rows(("cause", "why, and what stands in"),
                           [(f"`{cause}`", cannot.get(cause, "no scenario")) for cause in missing])]
    return [*text, ""]


def page(accuracy, windows, not_up, causes, cannot, command, minutes):
    """The whole page. causes: all that vmhang knows; cannot: {cause: why no scenario makes it}."""
    now = datetime.datetime.now(datetime.timezone.utc)
    played = sum(one.outcome != "skipped" for one in accuracy.results)
    lines = ["# How right vmhang is", "",
             f"Written by `{shlex.join(command)}` on {now:%Y-%m-%d %H:%M} UTC, and by nobody's hand: {played} plays of "
             f"{len({one.scenario for one in accuracy.results})} scenarios in {minutes:.0f} minutes.", "",
             *(f"- {line}" for line in machine()), "",
             *in_short(accuracy, windows), *replays(accuracy), *by_kind(accuracy), *what_is_wrong(accuracy),
             "## Taken for another", "",
             "Expected causes down, first causes across; `itself`: how often it was right.", "",
             "```", *matrix(accuracy), "```", "",
             *healthy_windows(windows, not_up), *every_scenario(accuracy),
             *not_played(accuracy, causes, cannot)]
    return "\n".join(lines).rstrip() + "\n"
