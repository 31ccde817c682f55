#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line as a script meets it: exit status, what is on which stream, what is left behind.

Usage: cli.py VMHANG CASE_OF_A_HUNG_VM SOURCE_DIR
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest

VMHANG, CASE, SOURCE = sys.argv[1:4]
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C"} | {
    k: v for k, v in os.environ.items() if "SAN_OPTIONS" in k}


def run(*args, **more):
    more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL,
            "env": ENVIRONMENT, "timeout": 60} | more
    return subprocess.run([VMHANG, *args], text="input" not in more, check=False, **more)


class Usage(unittest.TestCase):
    def test_help_lists_the_commands(self):
        r = run("--help")
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        for name in ("list", "diagnose", "inside", "exits", "analyze", "explain", "check"):
            self.assertIn(f"\n  {name} ", r.stdout)
            each = run(name, "--help")
            self.assertEqual((each.returncode, each.stderr), (0, ""))
            self.assertTrue(each.stdout.startswith(f"Usage: vmhang {name} "), each.stdout)

    def test_version(self):
        self.assertRegex(run("--version").stdout, r"^vmhang \d+\.\d+\.\d+\n$")

    def test_usage_errors_are_64_and_go_to_stderr(self):
        for args in (["no-such-command"], ["--bogus"], ["diagnose"], ["diagnose", "a", "b"],
                     ["diagnose", "--window", "soon", "a"], ["diagnose", "--window", "0", "a"],
                     ["analyze"], ["inside"], ["inside", "a", "b"], ["inside", "--dmesg=x", "a"],
                     ["inside", "--follow", "--json", "a"], ["inside", "--window", "1s", "a"],
                     ["inside", "--stacks-folded", "--passive", "a"], ["explain"], ["explain", "no-such-cause"], ["check", "x"]):
            r = run(*args)
            self.assertEqual((r.returncode, r.stdout), (64, ""), args)
            self.assertTrue(r.stderr.startswith("vmhang"), r.stderr)

    def test_escapes_in_an_error(self):
        r = run("analyze", "/no/\033[2J")
        self.assertEqual(r.returncode, 66)
        self.assertIn("/no/\\x1b[2J", r.stderr)


class Documentation(unittest.TestCase):
    """The man page and the completion know what --help knows, but for the options of tests."""
    HIDDEN = {"--root", "--usage"}

    def test_every_command_and_option_is_there(self):
        manual = pathlib.Path(SOURCE, "docs/vmhang.1").read_text(encoding="utf-8")
        completion = pathlib.Path(SOURCE, "data/vmhang.bash").read_text(encoding="utf-8")
        for command in ("list", "diagnose", "exits", "analyze", "explain", "check"):
            self.assertIn(f".It Cm {command}\n", manual)
            options = set(re.findall(r"(?m)^ +(?:-., )?(--[a-z-]+)",
                                     run(command, "--help").stdout)) - self.HIDDEN
            rows = re.search(rf"(?s)\n\t{command}\)\n(.*?)\n\t\t;;", completion).group(1)
            for option in options - {"--version"}:
                self.assertIn(option, rows, f"completion of {command}")
            for option in options - {"--help", "--version"}:
                self.assertRegex(manual, rf"Fl .*{option[1:]}\b", option)

    def test_completion_completes(self):
        script = pathlib.Path(SOURCE, "data/vmhang.bash")
        for words, expected in (("vmhang dia", "diagnose"), ("vmhang check --j", "--json"),
                                ("vmhang exits --sort me", "mean"),
                                (f"{VMHANG} explain guest-spins-irqs-of", "guest-spins-irqs-off")):
            words = words.split()
            r = subprocess.run(["bash", "-c", 'source "$0"; COMP_WORDS=("$@"); '
                                f'COMP_CWORD={len(words) - 1}; _vmhang; echo "${{COMPREPLY[@]}}"',
                                script, *words], capture_output=True, text=True, check=True)
            self.assertEqual(r.stdout.strip(), expected)


