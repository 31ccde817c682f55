#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test.py [NAME...]: the lab's own logic: the scheduler, processes that hang, the counts, the windows of healthy
VMs. Nothing here diagnoses a VM.
"""
import contextlib
import io
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import types
import unittest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "lab"))

import accuracy  # noqa: E402
import accuracy_page  # noqa: E402
import checks  # noqa: E402
import pool  # noqa: E402
import process  # noqa: E402
import runner  # noqa: E402
import scenarios  # noqa: E402
import scenarios.cannot  # noqa: E402
import ward  # noqa: E402
import windows  # noqa: E402
from scenario import NEEDS, Expect, Scenario  # noqa: E402
from stage import Qemu, Stage  # noqa: E402
from table import Table  # noqa: E402

PATIENCE = 30


def until(happens):
    deadline = time.monotonic() + PATIENCE
    while not happens():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def gone(pid):
    return process.state(pid) in ("gone", "Z")


def job(cpus=0.0, alone=False, what=None, work=lambda: None, **more):
    return pool.Job(what, work, cpus, alone, **more)


class CausesTest(unittest.TestCase):
    """Each cause has a scenario, or a reason why it has none and a test that stands in."""

    def setUp(self):
        rules = "".join(path.read_text() for path in (TOP / "src/infer/rules").glob("*.c"))
        self.causes = set(re.findall(r'\.id = "([^"]+)"', rules))
        self.played = set()
        for each in scenarios.ALL:
            for expect in filter(None, (each.expect, each.passive_expect)):
                self.played |= {expect.cause, *expect.also}

    def test_every_cause_is_proved(self):
        self.assertGreater(len(self.causes), 100)
        self.assertEqual(set(), self.causes - self.played - set(scenarios.cannot.CANNOT))
        self.assertEqual(set(), self.played - self.causes - {None})

    def test_what_stands_in_is_about_the_cause(self):
        for cause, why in scenarios.cannot.CANNOT.items():
            self.assertIn(cause, self.causes)
            tests = re.findall(r"tests/unit/\S+\.c", why)
            self.assertTrue(tests, cause)
            for test in tests:
                self.assertIn(f'"{cause}"', (TOP / test).read_text(), cause)


class PlanTest(unittest.TestCase):
    def check_beside(self, running, cpus, at_once):
        self.assertLessEqual(len(running), at_once)
        if len(running) > 1:
            self.assertFalse(any(each.alone for each in running), running)
            busy = [each.cpus for each in running if each.cpus]
            self.assertTrue(sum(busy) <= cpus or len(busy) == 1, busy)

    def test_never_oversubscribes(self):
        """Whatever the jobs are and in whatever order they end."""
        for seed in range(300):
            dice = random.Random(seed)
            cpus, at_once = dice.choice((1, 2, 4)), dice.choice((1, 3, 6))
            jobs = [job(dice.choice((0, 0, 0.1, 0.5, 1, 1, 2, 3)), dice.random() < 0.1)
                    for _ in range(dice.randrange(40))]
            plan, running, ran = pool.Plan(jobs, cpus, at_once), [], []
            while plan.waiting or running:
                while taken := plan.take(running):
                    running.append(taken)
                    ran.append(taken)
                    self.check_beside(running, cpus, at_once)
                self.assertTrue(running, "nothing runs, and something waits")
                running.remove(dice.choice(running))
            self.assertCountEqual(map(id, ran), map(id, jobs))

    def test_order(self):
        """Heavy ones first, those that must be alone last; and sleeping ones beside busy ones."""
        jobs = [job(0, what="sleeps"), job(1, True, what="alone"), job(2, what="heavy"), job(1, what="busy")]
        plan = pool.Plan(jobs, 2)
        first = plan.take([])
        self.assertEqual(first.what, "heavy")
        self.assertEqual(plan.take([first]).what, "sleeps")
        self.assertIsNone(plan.take([first]))
        self.assertEqual(plan.take([]).what, "busy")
        self.assertEqual(plan.take([]).what, "alone")

    def test_more_cpus_than_there_are(self):
        plan = pool.Plan([job(8), job(1)], 2)
        self.assertEqual(plan.take([]).cpus, 8)
        self.assertIsNone(plan.take([job(8)]))
        self.assertEqual(pool.Plan([job(8)], 2).take([job(0)]).cpus, 8)


class PoolTest(unittest.TestCase):
    def results(self, *jobs):
        with pool.Pool(jobs, cpus=2) as running:
            return {done.job.what: done for done in running.results()}

    def test_values_and_errors(self):
        def raises():
            raise ValueError("of no use")
        long = "x" * 300000  # more than a pipe holds
        done = self.results(job(what="value", work=lambda: {"n": 1}), job(what="long", work=lambda: long),
                            job(what="raises", work=raises), job(what="dies", work=lambda: os.kill(os.getpid(), 9)))
        self.assertEqual(done["value"].value, {"n": 1})
        self.assertEqual(done["long"].value, long)
        self.assertIn("ValueError: of no use", done["raises"].error)
        self.assertIn("-9", done["dies"].error)
        self.assertTrue(done["value"].beside)

    def test_tells(self):
        with pool.Pool([job(what="tells", work=lambda tell: tell("early") or "late", tells=True)]) as running:
            running.start()
            self.assertTrue(until(lambda: running.running[0].read() or running.running[0].told))
            self.assertEqual(running.running[0].told, ["early"])
            self.assertEqual([done.value for done in running.results()], ["late"])

    def hangs(self, folder, deaf):
        """A play that brings up a VM, notes its pid and stage, and never ends."""
        def work():
            if deaf:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            with Stage("hangs") as stage:
                if shutil.which("qemu-system-x86_64") and shutil.which("as"):
                    pid = stage.qemu(rom="halt").pid
                else:
                    pid = stage.spawn(["sleep", "1000"]).pid
                note = folder / "note.new"
                note.write_text(json.dumps([pid, str(stage.tmp)]))
                note.rename(folder / "note")
                stage.until("never", lambda: False, 1000)
        return work

    def check_swept(self, folder):
        pid, stage = json.loads((folder / "note").read_text())
        self.assertTrue(until(lambda: gone(pid)), f"the VM {pid} is still there")
        self.assertTrue(until(lambda: not os.path.exists(stage)), f"{stage} is still there")

    def test_killed_at_its_deadline(self):
        """A play that hangs takes nobody with it, and nothing of it remains."""
        for deaf in (False, True):
            with self.subTest(deaf=deaf), tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name)
                old, pool.GRACE = pool.GRACE, 1 if deaf else pool.GRACE
                self.addCleanup(setattr, pool, "GRACE", old)
                with pool.Pool([job(what="hangs", work=self.hangs(folder, deaf), deadline=5),
                                job(what="other", work=lambda: 1)]) as running:
                    done = {each.job.what: each for each in running.results()}
                self.assertEqual(done["other"].value, 1)
                self.assertEqual(done["hangs"].error, "not done within 5 s")
                self.check_swept(folder)

    def test_pool_is_ended(self):
        """By SIGTERM, as make and CI do it, and by SIGKILL."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number=number), tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name)
                child = os.fork()
                if not child:
                    try:
                        pool.interrupts_as_exceptions()
                        with pool.Pool([job(work=self.hangs(folder, False))]) as running:
                            list(running.results())
                    except KeyboardInterrupt:
                        pass
                    finally:
                        os._exit(0)
                self.assertTrue(until((folder / "note").exists))
                os.kill(child, number)
                os.waitpid(child, 0)
                self.check_swept(folder)


