#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""inside.py VMHANG INSIDE-TRUTH [--turns N] [--large MB]: what a look inside a guest costs, beside the way of today.

Debian's stock kernel under TCG, with 2 GiB and with 16 GiB: the kernel's log alone, and everything; what is read, how
much the guest's memory grows on the host, and how far a loop in the guest comes meanwhile. Beside it, on the same guest:
dump-guest-memory and crash, or drgn (packages crash, python3-drgn), which both want debug symbols.
"""
import argparse
import json
import lzma
import os
import pathlib
import re
import shutil
import statistics
import struct
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP / "lab"), str(TOP / "tests" / "live")]

import inside_raw  # noqa: E402
import kernels  # noqa: E402
import process  # noqa: E402
import truth  # noqa: E402
from stage import Stage  # noqa: E402

ROUNDS = "(i=0; while :; do i=$((i+1)); case $i in *000) echo lab: round >&3;; esac; done) &\n"
GOALS = {"log alone": "goal: < 30 ms", "everything": "goal: < 150 ms, < 30 MB"}
WINDOW = 5.0


def look(vmhang, target, *options):
    """(seconds of the whole program, its JSON)"""
    began = time.monotonic()
    done = subprocess.run([vmhang, "inside", str(target), "--json", "--no-libvirt", *options], capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=120)
    seconds = time.monotonic() - began
    if done.returncode:
        sys.exit(f"bench: vmhang inside {' '.join(options)}: {done.stderr.decode(errors='replace')}")
    return seconds, json.loads(done.stdout)


def row(what, looks, goal=""):
    """Medians of looks."""
    program = statistics.median(seconds for seconds, _ in looks) * 1000
    within = statistics.median(found["took_ns"] for _, found in looks) / 1e6
    read = statistics.median(found["bytes"] for _, found in looks) / 1e6
    print(f"{what:44} {within:7.1f} ms {program:7.1f} ms {read:7.2f} MB  {goal}", flush=True)


def steps(looks):
    """What each step of a look took."""
    names = dict.fromkeys(step["name"] for _, found in looks for step in found["steps"])
    for name in names:
        of = [step for _, found in looks for step in found["steps"] if step["name"] == name]
        print(f"    {name:40} {statistics.median(step['took_ns'] for step in of) / 1e6:7.1f} ms"
              f" {'':10} {statistics.median(step['bytes'] for step in of) / 1e6:7.2f} MB")


def memory_of(guest):
    """Bytes that the host has given to the guest's memory, of a memory-backend-memfd."""
    folder = f"/proc/{guest.pid}/fd"
    return sum(os.stat(f"{folder}/{number}").st_blocks * 512 for number in os.listdir(folder)
               if "memfd:" in os.readlink(f"{folder}/{number}"))


def start(stage, mib, then=truth.IDLE):
    guest = truth.reads_disk(stage, then, memory=str(mib), machine="q35,memory-backend=ram",
                             extra=["-object", f"memory-backend-memfd,id=ram,size={mib}M,share=on"])
    guest.let_it_wait()
    guest.told()
    return guest


def log_alone(program, guest, turns):
    """As --follow reads it, without the program and its sandbox around."""
    found = [inside_raw.log_alone(program, guest.vm) for _ in range(turns)]
    print(f"{'log alone (--follow), ' + str(found[0]['records']) + ' records':44} "
          f"{statistics.median(each['took_ns'] for each in found) / 1e6:7.1f} ms {'':10} "
          f"{statistics.median(each['bytes'] for each in found) / 1e6:7.2f} MB  {GOALS['log alone']}", flush=True)


def looks_at(vmhang, program, guest, mib, turns):
    print(f"--- {mib} MiB of memory, {memory_of(guest) >> 20} MiB of it there: within, whole program, read", flush=True)
    guest.vm.qmp.ask("stop")
    before = memory_of(guest)
    all_of_it = [look(vmhang, guest.pid) for _ in range(turns)]
    row("everything", all_of_it, GOALS["everything"])
    steps(all_of_it)
    log_alone(program, guest, turns)
    row("without a monitor: memory is searched", [look(vmhang, guest.pid, "--passive") for _ in range(turns)])
    print(f"the guest's memory on the host grew by {memory_of(guest) - before} bytes (it stood meanwhile)", flush=True)
    guest.vm.qmp.ask("cont")


