# SPDX-License-Identifier: LGPL-2.1-or-later
"""`vmhang exits` on real VMs: what it counts, what it calls it, and how it ends."""
import contextlib
import json
import os
import subprocess
import time

from qmp import QmpError
from scenarios import BY_NAME
from stage import LabError, Skip, Stage

# Even where the host gives the VM a tenth of a CPU.
STORM_PER_S = 1000


class Problem(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Problem(what)


@contextlib.contextmanager
def playing(name):
    scenario = BY_NAME[name]
    if scenario.why_not():
        raise Skip(scenario.why_not())
    with Stage(scenario.name, scenario.accel) as stage:
        yield stage, scenario.play(stage)


def intervals(vmhang, *arguments):
    done = vmhang.run("exits", "--json", "--interval", "300ms", "--no-libvirt", *arguments)
    check(done.returncode == 0 and not done.stderr,
          f"exit status {done.returncode}: {done.stderr.decode()}")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for interval in found:
        problems = vmhang.exits_schema(interval)
        check(not problems, problems)
    return found


def best_backend(vmhang):
    """The backend that this host permits; a Skip where none tells ports and addresses."""
    checks = json.loads(vmhang.run("check", "--json").stdout)["checks"]
    row = next(row for row in checks if row["id"] == "exits")
    if not row["ok"]:
        raise Skip(f"exits cannot be counted here: {row['detail']}")
    return "bpf" if row["detail"].startswith("by BPF") else "perf"


def keys(interval, kind):
    return [key for key in interval["total"]["keys"] if key["kind"] == kind]


def per_second(interval, kind):
    return sum(key["per_second"] for key in keys(interval, kind))


def split_is_whole(interval):
    """Every vCPU was somewhere all the time."""
    for vcpu in interval["vcpus"]:
        whole = sum(vcpu["split"].values())
        check(0.98 < whole < 1.02, f"the split is {whole:.3f}")


def port_storm(vmhang):
    with playing("port-storm") as (stage, vm):
        saved = stage.tmp / "saved.jsonl"
        found = intervals(vmhang, vm.pid, "--count", "3")
        check(len(found) == 3, f"{len(found)} intervals of 3")
        for interval in found:
            split_is_whole(interval)
            check(interval["backend"] == best_backend(vmhang), interval["why_not_better"])
            rate, key = per_second(interval, "pio"), keys(interval, "pio")[0]
            check(rate > STORM_PER_S, f"{rate:.0f} port accesses a second")
            check((key["value"], key["detail"]) == ("0x1f0f", "0x101"), f"the port is {key}")
        live = vmhang.run("exits", vm.pid, "--count", "2", "--interval", "200ms", "--save", saved)
        text = live.stdout.decode()
        check(f"{vm.name}: port I/O " in text.splitlines()[0] and "0x1f0f" in text, text)
        replayed = vmhang.run("exits", "--replay", saved).stdout.decode()
        check(replayed == text, f"replayed it is another:\n{text}\n---\n{replayed}")
        return f"{rate:.0f} a second"


def mmio_storm(vmhang):
    with playing("mmio-storm") as (_, vm):
        interval = intervals(vmhang, vm.pid, "--count", "1")[0]
        key = keys(interval, "mmio")[0]
        check(key["per_second"] > STORM_PER_S, f"{key['per_second']} accesses a second")
        check("vga" in (key["device"] or "").lower(), f"the device is {key['device']}")
        text = vmhang.run("exits", vm.pid, "--count", "1", "--event", "mmio").stdout.decode()
        rows = [line for line in text.splitlines() if line.startswith("address ")]
        # A read that QEMU answers is one access.
        check(len(rows) == 1 and ", read, " in rows[0], text)
        passive = intervals(vmhang, vm.pid, "--count", "1", "--passive")[0]
        check("vga-" not in (keys(passive, "mmio")[0]["device"] or ""), "--passive asked QEMU")
        return key["device"]


def backends(vmhang):
    with playing("port-storm") as (_, vm):
        done = []
        for name in ("bpf", "perf", "statistics"):
            found = vmhang.run("exits", vm.pid, "--json", "--count", "1", "--backend", name)
            if found.returncode == 69 and name != best_backend(vmhang):
                continue  # "vmhang check" says why
            check(found.returncode == 0, f"{name}: {found.stderr.decode()}")
            interval = json.loads(found.stdout)
            check(interval["backend"] == name, f"{name}: {interval['backend']}")
            if name != "statistics":
                rate = per_second(interval, "pio")
                check(rate > STORM_PER_S, f"{name}: {rate:.0f} port accesses a second")
                split_is_whole(interval)
            done.append(name)
        return ", ".join(done)


def vm_ends(vmhang):
    with playing("idle") as (_, vm):
        process = subprocess.Popen(
            [vmhang.program, "exits", str(vm.pid), "--interval", "200ms"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            first = process.stdout.readline().decode()
            check(first.startswith(f"{vm.name}: "), first)
            vm.popen.must_live = False
            vm.popen.kill()
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
            process.wait()
        check(process.returncode == 0 and not err, f"{process.returncode}: {err.decode()}")
        check(out.decode().endswith(f"{vm.name} (pid {vm.pid}) has ended\n"), out.decode()[-300:])
        return "said so"


def timeline(vmhang):
    with playing("port-storm") as (stage, vm):
        path, began = stage.tmp / "timeline.json", time.monotonic()
        done = vmhang.run("exits", vm.pid, "--record", path, "--for", "300ms")
        seconds = time.monotonic() - began
        check(done.returncode == 0 and not done.stderr, done.stderr.decode())
        check(f"{path}: " in done.stdout.decode(), done.stdout.decode())
        names = {event["name"] for event in json.loads(path.read_text())["traceEvents"]}
        check("user space: KVM_EXIT_IO" in names, f"the events are {sorted(names)[:20]}")
        check(seconds < 20, f"it took {seconds:.1f} s")
        return f"{os.path.getsize(path)} bytes"


def run(vmhang, table):
    """Called by run.py."""
    for name, test in (("port-storm", port_storm), ("mmio-storm", mmio_storm),
                       ("backends", backends), ("the VM ends", vm_ends), ("timeline", timeline)):
        began = time.monotonic()
        try:
            if os.geteuid():
                raise Skip("counting exits needs root")
            best_backend(vmhang)
            got = test(vmhang)
            table.row("passed", f"exits: {name}", "", got, time.monotonic() - began)
        except Skip as error:
            table.row("skipped", f"exits: {name}", "", str(error))
        except (Problem, LabError, QmpError, OSError, KeyError, IndexError, ValueError,
                subprocess.TimeoutExpired) as error:
            table.row("failed", f"exits: {name}", "", type(error).__name__, None, [str(error)])
