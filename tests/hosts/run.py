#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""run.py VMHANG: diagnoses each captured host, with a scripted monitor at its socket.

expected.json lists the plays: tree, script (tests/hosts/qmp/), a scenario of encrypted.json over it, answers
and HMP texts that replace the script's, what must never be asked (forbidden), behaviours (see qmp_server.py), and what must come out. An empty "expect" asks for a report and a fitting
exit status alone: there the verdict hangs on how fast a flood is read. Prints a table and, last, the counts.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 20  # seconds: no script may hold vmhang longer; the sanitizers make it slow


def pid_of(tree):
    """The VM: the process of the tree that has a command line."""
    found = [int(path.parent.name) for path in tree.glob("proc/[0-9]*/cmdline")]
    assert len(found) == 1, f"{tree}: {found}"
    return found[0]


def socket_of(tree, pid):
    for argument in (tree / "proc" / str(pid) / "cmdline").read_bytes().split(b"\0"):
        if argument.startswith(b"unix:"):
            return argument[5:].split(b",")[0].decode()
    raise ValueError(f"{tree}: no monitor socket in the command line")


def serve(play, tree, pid, scratch):
    """Starts the scripted monitor inside the tree."""
    script = json.loads((HERE / "qmp" / play["script"]).read_text())
    scenario = json.loads((HERE / "qmp" / "encrypted.json").read_text())[play["scenario"]] \
        if "scenario" in play else {}
    for part in (scenario, play):
        script["answers"].update(part.get("answers", {}))
        script["hmp"].update(part.get("hmp", {}))
        script.setdefault("forbidden", []).extend(part.get("forbidden", []))
    path = scratch / "script.json"
    path.write_text(json.dumps(script))
    (tree / "proc" / str(pid) / "root").symlink_to("../..")  # vmhang connects inside the VM's root
    address = tree / socket_of(tree, pid).lstrip("/")
    address.parent.mkdir(parents=True, exist_ok=True)
    address.unlink(missing_ok=True)
    server = subprocess.Popen(
        ["/usr/bin/python3", HERE / "qmp_server.py", address, path, *play.get("behaviours", [])],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    server.stdout.readline()
    return server


def facts_of(report):
    """What a play may expect of a report."""
    vcpu = report["vcpus"][0] if report["vcpus"] else {"registers": []}
    registers = vcpu["registers"][-1] if vcpu["registers"] else {}
    encryption = report["vm"]["encryption"] or {}
    event = vcpu.get("last_event") or {}
    return {"cause": report["verdict"]["cause"], "state": report["verdict"]["state"],
            "confidence": report["verdict"]["confidence"], "monitor": report["monitor"]["state"],
            "confidential": report["vm"]["confidential"], "told_by": encryption.get("told_by"),
            "debugging": encryption.get("debugging_allowed"), "policy": encryption.get("policy"),
            "launch": encryption.get("launch"), "regime": vcpu.get("registers_regime"),
            "stage": registers.get("stage"), "rip": registers.get("rip"),
            "last_event": event.get("kind"), "msr": event.get("msr")}


def compare(expected, report, status):
    got = facts_of(report)
    problems = [f"{key} is {got[key]}, not {value}" for key, value in expected.items()
                if got[key] != value]
    hung = report["verdict"]["hung"]
    if status != {True: 1, False: 0, None: 2}[hung]:
        problems.append(f"exit status is {status} with hung {hung}")
    return problems, f"{got['cause'] or 'unknown'} ({got['state']}, {got['confidence']})"


def wanted(expect):
    return (expect["cause"] or "unknown") if "cause" in expect else "any"


def run(vmhang, play):
    """(problems, what was got)"""
    with tempfile.TemporaryDirectory(prefix="vmhang-host-", dir="/tmp") as scratch:
        scratch = pathlib.Path(scratch)
        tree = scratch / "host"
        shutil.copytree(HERE / play["tree"], tree, symlinks=True)
        pid = play.get("pid") or pid_of(tree)
        server = serve(play, tree, pid, scratch) if "script" in play else None
        try:
            done = subprocess.run(
                [vmhang, "diagnose", "--root", tree, str(pid), "--json", "--window", "100ms"],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT)
            report = json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            return [f"no end within {LIMIT} s"], "-"
        except ValueError:
            return [f"no JSON: {done.stderr.decode(errors='replace').strip()[-1500:]}"], "-"
        finally:
            if server:
                server.kill()
                server.wait()
        problems, got = compare(play["expect"], report, done.returncode)
        for path in scratch.rglob("*.forbidden"):
            problems.append(f"asked what must not be asked: {path.read_text().split()}")
        return problems, got


def main():
    vmhang = os.path.abspath(sys.argv[1])
    failed = passed = 0
    for play in json.loads((HERE / "expected.json").read_text()):
        began = time.monotonic()
        problems, got = run(vmhang, play)
        passed, failed = passed + (not problems), failed + bool(problems)
        print(f"{'FAIL' if problems else 'ok  '} {play['name']:28} "
              f"{wanted(play['expect']):26} {got:50} "
              f"{time.monotonic() - began:4.1f}", flush=True)
        for problem in problems:
            print(f"     {play['name']}: {problem}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