def verdict(cause, state="spinning", hung=True, confidence="certain"):
    return {"cause": cause, "state": state, "hung": hung, "confidence": confidence if cause else None, "limits": []}


class OutcomeTest(unittest.TestCase):
    def test_outcomes(self):
        expect = Expect("a", "spinning", True, "likely", accept=("b", None))
        healthy = Expect("h", "idle", False, "likely", accept=("b",))
        for wanted, of, said in (
                ("right", expect, verdict("a")),
                ("right", expect, verdict("a", confidence="likely")),
                ("unsure", expect, verdict("a", confidence="possible")),
                ("wrong", expect, verdict("a", state="idle")),
                ("wrong", expect, verdict("a", hung=False)),
                ("accepted", expect, verdict("b")),
                ("accepted", expect, verdict(None, "unknown", None)),
                ("wrong", expect, verdict("c")),
                ("right", healthy, verdict("h", "idle", False)),
                ("no-answer", healthy, verdict(None, "unknown", None)),
                ("accepted", healthy, verdict("b", "idle", False)),
                ("wrong", healthy, verdict("b", "idle", True)),  # never acceptable
                ("wrong", healthy, verdict("h", "idle", True))):
            with self.subTest(wanted=wanted, said=said):
                self.assertEqual(checks.outcome_of(of, said), wanted)

    def test_problems(self):
        expect = Expect("a", "spinning", True, also=("o", "p"))
        report = {"verdict": verdict("a"), "others": [{"cause": "o"}]}
        self.assertEqual(checks.verdict_problems(expect, report, 1), ["p is not named beside it"])
        self.assertIn("exit status is 0 with hung True", checks.verdict_problems(expect, report, 0))
        report["verdict"] = verdict("b", "idle", False, "likely")
        self.assertEqual(len(checks.verdict_problems(expect, report, 0)), 5)


