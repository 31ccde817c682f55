# SPDX-License-Identifier: LGPL-2.1-or-later
"""lab/start and lab/stop: a scenario that is left there for a person to look at."""
import argparse
import os
import pathlib
import signal
import sys
import time

import pool
import process
import runner
import truth
from stage import LabError, Skip, Stage

LEFT = pathlib.Path(f"/tmp/vmhang-lab.{os.getuid()}")  # NAME: "pid start-time" of a keeper


def keeper(name):
    """The pid of what start left behind under that name; None where it has ended."""
    pid, _, started = process.read(LEFT / name).partition(" ")
    return int(pid) if pid and process.start_time(int(pid)) == started else None


def keep(scenario, qemu, name, told):
    """Plays it, tells the VM's pid, and stays until it is ended: whatever the scenario made ends with it."""
    os.setsid()
    quiet = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(quiet, number)
    try:
        with Stage(scenario.name, scenario.accel, qemu) as stage:
            vm = scenario.play(stage)
            (LEFT / name).write_text(f"{os.getpid()} {process.start_time(os.getpid())}")
            os.write(told, str(vm.pid).encode())
            os.close(told)
            signal.pause()
    except KeyboardInterrupt:
        pass
    except Exception as error:
        os.write(told, f"lab/start: {error}".encode())
    finally:
        (LEFT / name).unlink(missing_ok=True)
        os._exit(0)


def find(name):
    """(scenario, whether on the newer QEMU)"""
    kind, _, kernel = name.partition("@")
    if kind == "truth":
        if kernel not in truth.KERNELS:
            sys.exit(f"lab: truth@KERNEL, of {', '.join(truth.KERNELS)}")
        return truth.scenario_of(kernel), False
    return runner.find(name)


def start(arguments):
    parser = argparse.ArgumentParser(prog="lab/start", description="Plays a scenario in the background and prints "
                                     "the VM's pid. lab/stop ends it; lab/run --list shows the names. truth@KERNEL: "
                                     "a guest with that kernel (lab/kernels.py), with tasks that wait, which has told "
                                     "the truth about itself (lab/truth.py) in the tar archive of its disk.")
    parser.add_argument("name")
    name = parser.parse_args(arguments).name
    scenario, is_newer = find(name)
    reason = scenario.why_not()
    if reason:
        sys.exit(f"lab/start: {name} cannot be played here: {reason}")
    if keeper(name):
        sys.exit(f"lab/start: {name} runs already; lab/stop {name} ends it")
    pool.interrupts_as_exceptions()
    try:
        qemu = runner.qemu_of(is_newer)
    except (LabError, Skip) as error:
        sys.exit(f"lab/start: {error}")
    LEFT.mkdir(mode=0o700, exist_ok=True)
    ours, theirs = os.pipe()
    if not os.fork():
        os.close(ours)
        keep(scenario, qemu, name, theirs)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        told = pipe.read().strip()
    if not told.isdigit():
        sys.exit(told or "lab/start: the keeper died")
    print(told)


def stop(arguments):
    parser = argparse.ArgumentParser(prog="lab/stop", description="Ends what lab/start left; all of it without a name.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    given = parser.parse_args(arguments)
    for name in given.names or sorted(path.name for path in LEFT.glob("*")):
        pid = keeper(name)
        if not pid:
            (LEFT / name).unlink(missing_ok=True)
            print(f"lab/stop: {name} was not running")
            continue
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 30
        while keeper(name) and process.state(pid) != "Z" and time.monotonic() < deadline:
            time.sleep(0.02)
