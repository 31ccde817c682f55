#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""exits.py VMHANG [--runs N] [--seconds S] [--guests NAME...]: what counting its exits costs a guest.

A guest that exits as fast as it can runs on this machine's KVM, and its progress (the instructions that KVM
emulated for it, where KVM counts them, else its exits: KVM's own statistics, read through QEMU before and
after) is measured with nothing on it, with `vmhang exits`, and with what an operator would take: perf kvm stat
live, perf record, an equivalent bpftrace line. All take turns, N times; the figures are medians, and
the loss is against the run with nothing of the same turn; once by the clock, and once by the CPU time that
the vCPU had, which other load on the machine does not change. Then, apart from that: nanoseconds an event (the
kernel's own statistics of BPF programs, which are switched on for it and set back), how long it takes to begin
and to end, and whether anything was lost or is left behind. Needs root; perf and bpftrace where they are to be
compared.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP / "lab"), str(TOP / "tests" / "live")]

import process  # noqa: E402
from perfstat import Exits, PerfRecord  # noqa: E402
from scenarios import BY_NAME  # noqa: E402
from stage import Qemu, Stage  # noqa: E402

BPF_STATISTICS = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
GOAL_LOSS, GOAL_OF_PERF = 0.03, 1 / 3
BPFTRACE = """
BEGIN { @pid = %d; }
tracepoint:kvm:kvm_exit /pid == @pid/ { @exits[tid, args->exit_reason] = count(); @begin[tid] = nsecs; }
tracepoint:kvm:kvm_entry /pid == @pid && @begin[tid]/ { @ns[tid] = hist(nsecs - @begin[tid]); }
tracepoint:kvm:kvm_pio /pid == @pid/ { @pio[tid, args->rw, args->port] = count(); }
tracepoint:kvm:kvm_mmio /pid == @pid/ { @mmio[tid, args->type, args->gpa] = count(); }
tracepoint:kvm:kvm_msr /pid == @pid/ { @msr[tid, args->write, args->ecx] = count(); }
tracepoint:kvm:kvm_fpu /pid == @pid/ { @fpu[tid, args->load] = count(); }
tracepoint:kvm:kvm_userspace_exit /pid == @pid/ { @user[tid, args->reason] = count(); }
tracepoint:kvm:kvm_emulate_insn /pid == @pid/ { @emulated[tid, args->rip] = count(); }
interval:ms:100 { printf("on\\n"); }
"""


class Tool:
    """Something that counts or records a VM's exits: begin() returns when it does."""
    name, needs = "nothing", None

    def __init__(self, stage, vm, vmhang):
        self.stage, self.vm, self.vmhang = stage, vm, vmhang

    def begin(self):
        pass

    def end(self):
        pass


class Vmhang(Tool):
    name, backend = "vmhang exits", "bpf"

    def begin(self):
        self.exits = Exits(self.stage, self.vmhang, self.vm.pid, "--backend", self.backend)
        self.exits.next()

    def end(self):
        self.exits.end()


class VmhangPerf(Vmhang):
    name, backend = "vmhang exits --backend perf", "perf"


class PerfRecordAll(Tool):
    name, needs = "perf record -e 'kvm:*'", "perf"

    def begin(self):
        self.perf = PerfRecord(self.stage, ["record", "-e", "kvm:*", "-o",
                                            self.stage.tmp / "perf.data"], self.vm.pid)
        self.perf.begin()

    def end(self):
        self.perf.end()


class Spawned(Tool):
    """A tool that says that it has begun by what it prints."""
    says = ""

    def begin(self):
        log = self.stage.tmp / "tool.out"
        with open(log, "wb") as output:
            self.popen = self.stage.spawn(self.command(), log="tool.log", must_live=False,
                                          stdout=output)
        self.stage.until(f"{self.name} has begun", lambda: self.says in process.read(log)
                         + process.read(self.stage.tmp / "tool.log"), 60)

    def end(self):
        self.popen.send_signal(signal.SIGINT)
        try:
            self.popen.wait(10)
        except subprocess.TimeoutExpired:  # perf kvm stat live, where it cannot keep up
            self.popen.kill()
            self.popen.wait(10)
        (self.stage.tmp / "tool.log").unlink()


class PerfLive(Spawned):
    name, needs, says = "perf kvm stat live", "perf", "Analyze events"

    def command(self):
        return ["perf", "kvm", "stat", "live", "-p", self.vm.pid]


class Bpftrace(Spawned):
    name, needs, says = "bpftrace, the same counts", "bpftrace", "on\n"

    def command(self):
        return ["bpftrace", "-e", BPFTRACE % self.vm.pid]


TOOLS = (Tool, Vmhang, VmhangPerf, PerfLive, PerfRecordAll, Bpftrace)


def counters(vm):
    """KVM's statistics of vCPU 0."""
    answer = vm.qmp.ask("query-stats", target="vcpu")
    return {entry["name"]: entry["value"] for entry in answer[0]["stats"]}


def progress(vm, seconds):
    """What the guest does in a second, and in a second of its vCPU's CPU time: see above."""
    before, ran, began = counters(vm), process.run_ns(vm.pid, vm.vcpu())[0], time.monotonic()
    time.sleep(seconds)
    after, took = counters(vm), time.monotonic() - began
    ran = (process.run_ns(vm.pid, vm.vcpu())[0] - ran) / 1e9
    what = "insn_emulation" if after["insn_emulation"] > before["insn_emulation"] else "exits"
    return (after[what] - before[what]) / took, (after[what] - before[what]) / ran