def scenario(name, cause, state="spinning", hung=True, **more):
    return Scenario(name, "", Expect(cause, state, hung, **more.pop("expect", {})), more.pop("play", None), **more)


def result(name, outcome, cause=None, hung=True, confidence="certain", **more):
    return ward.Result(name, outcome=outcome, cause=cause, hung=hung, state="spinning",
                       confidence=confidence if cause else None, **more)


SCENARIOS = {each.name: each for each in (
    scenario("one", "a", expect={"also": ("o",)}), scenario("two", "b", expect={"accept": ("a",)}),
    scenario("well", "h", "idle", False))}
LAYERS = {"a": "host", "b": "guest", "h": "guest"}
RESULTS = [result("one", "right", "a"), result("one", "right", "a", unnamed=["o"]),
           result("one", "wrong", "b", problems=["cause is b, not a"]), result("one", "broken", reason="no VM"),
           result("two", "right", "b"), result("two", "accepted", "a"), result("two", "no-answer"),
           result("two", "unsure", "b", confidence="possible"),
           result("well", "right", "h", False, "likely"), result("well", "wrong", "b", True, "likely"),
           result("well", "skipped", reason="no KVM", label="new")]


class AccuracyTest(unittest.TestCase):
    def setUp(self):
        self.accuracy = accuracy.Accuracy(RESULTS, SCENARIOS, LAYERS)

    def test_rates(self):
        self.assertEqual(len(self.accuracy.judged), 9)  # neither the broken one nor the skipped one
        self.assertAlmostEqual(self.accuracy.rate(), 4 / 9)
        kinds = self.accuracy.by_kind()
        self.assertEqual(list(kinds), ["host", "guest", "healthy"])
        self.assertAlmostEqual(self.accuracy.rate(kinds["host"]), 2 / 3)
        self.assertAlmostEqual(self.accuracy.rate(kinds["guest"]), 1 / 4)
        self.assertAlmostEqual(self.accuracy.rate(kinds["healthy"]), 1 / 2)
        self.assertIsNone(accuracy.Accuracy([], SCENARIOS, LAYERS).rate())
        self.assertEqual(self.accuracy.counts(), {
            "right": 4, "accepted": 1, "unsure": 1, "no-answer": 1, "wrong": 2, "broken": 1, "skipped": 1})

    def test_counters(self):
        self.assertEqual([one.scenario for one in self.accuracy.certain_and_wrong], ["one"])
        self.assertEqual([one.scenario for one in self.accuracy.healthy_called_hung], ["well"])
        self.assertEqual(self.accuracy.others_named(), (2, 3))

    def test_matrix(self):
        self.assertEqual(self.accuracy.confused(), {
            ("a", "b"): 1, ("b", "a"): 1, ("b", "unknown"): 1, ("h", "b"): 1})
        lines = accuracy.matrix(self.accuracy)
        self.assertEqual([line.split() for line in lines], [
            ["expected", "itself", "a", "b", "c"], ["a", "2", ".", "1", "."], ["b", "2", "1", ".", "1"],
            ["h", "1", ".", "1", "."], [], ["a", "a"], ["b", "b"], ["c", "unknown"]])
        right = accuracy.Accuracy([result("one", "right", "a")], SCENARIOS, LAYERS)
        self.assertEqual(len(accuracy.matrix(right)), 1)

    def test_letters(self):
        self.assertEqual([accuracy.letters(number) for number in (0, 25, 26, 51, 52)], ["a", "z", "aa", "az", "ba"])

    def test_page(self):
        """What it gets wrong stays in the page."""
        taken = [windows.Window("well", 1, 0, 1, "h", False, "likely"),
                 windows.Window("well", 0.3, 2, 1, "b", True, "likely"),
                 windows.Window("well", 0.3, 2, 1, "s", True, "likely", starved=True)]
        text = accuracy_page.page(self.accuracy, taken, {}, ["a", "b", "h", "x", "y"], {"x": "no such device"},
                                  ["lab/run", "--all"], 2)
        for part in ("| right cause first | 44.4 % of 9 plays |", "| certain and wrong | 1 |",
                     "| healthy VMs called hung, in the plays | 1 |", "called hung, in windows of their own | 1 of 3 |",
                     "- `one`, play 1: wrong: cause is b, not a", "- `well`: 0.3 s, 1 vCPUs, 2 CPUs busy beside it: b",
                     "| `two` | b | 4 | 1 | 1 |", "| `well@new` | h | no KVM |", "| `x` | no such device |",
                     "| `y` | no scenario |", "5 causes; 3 of them"):
            self.assertIn(part, text)


