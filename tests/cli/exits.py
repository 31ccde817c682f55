#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`vmhang exits` in a pipe and on a terminal: blocks, keys, redraws, and the terminal as it was.

Usage: exits.py VMHANG SOURCE_DIR
"""
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import unittest

VMHANG, SOURCE = sys.argv[1:3]
FILES = pathlib.Path(SOURCE, "tests/exits")
SVM, EMULATED = FILES / "svm.jsonl", FILES / "emulated.jsonl"
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C"} | {
    k: v for k, v in os.environ.items() if "SAN_OPTIONS" in k}
ENTER, LEAVE = "\033[?1049h", "\033[?1049l"
SEQUENCE = re.compile(r"\033\[[0-9;?]*[A-Za-z]")
# The longest that anything may take, on a loaded machine.
PATIENCE = 30


def run(*args, **more):
    more = {"capture_output": True, "stdin": subprocess.DEVNULL, "env": ENVIRONMENT,
            "timeout": PATIENCE} | more
    return subprocess.run([VMHANG, "exits", *map(str, args)], text=True, check=False, **more)


class Terminal:
    """A vmhang exits on a terminal of its own."""

    def __init__(self, *args, term="xterm", columns=100, lines=30, **environment):
        self.master, slave = pty.openpty()
        # Kept open: it tells the modes when vmhang has gone.
        self.slave, self.out = slave, ""
        self.resize(columns, lines)
        self.modes = termios.tcgetattr(slave)
        # A session of its own, with this as its controlling terminal: Ctrl-C and Ctrl-Z are signals.
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import fcntl, os, sys, termios; os.setsid();"
             "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])",
             VMHANG, "exits", *map(str, args)],
            stdin=slave, stdout=slave, stderr=slave,
            env=ENVIRONMENT | {"TERM": term} | environment)

    def resize(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def frame(self):
        """What was drawn last, without the sequences."""
        return SEQUENCE.sub("", self.out.rpartition("\033[H")[2]).replace("\r", "")

    def read(self):
        """Takes what has come, for a moment; false where nothing did."""
        if not select.select([self.master], [], [], 0.1)[0]:
            return False
        try:
            self.out += os.read(self.master, 65536).decode()
        except OSError:
            return False
        return True

    def until(self, condition, what):
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"{what} did not come; the terminal shows:\n{self.frame()}")
            self.read()

    def shows(self, *texts):
        self.until(lambda: all(text in self.frame() for text in texts), texts)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def end(self):
        """The exit status, with all output read."""
        self.until(lambda: self.process.poll() is not None, "the end")
        while self.read():
            pass
        return self.process.returncode

    def restored(self):
        return termios.tcgetattr(self.slave) == self.modes and \
            self.out.rpartition(LEAVE)[2].count(ENTER) == 0 and LEAVE in self.out

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@contextlib.contextmanager
def terminal(*args, **more):
    t = Terminal(*args, **more)
    try:
        yield t
    finally:
        t.close()


class Pipe(unittest.TestCase):
    def test_blocks(self):
        r = run("--replay", SVM)
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        blocks = re.split(r"\n\n(?=web-07: )", r.stdout)
        self.assertEqual(len(blocks), 2)
        for number, block in enumerate(blocks):
            self.assertRegex(block, r"^web-07: \d+ exits a second, 99 % of them io: port 0x3f8, ")
            self.assertIn(f", 2026-11-22 16:00:0{number} UTC\n", block)
        self.assertNotIn("\033", r.stdout)

    def test_count(self):
        r = run("--replay", SVM, "--count", "1", "--vcpu", "1", "--no-keys", "--sort", "name")
        self.assertEqual(r.stdout.count("web-07: vCPU 1: "), 1)
        self.assertNotIn("port", r.stdout)

    def test_json_is_a_line_an_interval(self):
        lines = run("--replay", EMULATED, "--json").stdout.splitlines()
        self.assertEqual([json.loads(line)["schema"] for line in lines], ["vmhang.exits/1"] * 2)
        self.assertEqual(json.loads(lines[1])["total"]["keys"][0]["count"], 107013)

    def test_each_block_is_there_at_once_and_a_reader_may_go(self):
        lines = SVM.read_bytes().splitlines(keepends=True)
        for json_option in ([], ["--json"]):
            process = subprocess.Popen([VMHANG, "exits", "--replay", "-", *json_option],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, env=ENVIRONMENT)
            process.stdin.write(lines[0])
            process.stdin.flush()
            self.assertTrue(select.select([process.stdout], [], [], PATIENCE)[0], "no block")
            self.assertIn(b"web-07", os.read(process.stdout.fileno(), 65536))
            process.stdout.close()
            process.stdin.write(lines[1])
            process.stdin.close()
            self.assertEqual(process.wait(PATIENCE), 0)
            self.assertEqual(process.stderr.read(), b"")
            process.stderr.close()

    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            r = run("--replay", SVM, capture_output=False, stdout=full, stderr=subprocess.PIPE)
        self.assertEqual((r.returncode, r.stderr),
                         (74, "vmhang: writing to standard output: No space left on device\n"))

    def test_what_is_no_interval(self):
        self.assertEqual(run("--replay", "/no/such").returncode, 66)
        for text, status in (("{}\n", 65), ("[1\n", 65), ("a\0b\n", 65), ("", 0), ("\n\n", 0)):
            r = run("--replay", "-", input=text, stdin=None)
            self.assertEqual((r.returncode, r.stdout), (status, ""), text)
            self.assertEqual(bool(r.stderr), status != 0, text)

    def test_a_dumb_terminal_gets_blocks(self):
        with terminal("--replay", SVM, term="dumb") as t:
            self.assertEqual(t.end(), 0)
            self.assertEqual(t.out.count("web-07: "), 2)
            self.assertNotIn("\033", t.out)

    def test_usage(self):
        for args in ([], ["--replay", SVM, "a-vm"], ["--replay", SVM, "--save", "/tmp/x"],
                     ["a", "b"], ["--interval", "99ms", "a"], ["--count", "0", "a"],
                     ["--vcpu", "-1", "a"], ["--vcpu", "x", "a"], ["--event", "odd", "a"],
                     ["--backend", "odd", "a"], ["--sort", "odd", "a"], ["--for", "1s", "a"],
                     ["--record", "/tmp/x", "--for", "61s", "a"],
                     ["--record", "/tmp/x", "--replay", SVM]):
            r = run(*args)
            self.assertEqual((r.returncode, r.stdout), (64, ""), args)

    def test_an_unknown_vm(self):
        r = run("--no-libvirt", "no VM is called so")
        self.assertEqual((r.returncode, r.stdout), (68, ""))
        self.assertTrue(r.stderr.startswith("vmhang: no virtual machine is called "))


class Screen(unittest.TestCase):
    def test_keys(self):
        with terminal("--replay", SVM, "--interval", "100ms") as t:
            t.shows("web-07: ", "(no more intervals)", "sort: samples", "vCPU: all")
            self.assertTrue(t.out.startswith(ENTER))
            self.assertNotEqual(termios.tcgetattr(t.slave), t.modes)
            self.assertIn("\n  port 0x3f8", t.frame())
            t.press("s")
            t.shows("sort: time")
            self.assertLess(t.frame().index("\nhlt "), t.frame().index("\nio "))
            t.press("ssss")
            t.shows("sort: samples")
            t.press("k")
            t.shows("keys: off")
            self.assertNotIn("\n  port", t.frame())
            t.press("1")
            t.shows("web-07: vCPU 1: ", "vCPU: 1")
            t.press("\033[A")
            t.shows("web-07: vCPU 0: ", "vCPU: 0")
            t.press("\033OA")
            t.shows("vCPU: all")
            t.press("7p")
            t.shows("PAUSED", "vCPU: all")
            t.press("q")
            self.assertEqual(t.end(), 0)
            self.assertTrue(t.restored())

    def test_redraws_fit_the_terminal(self):
        with terminal("--replay", SVM, "--interval", "100ms", columns=120, lines=40) as t:
            t.shows("(no more intervals)", "0x999")
            for columns, lines in ((60, 12), (200, 50), (25, 5), (80, 24)):
                t.out = ""
                t.resize(columns, lines)
                # The bottom line is drawn last.
                t.until(lambda at=f"\033[{lines};1H": at in t.out and t.out.endswith("\033[0m"),
                        "a redraw")
                drawn = t.frame().split("\n")
                self.assertLessEqual(len(drawn), lines)
                self.assertLessEqual(max(map(len, drawn)), columns)
            t.press("q")
            self.assertEqual(t.end(), 0)

    def test_colour_can_be_had_or_not(self):
        for environment, bold in (({}, True), ({"NO_COLOR": "1"}, False)):
            with terminal("--replay", SVM, "--interval", "100ms", **environment) as t:
                t.shows("(no more intervals)")
                self.assertEqual("\033[1mweb-07" in t.out, bold)

    def test_signals_that_end_it(self):
        for number, status in ((signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131),
                               (signal.SIGSEGV, -signal.SIGSEGV), (signal.SIGABRT, -signal.SIGABRT)):
            with terminal("--replay", SVM, "--interval", "100ms") as t:
                t.shows("(no more intervals)")
                t.process.send_signal(number)
                self.assertEqual(t.end(), status)
                self.assertTrue(t.restored(), number)

    def test_ctrl_c(self):
        with terminal("--replay", SVM, "--interval", "100ms") as t:
            t.shows("(no more intervals)")
            t.press("\x03")
            self.assertEqual(t.end(), 130)
            self.assertTrue(t.restored())

    def test_ctrl_z_and_back(self):
        with terminal("--replay", SVM, "--interval", "100ms") as t:
            t.shows("(no more intervals)")
            t.press("\x1a")
            end = time.monotonic() + PATIENCE
            while os.waitpid(t.process.pid, os.WUNTRACED | os.WNOHANG) == (0, 0):
                self.assertLess(time.monotonic(), end, "it did not stop")
                t.read()
            while t.read():
                pass
            self.assertTrue(t.restored())
            t.out = ""
            t.process.send_signal(signal.SIGCONT)
            t.shows("web-07: ", "(no more intervals)")
            self.assertIn(ENTER, t.out)
            self.assertNotEqual(termios.tcgetattr(t.slave), t.modes)
            t.press("q")
            self.assertEqual(t.end(), 0)
            self.assertTrue(t.restored())

    def test_an_error_is_told_behind_the_screen(self):
        with terminal("--replay", __file__, "--interval", "100ms") as t:
            self.assertEqual(t.end(), 65)
            self.assertTrue(t.restored())
            self.assertIn("vmhang: ", t.out.rpartition(LEAVE)[2])


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    unittest.main(argv=sys.argv[:1])