def measure(stage, vm, vmhang, runs, seconds):
    """{name of a tool: [progress of each turn]}"""
    found = {tool.name: [] for tool in TOOLS if not tool.needs or shutil.which(tool.needs)}
    for turn in range(runs):
        for tool in TOOLS:
            if tool.name in found:
                running = tool(stage, vm, vmhang)
                running.begin()
                found[tool.name].append(progress(vm, seconds))
                running.end()
        print(f"\rturn {turn + 1} of {runs}", end="", file=sys.stderr, flush=True)
    print("\r", end="", file=sys.stderr)
    return found


def losses(found, which):
    """{name: median share of the progress that it cost, against nothing in the same turn}"""
    return {name: statistics.median(1 - rate[which] / base[which]
                                    for rate, base in zip(rates, found[Tool.name]))
            for name, rates in found.items()}


def show(found):
    wall, cpu = losses(found, 0), losses(found, 1)
    print(f"{'':32} {'progress/s':>11} {'loss':>7}  {'of CPU time':>11} {'loss':>7}  lowest .. highest")
    for name, rates in found.items():
        medians = [statistics.median(rate[which] for rate in rates) for which in (0, 1)]
        print(f"{name:32} {medians[0]:11.0f} {wall[name]:7.1%}  {medians[1]:11.0f} {cpu[name]:7.1%}  "
              f"{min(rates)[0]:.0f} .. {max(rates)[0]:.0f}")
    for what, loss in (("time", wall), ("CPU time", cpu)):
        ours, perf = loss[Vmhang.name], loss.get(PerfRecordAll.name, 0)
        print(f"goal, by {what}: at most {GOAL_LOSS:.0%}: {'met' if ours <= GOAL_LOSS else 'MISSED'}"
              + (f"; less than a third of perf record's: {max(ours, 0) / perf:.2f} of it: "
                 f"{'met' if ours < GOAL_OF_PERF * perf else 'MISSED'}" if perf > 0 else ""))
    return {"progress": found, "loss": wall, "loss_of_cpu_time": cpu}


def bpf_programs(pid):
    """{id: (runs, ns)} of the BPF programs that a process holds, by the kernel's statistics."""
    found = {}
    for entry in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        text = process.read(entry)
        number = re.search(r"^prog_id:\s*(\d+)", text, re.M)
        runs = re.search(r"^run_cnt:\s*(\d+)", text, re.M)
        ns = re.search(r"^run_time_ns:\s*(\d+)", text, re.M)
        if number and runs and ns:
            found[int(number[1])] = (int(runs[1]), int(ns[1]))
    return found


def ns_an_event(stage, vm, vmhang, seconds):
    """The kernel's own account of the BPF programs: (runs/s, ns a run, their ids)."""
    before = BPF_STATISTICS.read_text()
    try:
        BPF_STATISTICS.write_text("1")
        tool = Vmhang(stage, vm, vmhang)
        tool.begin()
        first = bpf_programs(tool.exits.popen.pid)
        time.sleep(seconds)
        last = bpf_programs(tool.exits.popen.pid)
        tool.end()
    finally:
        BPF_STATISTICS.write_text(before)
    runs = sum(last[k][0] - first.get(k, (0, 0))[0] for k in last)
    ns = sum(last[k][1] - first.get(k, (0, 0))[1] for k in last)
    return runs / seconds, ns / runs if runs else float("nan"), set(last)


def begin_and_end(stage, vm, vmhang, runs):
    """Medians in ms: attaching as vmhang says, from ^C to its end; and what was seen and lost."""
    attach, end, seen, lost = [], [], [], 0
    for _ in range(runs):
        exits = Exits(stage, vmhang, vm.pid, "--backend", "bpf", interval="1s")
        block = exits.next()
        began = time.monotonic()
        exits.end()
        end.append((time.monotonic() - began) * 1000)
        attach.append(block["attach_ns"] / 1e6)
        seen.append(sum(event["seen"] for event in block["events"]) / block["span_ns"] * 1e9)
        lost += block["lost"] + block["missed"]
    return {"attach_ms": statistics.median(attach), "end_ms": statistics.median(end),
            "events_per_second": statistics.median(seen), "lost": lost}


def bpf_ids():
    """Of all BPF programs that there are now."""
    if not shutil.which("bpftool"):
        return set()
    done = subprocess.run(["bpftool", "prog", "show", "-j"], capture_output=True, text=True)
    return {program["id"] for program in json.loads(done.stdout or "[]")}


def bench(name, vmhang, options):
    with Stage(name, "kvm", Qemu()) as stage:
        vm = BY_NAME[name].play(stage)
        print(f"\n{name}: {options.runs} turns of {options.seconds} s, {os.cpu_count()} CPUs, "
              f"load {os.getloadavg()[0]:.1f}")
        result = show(measure(stage, vm, vmhang, options.runs, options.seconds))
        rate, ns, held = ns_an_event(stage, vm, vmhang, options.seconds)
        print(f"BPF programs: {rate:.0f} runs/s, {ns:.0f} ns each (by the kernel's account)")
        ends = begin_and_end(stage, vm, vmhang, options.runs)
        print(f"begins in {ends['attach_ms']:.0f} ms, ends in {ends['end_ms']:.0f} ms; "
              f"{ends['events_per_second']:.0f} events/s seen, {ends['lost']} lost")
    left = held & bpf_ids()
    print(f"of {len(held)} BPF programs, {len(left)} are left behind")
    return {**result, "bpf_runs_per_second": rate, "ns_a_run": ns, **ends, "left": len(left)}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--guests", nargs="+", default=["port-storm", "spin-irqs-off"])
    parser.add_argument("vmhang", nargs="?", default=str(TOP / "build" / "vmhang"))
    options = parser.parse_args()
    result = {name: bench(name, os.path.abspath(options.vmhang), options)
              for name in options.guests}
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