class WindowsTest(unittest.TestCase):
    def vm(self, stage):
        popen = stage.spawn(["sleep", "1000"])
        return types.SimpleNamespace(pid=popen.pid, popen=popen)

    def fake(self, hung_every):
        """A vmhang that calls every n-th window hung, and another unknown."""
        def run(*arguments, seconds):
            case = pathlib.Path(arguments[arguments.index("--save") + 1])
            number = int(case.stem)
            case.write_bytes(b"case")
            said = verdict("b", "idle", True) if number % hung_every == 0 else verdict(
                None, "unknown", None) if number % hung_every == 1 else verdict("h", "idle", False)
            return types.SimpleNamespace(stdout=json.dumps({"verdict": said}).encode(), stderr=b"")
        return types.SimpleNamespace(run=run)

    def test_counts(self):
        """Each false alarm is counted, and its case kept; a VM that does not come up is told."""
        def not_up(stage):
            stage.until("never", lambda: False, 0.1)

        def late(stage):
            """Comes up at the second time alone."""
            if not tried.exists():
                tried.touch()
                not_up(stage)
            return self.vm(stage)
        healthy = [scenario("well", "h", "idle", False, play=self.vm),
                   scenario("other", "h", "idle", False, play=self.vm),
                   scenario("lost", "h", "idle", False, play=not_up),
                   scenario("hung", "a", play=self.vm), scenario("passing", "h", "idle", False, lasts=False),
                   scenario("changes", "h", "idle", False, meanwhile=lambda vm: None)]
        with tempfile.TemporaryDirectory() as name:
            keep, tried = pathlib.Path(name) / "keep", pathlib.Path(name) / "tried"
            shown = {}
            taker = windows.Windows(self.fake(4), (0.1,), keep, cpus=1)
            taker.run(healthy, 24, lambda name, taken: shown.setdefault(name, taken))
            found = accuracy.windows_summary(taker.taken)
            self.assertEqual(found["windows"], 24)
            self.assertEqual(len(found["hung"]), 6)
            self.assertEqual(len(found["unknown"]), 6)
            self.assertEqual(len(list(keep.iterdir())), 6)
            self.assertEqual({each.beside for each in taker.taken}, {0, 1})
            taker.run([scenario("late", "h", "idle", False, play=late)], 2,
                      lambda name, taken: shown.setdefault(name, taken))
        self.assertEqual(len(shown.pop("late")), 2)
        self.assertNotIn("late", taker.not_up)
        self.assertEqual(sorted(shown), ["lost", "other", "well"])
        self.assertEqual(sum(map(len, shown.values())), 24)
        self.assertEqual(len(shown["lost"]), 0)
        self.assertIn("never", taker.not_up["lost"])

    def test_starved_in_truth(self):
        window = windows.Window("well", 1, 0, 1, "s", True, starved=True)
        self.assertFalse(window.false_alarm)
        self.assertTrue(windows.Window("well", 1, 0, 1, "s", True).false_alarm)

    def test_groups(self):
        chosen = [(scenario(str(number), "h", "idle", False, load=load, alone=alone), False)
                  for number, (load, alone) in enumerate([(1, False)] * 5 + [(0, False)] * 7 + [(1, True)])]
        groups = windows.groups(chosen, 2)
        self.assertEqual(sum(map(len, groups)), len(chosen))
        for group in groups:
            self.assertLessEqual(len(group), windows.UP_AT_ONCE)
            self.assertLessEqual(sum(each.cpus for each, _ in group), 2)
            self.assertTrue(len(group) == 1 or not any(each.alone for each, _ in group))
        for count in (0, 1, 7, 500):
            shares = windows.shares(count, groups)
            self.assertEqual(sum(shares), count)
            self.assertTrue(all(share >= 0 for share in shares))