class Analyze(unittest.TestCase):
    def test_the_first_line_is_the_answer(self):
        r = run("analyze", CASE)
        self.assertEqual((r.returncode, r.stderr), (1, ""))
        self.assertRegex(r.stdout.splitlines()[0], r"^web 07: hung: .* \(certain\)$")
        self.assertNotIn("\033", r.stdout)

    def test_standard_input(self):
        with open(CASE, "rb") as file:
            self.assertEqual(run("analyze", "-", stdin=file).stdout, run("analyze", CASE).stdout)

    def test_several_files_and_an_error_among_them(self):
        r = run("analyze", CASE, "/no/such", CASE)
        self.assertEqual(r.returncode, 66)
        self.assertEqual(r.stdout.count("web 07: hung: "), 2)
        self.assertEqual(r.stderr, "vmhang: opening /no/such: No such file or directory\n")
        self.assertEqual(run("analyze", CASE, CASE).returncode, 1)

    def test_json(self):
        report = json.loads(run("analyze", "--json", CASE).stdout)
        self.assertEqual(report["schema"], "vmhang.report/1")
        self.assertIs(report["verdict"]["hung"], True)

    def test_verbose_has_the_tables(self):
        text = run("analyze", "-v", CASE).stdout
        for heading in ("Threads", "vCPU 0", "KVM counters", "Monitor", "Evidence"):
            self.assertIn(f"\n{heading}\n", text)

    def test_what_is_no_case_file(self):
        r = run("analyze", __file__)
        self.assertEqual((r.returncode, r.stdout), (65, ""))
        self.assertIn("not a case file", r.stderr)
        self.assertIn("nothing in it is an output that vmhang knows", r.stderr)
        self.assertEqual(run("analyze", "/").returncode, 66)

    def test_pasted_text(self):
        text = f"{SOURCE}/tests/pasted/texts/seed.txt"
        r = run("analyze", text)
        self.assertEqual((r.returncode, r.stderr), (1, ""))
        self.assertIn("Read in the text", r.stdout)
        with open(text, "rb") as file:
            self.assertIn("lines 7-21: ps of threads", run("analyze", "-", stdin=file).stdout)

    def test_texts_are_one_case_and_can_be_saved(self):
        with tempfile.TemporaryDirectory() as scratch:
            whole = pathlib.Path(f"{SOURCE}/tests/pasted/texts/seed.txt").read_text()
            at, saved = whole.index("19:49:57"), f"{scratch}/case.vmhang"
            for name, part in (("a", whole[:at]), ("b", whole[at:])):
                pathlib.Path(scratch, name).write_text(part)
            both = run("analyze", "--save", saved, f"{scratch}/a", f"{scratch}/b")
            self.assertEqual(both.returncode, 1)
            self.assertIn(f"{scratch}/b, lines ", both.stdout)
            self.assertEqual(run("analyze", saved).stdout, both.stdout)
            self.assertEqual(run("analyze", "--save", "/no/such/dir/x", f"{scratch}/a").returncode,
                             66)
            self.assertEqual(run("analyze", "--save", saved, CASE).returncode, 65)

    def test_a_damaged_file(self):
        with tempfile.NamedTemporaryFile() as file:
            whole = pathlib.Path(CASE).read_bytes()
            file.write(whole[:len(whole) // 2])
            file.flush()
            r = run("analyze", file.name)
            self.assertEqual((r.returncode, r.stdout), (65, ""))
            self.assertIn("cut short near ", r.stderr)


class Output(unittest.TestCase):
    def test_a_full_disk_is_an_error(self):
        for args in (["analyze", CASE], ["analyze", "-v", "--json", CASE], ["explain", "--list"],
                     ["--help"], ["check"]):
            with open("/dev/full", "w", encoding="ascii") as full:
                r = run(*args, stdout=full)
            self.assertEqual(r.returncode, 74, args)
            self.assertEqual(r.stderr,
                             "vmhang: writing to standard output: No space left on device\n")

    def test_a_reader_that_went_away_is_none(self):
        for args in (["analyze", CASE], ["analyze", "-v", "--json", CASE]):
            read, write = os.pipe()
            os.close(read)
            r = run(*args, stdout=write)
            os.close(write)
            self.assertEqual((r.returncode, r.stderr), (1, ""), args)


class Explain(unittest.TestCase):
    def test_each_cause_of_the_list(self):
        causes = [line.split()[0] for line in run("explain", "--list").stdout.splitlines()]
        self.assertGreater(len(causes), 20)
        self.assertEqual(len(causes), len(set(causes)))
        for cause in causes:
            r = run("explain", cause)
            self.assertEqual(r.returncode, 0)
            self.assertTrue(r.stdout.startswith(f"{cause}: "))
            self.assertLessEqual(max(map(len, r.stdout.splitlines())), 100)


class Check(unittest.TestCase):
    def test_text_and_json_say_the_same(self):
        text, report = run("check"), json.loads(run("check", "--json").stdout)
        self.assertEqual((text.returncode, text.stderr), (0, ""))
        self.assertEqual(report["schema"], "vmhang.check/1")
        for row in report["checks"]:
            word = "ok" if row["ok"] else "missing"
            self.assertRegex(text.stdout, rf"(?m)^{word} +{row['what'].replace('(', '.')[:20]}")
            self.assertEqual(row["ok"], row["how"] is None)


class Diagnose(unittest.TestCase):
    def test_an_unknown_vm(self):
        r = run("diagnose", "--no-libvirt", "no VM is called so")
        self.assertEqual((r.returncode, r.stdout), (68, ""))
        self.assertTrue(r.stderr.startswith("vmhang: no virtual machine is called "))
        r = run("diagnose", "--no-libvirt", str(os.getpid()))
        self.assertEqual((r.returncode, r.stdout), (68, ""))


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    unittest.main(argv=sys.argv[:1])
