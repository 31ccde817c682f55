#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hung virtual machines to order.

  lab.py list                the scenarios, what vmhang must say of each, and why one cannot be played
  lab.py run NAME [--keep]   plays it, prints pid and monitor; ends it at once, or with --keep at ^C
  lab.py start NAME          plays it in the background and prints the VM's pid
  lab.py stop [NAME...]      ends what start left; all of it without a name
"""
import argparse
import os
import pathlib
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import process  # noqa: E402
from scenarios import ALL, BY_NAME  # noqa: E402
from stage import LabError, Skip, Stage  # noqa: E402

LEFT = pathlib.Path(f"/tmp/vmhang-lab.{os.getuid()}")  # NAME: "pid start-time" of a keeper


def find(name):
    if name not in BY_NAME:
        sys.exit(f"lab: no scenario {name}; `lab.py list` shows them")
    scenario = BY_NAME[name]
    reason = scenario.why_not()
    if reason:
        sys.exit(f"lab: {name} cannot be played here: {reason}")
    return scenario


def wait_for_signal():
    signal.sigwait({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


def hold_signals():
    """Interrupts come as KeyboardInterrupt, so that stages are always closed."""
    def interrupt(*_):
        raise KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def command_list(_):
    for scenario in ALL:
        causes = scenario.expect.cause or "unknown"
        reason = scenario.why_not()
        print(f"{scenario.name:24} {causes:34} {scenario.about}"
              + (f"  [not here: {reason}]" if reason else ""))


def command_run(arguments):
    scenario = find(arguments.name)
    with Stage(scenario.name, scenario.accel) as stage:
        began = time.monotonic()
        vm = scenario.play(stage)
        print(f"{scenario.name}: pid {vm.pid}, monitor {vm.monitor}, "
              f"{time.monotonic() - began:.1f} s", flush=True)
        if arguments.keep:
            try:
                signal.pause()
            except KeyboardInterrupt:
                print()


def keeper(name):
    """The pid of what start left behind under that name; None where it has ended."""
    pid, _, started = process.read(LEFT / name).partition(" ")
    return int(pid) if pid and process.start_time(int(pid)) == started else None


def command_start(arguments):
    """A keeper process stays behind: whatever the scenario made ends with it."""
    scenario = find(arguments.name)
    LEFT.mkdir(mode=0o700, exist_ok=True)
    if keeper(scenario.name):
        sys.exit(f"lab: {scenario.name} runs already; lab.py stop {scenario.name} ends it")
    ours, theirs = os.pipe()
    if os.fork():
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            told = pipe.read().strip()
        if not told.isdigit():
            sys.exit(told or "lab: the keeper died")
        print(told)
        return
    os.close(ours)
    os.setsid()
    quiet = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(quiet, number)
    try:
        with Stage(scenario.name, scenario.accel) as stage:
            vm = scenario.play(stage)
            (LEFT / scenario.name).write_text(f"{os.getpid()} {process.start_time(os.getpid())}")
            os.write(theirs, str(vm.pid).encode())
            os.close(theirs)
            signal.pause()
    except KeyboardInterrupt:
        pass
    except (LabError, Skip) as error:
        os.write(theirs, f"lab: {error}".encode())
    finally:
        (LEFT / scenario.name).unlink(missing_ok=True)
    os._exit(0)


def command_stop(arguments):
    left = sorted(path.name for path in LEFT.glob("*"))
    for name in arguments.names or left:
        pid = keeper(name)
        if not pid:
            (LEFT / name).unlink(missing_ok=True)
            print(f"lab: {name} was not running")
            continue
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 30
        while keeper(name) and process.state(pid) != "Z" and time.monotonic() < deadline:
            time.sleep(0.02)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list").set_defaults(run=command_list)
    run = commands.add_parser("run")
    run.add_argument("name")
    run.add_argument("--keep", action="store_true")
    run.set_defaults(run=command_run)
    start = commands.add_parser("start")
    start.add_argument("name")
    start.set_defaults(run=command_start)
    stop = commands.add_parser("stop")
    stop.add_argument("names", nargs="*")
    stop.set_defaults(run=command_stop)
    arguments = parser.parse_args()
    hold_signals()
    try:
        arguments.run(arguments)
    except (LabError, Skip) as error:
        sys.exit(f"lab: {error}")


if __name__ == "__main__":
    main()
