# SPDX-License-Identifier: LGPL-2.1-or-later
"""How right vmhang was: what a run's results come to, for the terminal and for docs/accuracy.md."""
import collections
import dataclasses
import re
import string

from ward import JUDGED, OUTCOMES

GOAL = 0.95
HEALTHY = "healthy"  # the kind of a VM that does not hang; else it is the layer of its cause
LAYERS = ("host", "vmm", "guest", HEALTHY)


def layers_of(vmhang, causes):
    """{cause: layer}, as `vmhang explain` tells."""
    found = {}
    for cause in causes:
        page = vmhang.run("explain", cause).stdout.decode()
        match = re.search(r"^\((\w+);", page, re.MULTILINE)
        if match:
            found[cause] = match[1]
    return found


def known_causes(vmhang):
    """Every cause that vmhang knows."""
    text = vmhang.run("explain", "--list").stdout.decode()
    return [line.split()[0] for line in text.splitlines() if line[:1].strip()]


@dataclasses.dataclass
class Accuracy:
    """What the results of a run come to. scenarios: {name: Scenario}; layers: {cause: layer}."""
    results: list
    scenarios: dict
    layers: dict

    def expect(self, result):
        return self.scenarios[result.scenario].expect

    def kind(self, result):
        expect = self.expect(result)
        return HEALTHY if expect.hung is False else self.layers.get(expect.cause, "?")

    @property
    def judged(self):
        return [result for result in self.results if result.outcome in JUDGED]

    def counts(self):
        """How often each outcome came."""
        found = collections.Counter(result.outcome for result in self.results)
        return {outcome: found[outcome] for outcome in OUTCOMES}

    def rate(self, results=None):
        """The share of the judged plays with the right cause first and sure enough; None without any."""
        judged = self.judged if results is None else [one for one in results if one.outcome in JUDGED]
        return sum(one.outcome == "right" for one in judged) / len(judged) if judged else None

    def by_kind(self):
        """{kind: results judged}, in the order of the layers."""
        found = collections.defaultdict(list)
        for result in self.judged:
            found[self.kind(result)].append(result)
        return {kind: found[kind] for kind in (*LAYERS, *sorted(set(found) - set(LAYERS))) if kind in found}

    def by_scenario(self):
        """{name: its results}, as they are registered."""
        order = {name: number for number, name in enumerate(self.scenarios)}
        found = collections.defaultdict(list)
        for result in sorted(self.results, key=lambda one: (bool(one.label), order[one.scenario], one.turn)):
            found[result.name].append(result)
        return dict(found)

    def confused(self):
        """{(expected cause, first cause): plays} where they differ, most often first."""
        pairs = collections.Counter((self.expect(result).cause or "unknown", result.cause or "unknown")
                                    for result in self.judged)
        return {pair: number for pair, number in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
                if pair[0] != pair[1]}

    @property
    def certain_and_wrong(self):
        return [result for result in self.judged if result.outcome == "wrong" and result.confidence == "certain"]

    @property
    def healthy_called_hung(self):
        return [result for result in self.judged if self.expect(result).hung is False and result.hung]

    def others_named(self):
        """(how many of the other troubles were named, of how many)"""
        wanted = sum(len(self.expect(result).also) for result in self.judged)
        return wanted - sum(len(result.unnamed) for result in self.judged), wanted

    def second(self):
        """Those that were played once more, alone, and were right then."""
        return [result for result in self.results if result.second and result.passed]


def percent(share):
    return "-" if share is None else f"{100 * share:.1f} %"


def letters(number):
    """a, b, ... z, aa, ab, ..."""
    text = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, 26)
        text = string.ascii_lowercase[digit] + text
    return text


def matrix(accuracy):
    """The rows and columns of the confusion matrix that are off its diagonal, as lines of text: expected causes
    down, first causes across, by a letter."""
    confused = accuracy.confused()
    if not confused:
        return ["Nothing lies off the diagonal: no cause was taken for another."]
    rows, columns = (sorted({pair[side] for pair in confused}) for side in (0, 1))
    right = collections.Counter(accuracy.expect(result).cause or "unknown" for result in accuracy.judged
                                if (accuracy.expect(result).cause or None) == result.cause)
    width = max(map(len, rows)) + 2
    lines = [f"{'expected':{width}}{'itself':>7}" + "".join(
        f"{letters(number):>5}" for number in range(len(columns)))]
    for row in rows:
        lines.append(f"{row:{width}}{right[row]:>7}" + "".join(
            f"{confused.get((row, column), '.'):>5}" for column in columns))
    return lines + [""] + [f"{letters(number):>3}  {column}" for number, column in enumerate(columns)]


def summary(accuracy):
    """For the terminal: the matrix, the rates, the counters."""
    named, wanted = accuracy.others_named()
    counts = accuracy.counts()
    lines = ["", "== expected cause and first cause, where they differ", *matrix(accuracy), "",
             "== right cause first"]
    for kind, results in [*accuracy.by_kind().items(), ("all", accuracy.judged)]:
        right = sum(one.outcome == "right" for one in results)
        lines.append(f"{kind:8} {right:4} of {len(results):4}  {percent(accuracy.rate(results))}")
    lines.append("")
    lines.append(", ".join(f"{number} {outcome}" for outcome, number in counts.items()))
    lines.append(f"{len(accuracy.certain_and_wrong)} certain and wrong, {len(accuracy.healthy_called_hung)} healthy "
                 "called hung")
    if wanted:
        lines.append(f"{named} of {wanted} other troubles named beside the first")
    longest = sorted(accuracy.results, key=lambda one: -one.took)[:6]
    lines.append("longest plays: " + ", ".join(f"{one.name} {one.took:.0f} s" for one in longest))
    if accuracy.second():
        lines.append(f"{len(accuracy.second())} right at the second play, alone: "
                     + ", ".join(one.name for one in accuracy.second()))
    return lines


def windows_summary(windows):
    """For the terminal and the page: what came of the windows of healthy VMs."""
    alarms = [each for each in windows if each.false_alarm]
    unknown = [each for each in windows if each.hung is None and not each.problem]
    starved = [each for each in windows if each.hung and each.starved]
    failed = [each for each in windows if each.problem]
    return {"windows": len(windows), "hung": alarms, "unknown": unknown, "starved": starved, "failed": failed}
