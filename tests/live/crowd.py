#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""crowd.py VMHANG [--vms N]: three hung VMs among a hundred, on a host whose CPUs are all taken.

`vmhang list` must mark the three and no other, and `vmhang diagnose` be right about each of them, while as
many processes compute as there are CPUs.
"""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(TOP / "lab"))

import process  # noqa: E402
from guests import guest  # noqa: E402
from qmp import Qmp  # noqa: E402
from stage import Stage, have_kvm  # noqa: E402

MEMORY_KB = 16 << 10  # of a VM, on the host
# What list must say of each kind, and diagnose.
HUNG = {
    "spins": ("spin", "look", "guest-spins-irqs-off"),
    "stopped": ("idle", "hung", "process-stopped"),
    "paused": ("idle", "hung", "vm-paused"),
}


def start(stage, name, rom):
    monitor = stage.tmp / f"{name}.qmp"
    popen = stage.spawn(["qemu-system-x86_64", "-name", f"{name},debug-threads=on", "-m", "2", "-machine",
                         "pc", "-accel", "kvm", "-bios", guest(rom), "-display", "none", "-nodefaults",
                         "-qmp", f"unix:{monitor},server=on,wait=off"], log=f"{name}.log")
    popen.monitor = monitor
    return popen


def listed(vmhang):
    """What `vmhang list` says, by name."""
    done = subprocess.run([vmhang, "list", "--json", "--no-libvirt"], stdout=subprocess.PIPE, timeout=60)
    return {vm["name"]: vm for vm in json.loads(done.stdout)["vms"]}


def bring_up(stage, count):
    vms = {name: start(stage, f"crowd-{name}", HUNG[name][0]) for name in HUNG}
    vms.update({f"well{i}": start(stage, f"crowd-well{i}", "idle") for i in range(count - len(HUNG))})
    for popen in vms.values():
        stage.until("its guest runs", lambda: any(
            name.startswith("CPU 0/") and process.run_ns(popen.pid, tid)[0] > 0
            for tid, name in process.threads(popen.pid).items()), 60)
    qmp = Qmp(vms["paused"].monitor)
    qmp.ask("stop")
    stage.until("it is paused", lambda: qmp.status() == "paused")
    qmp.close()
    os.kill(vms["stopped"].pid, signal.SIGSTOP)
    stage.until("it is stopped", lambda: process.state(vms["stopped"].pid) == "T")
    return vms


def check_list(vmhang, count):
    """Problems with the list."""
    seen = {name: vm for name, vm in listed(vmhang).items() if name.startswith("crowd-")}
    problems = [] if len(seen) == count else [f"{len(seen)} of {count} VMs are listed"]
    for name, vm in sorted(seen.items()):
        kind = name.removeprefix("crowd-")
        wanted = HUNG[kind][1] if kind in HUNG else "none"
        if vm["quick"]["attention"] != wanted:
            problems.append(f"{name}: attention is {vm['quick']['attention']} "
                            f"({vm['quick']['state']}), not {wanted}")
    return problems


def check_diagnosis(vmhang, vms, kind):
    done = subprocess.run([vmhang, "diagnose", str(vms[kind].pid), "--json"], stdout=subprocess.PIPE,
                          timeout=60)
    verdict = json.loads(done.stdout)["verdict"]
    if (verdict["cause"], verdict["hung"], done.returncode) == (HUNG[kind][2], True, 1):
        return []
    return [f"it says {verdict['cause']} (hung {verdict['hung']}), not {HUNG[kind][2]}"]


def row(counts, name, problems):
    counts[bool(problems)] += 1
    print(f"{'FAIL' if problems else 'ok  '} {name}", flush=True)
    for problem in problems[:10]:
        print(f"     {problem}", flush=True)


def why_not(count):
    if not have_kvm():
        return "no access to /dev/kvm: 100 VMs under TCG would tell nothing"
    free = next(int(line.split()[1]) for line in process.read("/proc/meminfo").splitlines()
                if line.startswith("MemAvailable:"))
    return None if free > count * MEMORY_KB else f"{count} VMs need {count * MEMORY_KB >> 10} MiB"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vmhang")
    parser.add_argument("--vms", type=int, default=100)
    arguments = parser.parse_args()
    vmhang, counts = os.path.abspath(arguments.vmhang), [0, 0]

    def interrupt(*_):
        raise KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    reason = why_not(arguments.vms)
    if reason:
        print(f"skip a crowd of VMs: {reason}\n0 passed, 0 failed, 1 skipped")
        return 0
    with Stage("crowd") as stage:
        vms = bring_up(stage, arguments.vms)
        for cpu in os.sched_getaffinity(0):
            stage.helper("hog", cpu)
        row(counts, f"list marks 3 of {arguments.vms}", check_list(vmhang, arguments.vms))
        for kind in HUNG:
            row(counts, f"diagnose the one that is: {kind}", check_diagnosis(vmhang, vms, kind))
    print(f"{counts[0]} passed, {counts[1]} failed, 0 skipped")
    return 1 if counts[1] else 0


if __name__ == "__main__":
    sys.exit(main())