def rounds(guest, action=None):
    """Rounds a second of the guest's loop while action() is done again and again."""
    def count():
        return process.read(guest.log).count("lab: round")
    before, began = count(), time.monotonic()
    while time.monotonic() - began < WINDOW:
        if action:
            action()
        else:
            time.sleep(0.1)
    return (count() - before) / (time.monotonic() - began)


def progress(vmhang, guest):
    """Alone and looked at by turns: a host is never the same for long."""
    alone, beside = [], []
    for _ in range(3):
        alone.append(rounds(guest))
        beside.append(rounds(guest, lambda: look(vmhang, guest.pid)))
    alone, beside = statistics.median(alone), statistics.median(beside)
    print(f"rounds of a loop in the guest: {alone:.1f} a second, {beside:.1f} while it is looked at without a pause "
          f"({100 * (beside / alone - 1):+.1f} %)", flush=True)


def timed(command, folder, text="", seconds=300):
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=seconds)
    return time.monotonic() - began, done.stdout.decode(errors="replace")


def unpacked_kernel(path):
    """vmlinux, without debug symbols, of Debian's image (Documentation/x86/boot.rst: payload_offset)."""
    image = kernels.image().read_bytes()
    offset, size = struct.unpack_from("<II", image, 0x248)
    begin = ((image[0x1F1] or 4) + 1) * 512 + offset
    path.write_bytes(lzma.LZMADecompressor().decompress(image[begin:begin + size]))
    return path


def last_words(text):
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines() if line.strip()]
    return " / ".join(lines[-2:])[:160]


def peers(guest, folder):
    """Today's way: all of the memory to a file, while the guest stands, and then a program that reads it."""
    dump = folder / "dump.elf"
    began = time.monotonic()
    guest.vm.qmp.ask("dump-guest-memory", seconds=600, paging=False, protocol=f"file:{dump}")
    seconds = time.monotonic() - began
    print(f"{'dump-guest-memory (the guest stands)':44} {seconds * 1000:18.1f} ms {dump.stat().st_size / 1e6:9.1f} MB",
          flush=True)
    if shutil.which("crash"):
        seconds, text = timed(["crash", "--no_modules", "-s", str(unpacked_kernel(folder / "vmlinux")), str(dump)], folder, "log\nbt -a\nquit\n")
        print(f"{'crash':44} {seconds * 1000:18.1f} ms   {last_words(text)}", flush=True)
    if shutil.which("drgn"):
        script = folder / "log.py"
        script.write_text("print(prog['linux_banner'].string_())\n")
        seconds, text = timed(["drgn", "-q", "-c", str(dump), str(script)], folder)
        print(f"{'drgn':44} {seconds * 1000:18.1f} ms   {last_words(text)}", flush=True)
    return dump


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vmhang")
    parser.add_argument("program", metavar="INSIDE-TRUTH", help="build/tests/inside-truth")
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--large", type=int, default=16384, metavar="MB", help="memory of the larger guest")
    given = parser.parse_args()
    vmhang = os.path.abspath(given.vmhang)
    print(f"{given.turns} turns, medians; {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}", flush=True)
    with Stage("bench-inside") as stage:
        guest = start(stage, 2048, ROUNDS + truth.IDLE)
        guest.until_said("lab: round")
        looks_at(vmhang, given.program, guest, 2048, given.turns)
        progress(vmhang, guest)
        dump = peers(guest, stage.tmp)
        row("vmhang inside of that dump", [look(vmhang, dump) for _ in range(3)])
        dump.unlink()
    with Stage("bench-inside-large") as stage:
        looks_at(vmhang, given.program, start(stage, given.large), given.large, given.turns)


if __name__ == "__main__":
    main()
