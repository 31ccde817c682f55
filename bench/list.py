#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long `vmhang list` takes on a host with many virtual machines.

Usage: list.py [--vms N] [--runs N] [VMHANG]

Starts N tiny VMs (default 200: a 64 KiB ROM, 2 MiB of memory; the first one spins, the others
halt), measures `vmhang list --no-libvirt` and, in the same minute, `ps -eLo` for comparison, counts
the states, and ends them all. Prints a table and a JSON line.
"""
import argparse
import json
import os
import pathlib
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time

SPIN = bytes([0xFA, 0xF3, 0x90, 0xEB, 0xFC])  # cli; pause; jmp
HALT = bytes([0xFA, 0xF4, 0xEB, 0xFD])  # cli; hlt; jmp


def rom(code):
    """A BIOS image: the reset vector at its end jumps to its begin, F000:0000."""
    image = bytearray(code.ljust(0x10000, b"\x90"))
    image[0xFFF0:0xFFF5] = bytes([0xEA, 0x00, 0x00, 0x00, 0xF0])
    return bytes(image)


def start(directory, number):
    image = directory / ("halt.rom" if number else "spin.rom")
    command = ["qemu-system-x86_64", "-name", f"bench-{number},debug-threads=on", "-m", "2",
               "-bios", str(image), "-display", "none", "-nodefaults", "-machine",
               "pc,accel=kvm:tcg", "-monitor", "none"]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def measure(command, runs):
    """Wall and CPU seconds of each run, and the last output."""
    wall, cpu, output = [], [], b""
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.monotonic()
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        wall.append(time.monotonic() - begin)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return wall, cpu, output


def states(vmhang):
    """Names by state, of the VMs of this run."""
    answer = json.loads(measure([vmhang, "list", "--json", "--no-libvirt"], 1)[2])
    found = {}
    for vm in answer["vms"]:
        if vm["name"].startswith("bench-"):
            found.setdefault(vm["quick"]["state"], []).append(vm["name"])
    return found


def wait_until_up(vmhang, processes):
    deadline = time.monotonic() + 120
    while True:
        up = sum(len(names) for state, names in states(vmhang).items()
                 if state in ("idle", "running", "starved"))
        if up == len(processes):
            return
        if time.monotonic() > deadline or any(p.poll() is not None for p in processes):
            raise SystemExit(f"only {up} of {len(processes)} VMs are there")


def bench(vmhang, vms, runs, directory):
    (directory / "spin.rom").write_bytes(rom(SPIN))
    (directory / "halt.rom").write_bytes(rom(HALT))
    processes = []
    try:
        begin = time.monotonic()
        processes += (start(directory, i) for i in range(vms))
        wait_until_up(vmhang, processes)
        yield "all up after", round(time.monotonic() - begin, 1)
        for command in (["vmhang", "list", "--no-libvirt"],
                        ["ps", "-eLo", "pid,tid,pcpu,stat,wchan:20,comm"]):
            program = [vmhang if command[0] == "vmhang" else command[0]]
            yield " ".join(command[:2]), measure(program + command[1:], runs)
        found = states(vmhang)
        yield "states", {state: len(names) for state, names in found.items()}
        yield "not idle", sum((names for state, names in found.items() if state != "idle"), [])
    finally:
        for process in processes:
            process.send_signal(signal.SIGKILL)
        for process in processes:
            process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vms", type=int, default=200)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("vmhang", nargs="?",
                        default=str(pathlib.Path(__file__).parents[1] / "build" / "vmhang"))
    options = parser.parse_args()
    result = {"vms": options.vms, "runs": options.runs, "load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory(prefix="vmhang-bench-") as directory:
        for name, value in bench(options.vmhang, options.vms, options.runs,
                                 pathlib.Path(directory)):
            if isinstance(value, tuple):
                wall, cpu, _ = value
                value = {"median_s": round(statistics.median(wall), 3),
                         "min_s": round(min(wall), 3), "max_s": round(max(wall), 3),
                         "cpu_s": round(statistics.median(cpu), 3)}
            print(f"{name:14} {value}")
            result[name] = value
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
