# SPDX-License-Identifier: LGPL-2.1-or-later
"""One play: a scenario is brought into its state, diagnosed, and what came of it is judged."""
import dataclasses
import pathlib
import subprocess
import typing

import checks
from qmp import QmpError
from stage import LabError, Skip, Stage

# How often a scenario is played that the host, as measured beside vmhang, did not leave in its state: it starved
# the VM, or did not starve the one that it was to.
TURNS = 3
# What may come of a play. Of the first five the diagnosis was judged; of a broken one there was none to judge,
# for the lab did not bring the VM into the state.
JUDGED = ("right", "accepted", "unsure", "no-answer", "wrong")
OUTCOMES = (*JUDGED, "broken", "skipped")


@dataclasses.dataclass
class Result:
    """What came of one play. It travels between processes as JSON."""
    scenario: str
    label: str = ""      # of the QEMU, where it is not the system's
    turn: int = 1        # of the repetitions
    outcome: str = "broken"
    cause: typing.Optional[str] = None  # what vmhang said first
    state: str = "?"
    hung: typing.Optional[bool] = None
    confidence: typing.Optional[str] = None
    seconds: typing.Optional[float] = None  # that the diagnosis took
    took: float = 0.0    # seconds of the whole play
    reason: str = ""     # why it was skipped, or broke
    problems: list = dataclasses.field(default_factory=list)  # all that is not as it must be
    unnamed: list = dataclasses.field(default_factory=list)   # other troubles that were not named
    remarks: list = dataclasses.field(default_factory=list)
    second: bool = False  # it is the second play, alone, of one that failed beside others

    @property
    def name(self):
        return self.scenario + (f"@{self.label}" if self.label else "")

    @property
    def passed(self):
        return self.outcome in ("right", "accepted") and not self.problems

    @property
    def got(self):
        if self.outcome in ("skipped", "broken"):
            return self.reason.strip().splitlines()[0] if self.reason.strip() else self.outcome
        return checks.in_words(self.cause, self.state, self.confidence)


def keep_case(folder, name, stage):
    """Leaves the case of a failure where a person, or CI, finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    case = stage.tmp / "case.vmhang"
    if case.exists():
        (folder / f"{name}.vmhang").write_bytes(case.read_bytes())


def broken(result, reason):
    result.outcome, result.reason, result.problems = "broken", reason, [reason]
    return result


def judge(result, expect, report, status, problems):
    """Fills in what the report says, and what that is worth."""
    if report is None:
        result.outcome, result.problems = "no-answer", problems
        return
    verdict = report["verdict"]
    for key in ("cause", "state", "hung", "confidence"):
        setattr(result, key, verdict[key])
    result.outcome = checks.outcome_of(expect, verdict)
    result.unnamed = checks.not_named(expect, report)
    result.problems = checks.verdict_problems(expect, report, status) + problems


def turns_on_cpu_time(expect, result):
    """Whether what is wrong is that it starves, or that it does not."""
    return "starved" in (expect.state, result.state) or any("state is starved" in each for each in result.problems)


def play_once(vmhang, scenario, qemu, result, keep):
    """Fills in the result; false where the stage did not hold."""
    with Stage(scenario.name, scenario.accel, qemu) as stage:
        vm = scenario.play(stage)
        with checks.Watches(vm.pid) as watches:
            report, status, result.seconds, problems = checks.examine(vmhang, scenario, stage, vm)
        judge(result, scenario.expect, report, status, problems)
        if result.passed:
            return True
        if keep:
            keep_case(pathlib.Path(keep), f"{result.name}.{result.turn}", stage)
        why = watches.did_not_hold(scenario.expect)
        if not why or not turns_on_cpu_time(scenario.expect, result):
            return True
        result.remarks.append(f"the stage did not hold: {why}")
        return False


def play(vmhang, scenario, qemu, result, keep=None):
    """Plays the scenario on that QEMU and completes the result, whatever comes."""
    reason = scenario.why_not()
    if reason:
        result.outcome, result.reason = "skipped", reason
        return result
    try:
        for _ in range(TURNS):
            if play_once(vmhang, scenario, qemu, result, keep):
                break
    except Skip as error:
        result.outcome, result.reason = "skipped", str(error)
    except (LabError, QmpError, OSError) as error:
        broken(result, f"{type(error).__name__}: {error}")
    except subprocess.TimeoutExpired as error:
        if error.cmd[0] != vmhang.program:
            return broken(result, str(error))
        result.outcome, result.problems = "no-answer", [str(error)]
    return result