class RunTest(unittest.TestCase):
    """lab/run, with plays that are made up."""

    def run_quick(self, plays, *options):
        """plays: {name: outcome of the first play, of the second}; (Run, what it printed)."""
        made = {name: scenario(name, "a", load=0) for name in plays}  # so that all are beside one another

        def play(_, of, qemu, empty, keep):
            outcome = plays[of.name][1 if empty.second else 0]
            time.sleep(0.3)  # long enough to be beside one another
            empty.outcome, empty.cause = outcome, "a" if outcome == "right" else "b"
            empty.hung, empty.confidence = True, "certain"
            empty.problems = [] if outcome in ("right", "accepted") else [f"it was {outcome}"]
            return empty
        for module, name, value in ((runner, "ALL", list(made.values())), (runner, "BY_NAME", made),
                                    (ward, "play", play)):
            self.addCleanup(setattr, module, name, getattr(module, name))
            setattr(module, name, value)
        given = runner.parse(["--all", "--vmhang", "/bin/true", *options])
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            run = runner.Run(given, Table())
            run.play(runner.chosen(given))
        return run, out.getvalue()

    def test_second_play_decides(self):
        run, text = self.run_quick({"one": ("right", ""), "two": ("wrong", "right"), "three": ("wrong", "wrong")},
                                   "--quick")
        self.assertEqual(run.table.counts, {"passed": 2, "failed": 1, "skipped": 0})
        self.assertEqual(len(run.results), 5)  # both plays are counted
        self.assertIn("two: right at the second play", text)
        self.assertEqual([one.name for one in run.accuracy().second()], ["two"])

    def test_no_second_play(self):
        """Where accuracy is measured, every play counts."""
        run, _ = self.run_quick({"one": ("right", ""), "two": ("wrong", "right")}, "--repeat", "3")
        self.assertEqual(run.table.counts, {"passed": 3, "failed": 3, "skipped": 0})
        self.assertEqual(run.accuracy().rate(), 0.5)
        self.assertEqual(len(run.accuracy().certain_and_wrong), 3)

    def test_quick_windows(self):
        """The quick form does not wait for VMs that take long to come up."""
        run, _ = self.run_quick({"one": ("right", ""), "two": ("right", ""), "three": ("right", "")}, "--quick")
        run.results[0].took = runner.UP_IN_NO_TIME + 1
        looked_at = []
        run.windows.run = lambda scenarios, *_: looked_at.extend(each.name for each in scenarios)
        run.look_at_healthy()
        self.assertCountEqual(looked_at, {"one", "two", "three"} - {run.results[0].scenario})

    def test_arguments(self):
        for wrong in ([], ["--all", "--quick", "--write", "x"], ["--all", "--vmhang", "/nowhere"]):
            with self.subTest(wrong=wrong), self.assertRaises(SystemExit), \
                    contextlib.redirect_stderr(io.StringIO()):
                runner.parse(wrong)
        with self.assertRaises(SystemExit):
            runner.find("no-such-scenario")
        done = subprocess.run([TOP / "lab" / "run", "--list"], capture_output=True, text=True, timeout=60)
        self.assertIn("spin-irqs-off ", done.stdout)


