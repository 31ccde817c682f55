#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vcpu_state.py VMHANG [NAME...]: what vmhang reads of vCPUs out of the kernel is what their VMM says.

Plays scenarios whose vCPUs keep their control registers, and compares kvm_state (trace.vcpu, by BPF) with the
registers of the monitor: CR0, CR4, EFER, and HLT with mp_state. Of an encrypted guest no machine here can
tell. Prints a line a vCPU and, last, the counts.
"""
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "lab"))

from scenarios import BY_NAME  # noqa: E402
from stage import LabError, Skip, Stage  # noqa: E402

NAMES = ("spin-irqs-off", "idle", "halted", "boot-cpu-spins", "boot-cpu-spins-seabios")


def compare(vcpu, wakes):
    """What is not the same; wakes: the guest's timer wakes it, so that it may be awake at one of the looks."""
    state, dumps = vcpu["kvm_state"], vcpu["registers"]
    if not state or not dumps:
        return "nothing to compare"
    for dump in dumps:
        for register in ("cr0", "cr4", "efer"):
            if dump[register] != state[register]:
                return f"{register} is {state[register]}, the monitor says {dump[register]}"
    halted = state["mp_state_name"] == "halted"
    agree = [dump["hlt"] == halted for dump in dumps]
    if not (any(agree) if wakes else all(agree)):
        return f"HLT={[dump['hlt'] for dump in dumps]}, but {state['mp_state_name']}"
    return "protected" if state["protected"] else None


def play(vmhang, name):
    """(passed, failed)"""
    with Stage(name, BY_NAME[name].accel) as stage:
        vm = BY_NAME[name].play(stage)
        done = subprocess.run([vmhang, "diagnose", str(vm.pid), "--json", "--window", "300ms"],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        report = json.loads(done.stdout)
    failed = 0
    for vcpu in report["vcpus"]:
        problem = compare(vcpu, name == "idle")
        failed += problem is not None
        print(f"{'FAIL' if problem else 'ok  '} {name:24} vCPU {vcpu['index']} "
              f"{vcpu['kvm_state'] and vcpu['kvm_state']['mp_state_name']} {problem or ''}", flush=True)
    for evidence in report["evidence"]:
        if evidence["source"] == "trace.vcpu" and evidence["status"] != "ok":
            print(f"     trace.vcpu: {evidence['status']}: {evidence['detail']}")
    return len(report["vcpus"]) - failed, failed


def main():
    vmhang = os.path.abspath(sys.argv[1])
    passed = failed = skipped = 0
    for name in sys.argv[2:] or NAMES:
        try:
            good, bad = play(vmhang, name)
            passed, failed = passed + good, failed + bad
        except Skip as why:
            print(f"skip {name}: {why}")
            skipped += 1
        except LabError as why:
            print(f"FAIL {name}: {why}")
            failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