class WatchTest(unittest.TestCase):
    def watches(self, *looks):
        """One vCPU, of which these looks were taken: (seconds, ran, waited)."""
        watches = checks.Watches(0)
        watches.all = [checks.Watch(0, 0)]
        watches.all[0].looks = [(at, ran * 1e9, waited * 1e9) for at, ran, waited in looks]
        return watches

    def test_stage_holds(self):
        starved, busy = Expect("s", "starved", True), Expect("b", "running", False)
        for waited, ran, of, holds in ((0.9, 0.05, starved, True), (0.7, 0.3, starved, False),
                                       (0.9, 0.05, busy, False), (0.1, 0.9, busy, True), (0, 0, busy, True)):
            with self.subTest(waited=waited, of=of.state):
                looks = [(at / 20, ran * at / 20, waited * at / 20) for at in range(40)]
                self.assertEqual(self.watches(*looks).did_not_hold(of) is None, holds)

    def test_bursts(self):
        """Starved for one window's time alone, somewhere in between."""
        looks = [(at / 20, 0, 0.05 * min(max(at - 20, 0), 20)) for at in range(100)]
        self.assertTrue(self.watches(*looks).starved())
        self.assertFalse(self.watches(*looks).starved(3))
        self.assertFalse(self.watches((0, 0, 0)).starved())


class PlayTest(unittest.TestCase):
    def test_why_there_is_no_verdict(self):
        """A stage that breaks is not vmhang's error; that vmhang says nothing is."""
        def breaks(stage):
            stage.until("what never comes", lambda: False, 0.1)

        def plays(stage):
            popen = stage.spawn(["sleep", "1000"])
            return types.SimpleNamespace(pid=popen.pid, popen=popen)
        silent = types.SimpleNamespace(program="vmhang", report=lambda *_: (None, 70, ["no JSON"]))
        for play, wanted, part in ((breaks, "broken", "what never comes"), (plays, "no-answer", "no JSON")):
            with self.subTest(wanted=wanted):
                of = scenario("one", "a", play=play, asks=False)
                came = ward.play(silent, of, Qemu(), ward.Result("one"))
                self.assertEqual(came.outcome, wanted)
                self.assertIn(part, came.problems[0])
                self.assertFalse(came.passed)
        of = scenario("one", "a", play=plays, needs=("never",))
        NEEDS["never"] = lambda: "there is none"
        self.addCleanup(NEEDS.pop, "never")
        came = ward.play(silent, of, Qemu(), ward.Result("one"))
        self.assertEqual((came.outcome, came.reason), ("skipped", "there is none"))


if __name__ == "__main__":
    unittest.main()
