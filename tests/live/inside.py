#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""inside.py VMHANG INSIDE-TRUTH [--all] [NAME...]: what vmhang reads of a guest's memory is what the guest says of
itself.

Linux guests tell the truth about themselves (lab/truth.py) and hang then, as they are told; symbols, types, log,
tasks and their stacks must be equal, the stack of a CPU that spins must name the function in which it does. And
looking must change nothing. --all: with all kernels of lab/kernels.py, too. Prints a table and, last, the counts.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "lab"), str(HERE)]

import inside_compare as compare  # noqa: E402
import inside_raw  # noqa: E402
import process  # noqa: E402
import truth  # noqa: E402
from kernels import KERNELS  # noqa: E402
from pool import interrupts_as_exceptions  # noqa: E402
from qmp import QmpError  # noqa: E402
from stage import LabError, Qemu, Skip, Stage, have_kvm  # noqa: E402
from store import newer_qemu  # noqa: E402
from table import Table  # noqa: E402

SECRETS = ("db_password=hunter2-Tr0ub4dor", "api.token=s3cr3t-0123456789", "rd.luks.key=correct-horse-battery")
ALLOWED_WHILE_BOOTING = {"linux", "early-linux", "no-linux"}
# What is not the same of a saved case: what it cost, and how often a vCPU was looked at.
COST = ("took_ns", "steps", "bytes", "reads", "absent")
SAMPLING = ("samples", "steady", "same_rip")


class Failure(Exception):
    pass


class Look:
    """What one call of vmhang told."""

    def __init__(self, vmhang, target, *arguments):
        self.began = time.monotonic()
        done = subprocess.run([vmhang, "inside", str(target), "--json", *map(str, arguments)], capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=60)
        self.seconds, self.status = time.monotonic() - self.began, done.returncode
        self.raw, self.errors = done.stdout, done.stderr.decode(errors="replace").strip()
        try:
            self.data = json.loads(done.stdout)
        except ValueError as error:
            raise Failure(f"no JSON, exit status {done.returncode}: {self.errors}") from error

    def __getitem__(self, key):
        return self.data[key]

    def vcpu(self, index):
        return next(row for row in self["vcpus"] if row["index"] == index)

    def task(self, comm):
        return next((row for row in self["tasks"] if row["comm"] == comm), None)


class Rows:
    """Rows of a table about one guest."""

    def __init__(self, table, name):
        self.table, self.name = table, name

    def add(self, what, problems, got="as it says of itself"):
        self.table.row("failed" if problems else "passed", f"{self.name}: {what}", "", "" if problems else got, None,
                       problems)

    def check(self, what, function, *arguments):
        """A row of what function(*arguments) finds: problems, or (problems, what it got)."""
        try:
            found = function(*arguments)
        except (Failure, LabError, QmpError, KeyError, TypeError, ValueError, StopIteration, OSError,
                subprocess.TimeoutExpired) as error:
            found = [f"{type(error).__name__}: {error}"]
        problems, got = found if isinstance(found, tuple) else (found, "as it says of itself")
        self.add(what, problems, got)


class Run:
    def __init__(self, vmhang, program, table):
        self.vmhang, self.program, self.table = os.path.abspath(vmhang), os.path.abspath(program), table

    def look(self, target, *arguments):
        return Look(self.vmhang, getattr(target, "pid", target), *arguments)


def is_linux(look, method="registers"):
    problems = [] if look["outcome"] == "linux" else [f"outcome is {look['outcome']}: {look['why']}"]
    if look["method"] != method:
        problems.append(f"found by {look['method']}, not by {method}")
    return problems + ([f"exit status {look.status}"] if look.status else []) + \
        ([f"on standard error: {look.errors}"] if look.errors else [])


def compare_all(run, rows, guest, told, least_stacks=1, method="registers"):
    """A row for each thing that the guest has told. Returns the look."""
    began = time.monotonic()
    try:
        look = run.look(guest)
    except Failure as why:
        return rows.add("looked at", [str(why)])
    rows.add("looked at", is_linux(look, method), f"{look['took_ns'] / 1e6:.0f} ms, {look['bytes'] / 1e6:.1f} MB read"
             + "".join(f"; {note}" for note in look["notes"]))
    rows.check("symbols", lambda: compare.symbols(told, inside_raw.symbols(run.program, guest.vm)[0]))
    if told.btf:
        rows.check("types", lambda: compare.types(told, inside_raw.btf(run.program, guest.vm)))
    rows.check("log", compare.log, told, look, SECRETS)
    rows.check("kernel", compare.kernel, told, look, SECRETS)
    rows.check("uptime", compare.uptime, told, look, time.monotonic() - began + 30)
    rows.check("modules", compare.modules, told, look)
    rows.check("tasks", compare.tasks, told, look)
    rows.check("stacks", compare.stacks, told, look, least_stacks)
    return look


def no_secrets(look, *files):
    """None of them in what is told, and in files."""
    problems = []
    for secret in (secret.partition("=")[2].encode() for secret in SECRETS):
        if secret in look.raw:
            problems.append(f"{secret.decode()} is told")
        problems += [f"{secret.decode()} is in {path.name}" for path in files if secret in path.read_bytes()]
    return problems


def difference(where, one, other):
    """The first place in which two values from JSON differ."""
    if type(one) is type(other) and isinstance(one, dict) and one.keys() == other.keys():
        pairs = [(f"{where}.{key}", one[key], other[key]) for key in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(f"{where}[{i}]", *pair) for i, pair in enumerate(zip(one, other))]
    else:
        return [] if one == other else [f"{where} is {str(other)[:200]}, live {str(one)[:200]}"]
    return next(filter(None, (difference(*pair) for pair in pairs)), [])


def same(live, other):
    """What is not the same of two looks at memory that stood, but for what a look cost and how often vCPUs were
    seen."""
    for look in (live, other):
        for vcpu in look["vcpus"]:
            for key in SAMPLING:
                vcpu.pop(key, None)
    return [problem for key in live.data if key not in COST
            for problem in difference(key, live[key], other.data.get(key))]


def saved(run, stage, guest):
    """What was saved tells the same again, and so do the pages that were kept, but for how often vCPUs were seen. The
    guest stands: of what changes while it is read the first is kept. (QMP stop also lets requests through that a
    throttled disk holds back: a task that waits for it waits anew.)"""
    case = stage.tmp / "inside.vmhang"
    guest.vm.qmp.ask("stop")
    live = run.look(guest, "--save", case)
    guest.vm.qmp.ask("cont")
    kept, again = run.look(case), run.look(case, "--anew")
    problems = []
    for key in live.data:
        problems += [f"saved case: {problem}" for problem in difference(key, live[key], kept.data.get(key))]
    problems += [f"saved case: {problem}" for problem in same(live, again)]
    unpacked = subprocess.run(["tar", "-xf", case, "-C", stage.tmp, "--one-top-level=unpacked"], capture_output=True)
    files = [path for path in (stage.tmp / "unpacked").rglob("*") if path.is_file()]
    if unpacked.returncode or not files:
        problems.append(f"the case cannot be unpacked: {unpacked.stderr.decode(errors='replace')}")
    return problems + no_secrets(live, case, *files), f"the same of {case.stat().st_size >> 10} KiB"


def dumped(run, stage, guest):
    """A dump of the guest, in each format that this QEMU offers, tells what the guest does. It stands meanwhile."""
    formats = [name for name in guest.vm.qmp.ask("query-dump-guest-memory-capability")["formats"] if name != "win-dmp"]
    problems, costs = [], []
    guest.vm.qmp.ask("stop")
    live = run.look(guest)
    for name in formats:
        path = stage.tmp / f"guest.{name}"
        guest.vm.qmp.ask("dump-guest-memory", seconds=120, paging=False, protocol=f"file:{path}", format=name)
        look = run.look(path)
        for vcpu in live["vcpus"]:
            vcpu["halted"] = None  # QEMU's notes do not tell
        problems += [f"{name}: {problem}" for problem in is_linux(look) + same(live, look)]
        costs.append(f"{name} {look['took_ns'] / 1e6:.0f} ms")
        path.unlink()
    guest.vm.qmp.ask("cont")
    return problems + ([] if "kdump-zlib" in formats else [f"QEMU offers {formats}"]), ", ".join(costs)


def stopped(run, guest, told):
    """QEMU is stopped: no monitor answers, and memory alone must tell."""
    os.kill(guest.pid, signal.SIGSTOP)
    try:
        guest.vm.until_state("T")
        look = run.look(guest)
        problems = is_linux(look, "scan") + compare.log(told, look, SECRETS) + compare.tasks(told, look) + \
            compare.stacks(told, look)
    finally:
        os.kill(guest.pid, signal.SIGCONT)
    return problems, f"{look['took_ns'] / 1e6:.0f} ms, {look['bytes'] / 1e6:.0f} MB read"


def looks_while_it_boots(run, rows, guest):
    """Whenever one looks, it is told what there is."""
    seen = []

    def told():
        look = run.look(guest)
        seen.append(look["outcome"])
        if look["outcome"] not in ALLOWED_WHILE_BOOTING:
            raise Failure(f"outcome {look['outcome']}: {look['why']}")
        return "lab: ready" in process.read(guest.log)
    try:
        guest.vm.stage.until("it has booted", told, 120, 0.1)
        counts = ", ".join(f"{seen.count(name)} {name}" for name in dict.fromkeys(seen))
        rows.add("while it boots", [] if "linux" in seen else [f"only {counts}"], counts)
    except Failure as why:
        rows.add("while it boots", [str(why)])


def deadlock(run, guest, told):
    """Two tasks that wait for each other's mutex: what for, and who has it."""
    look = run.look(guest)
    one, other = look.task("trouble-a"), look.task("trouble-b")
    if not one or not other:
        return ["trouble-a and trouble-b are not there"]
    problems = compare.stacks(told, look, 3) + compare.modules(told, look) + compare.kernel(told, look, SECRETS)
    for task, holder, lock in ((one, other, "second"), (other, one, "first")):
        found = task["lock"]
        if found["kind"] != "mutex" or found["holder_pid"] != holder["pid"] or \
                found["holder_comm"] != holder["comm"] or lock not in (found["symbol"] or ""):
            problems.append(f"{task['comm']} waits for {found}, not for {lock} that {holder['comm']} "
                            f"({holder['pid']}) has")
        if task["state"] != "D" or not task["waited_ns"]:
            problems.append(f"{task['comm']} is in state {task['state']}, has waited {task['waited_ns']} ns")
    return problems, "each waits for the other's"


def spins(run, guest, index, comm, wanted, irqs_on=False, lock=None):
    """A vCPU that spins in the kernel for good."""
    look = run.look(guest)
    vcpu = look.vcpu(index)
    problems = compare.has(vcpu["stack"], *wanted)
    expected = {"cpl": 0, "irqs_on": irqs_on, "halted": False, "comm": comm, "steady": vcpu["samples"]}
    problems += [f"vCPU {index}: {key} is {vcpu[key]}, not {value}"
                 for key, value in expected.items() if vcpu[key] != value]
    if lock and (vcpu["lock"]["kind"] != "spinlock" or lock not in (vcpu["lock"]["symbol"] or "")):
        problems.append(f"vCPU {index} waits for {vcpu['lock']}, not for the spin lock {lock}")
    return problems, " < ".join(compare.names(vcpu["stack"])[:4])


def stock(run):
    """The lab's own kernel, with all that a module of ours can do to it."""
    rows = Rows(run.table, "6.1")
    then = truth.UNTIL_GO + truth.trouble("deadlock", 0) + "sleep 2; tell\n" + truth.UNTIL_GO + \
        truth.trouble("lock-irqs-off", 1, again=True) + truth.IDLE
    with Stage("inside") as stage:
        guest = truth.reads_disk(stage, then, append=" ".join(SECRETS))
        looks_while_it_boots(run, rows, guest)
        guest.let_it_wait()
        told = guest.told()
        compare_all(run, rows, guest, told)
        rows.check("no secrets", lambda: no_secrets(run.look(guest)))
        rows.check("QEMU stopped", stopped, run, guest, told)
        rows.check("saved", saved, run, stage, guest)
        guest.go()
        rows.check("deadlock", deadlock, run, guest, guest.told(2))
        guest.go()
        guest.vm.until_runs(1)
        rows.check("spin lock", spins, run, guest, 1, "trouble-a",
                   ("native_queued_spin_lock_slowpath", "make_lock_irqs_off [trouble]", "kthread"), False, "lock")


def memfd_bytes(pid):
    """What the host has given to the guest's memory, of a memory-backend-memfd."""
    links = ((number, os.readlink(f"/proc/{pid}/fd/{number}")) for number in os.listdir(f"/proc/{pid}/fd"))
    return sum(os.stat(f"/proc/{pid}/fd/{number}").st_blocks * 512 for number, link in links if "memfd:" in link)


def nothing_grows(run, guest):
    """Absent pages of a shared memory would come into being if they were read. The guest stands meanwhile."""
    problems = []
    guest.vm.qmp.ask("stop")
    before = memfd_bytes(guest.pid)
    looks = [run.look(guest)]
    os.kill(guest.pid, signal.SIGSTOP)
    try:
        guest.vm.until_state("T")
        looks.append(run.look(guest))
    finally:
        os.kill(guest.pid, signal.SIGCONT)
    grown = memfd_bytes(guest.pid) - before
    guest.vm.qmp.ask("cont")
    if grown or not before:
        problems.append(f"the guest's memory took {before} bytes of the host's, and {grown} more when it was looked at")
    return problems + is_linux(looks[0]) + is_linux(looks[1], "scan"), f"{before >> 20} MiB stay so"


COUNTS = """(i=0; while :; do i=$((i+1)); case $i in *000) echo lab: round >&3;; esac; done) &
"""


def rounds_per_second(guest, seconds=2.0):
    before, began = process.read(guest.log).count("lab: round"), time.monotonic()
    time.sleep(seconds)
    return (process.read(guest.log).count("lab: round") - before) / (time.monotonic() - began)


def undisturbed(run, guest):
    """The guest counts on while it is looked at again and again, and is never stopped."""
    guest.vm.qmp.status()
    guest.vm.qmp.events.clear()
    alone = rounds_per_second(guest)
    looking = subprocess.Popen(["sh", "-c", 'while "$0" inside "$1" --json >/dev/null; do :; done', run.vmhang,
                                str(guest.pid)], stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        beside = rounds_per_second(guest)
    finally:
        os.killpg(looking.pid, signal.SIGKILL)
        looking.wait()
    guest.vm.qmp.status()
    problems = [f"the guest had an event {event}" for event in guest.vm.qmp.events if event in ("STOP", "RESUME")]
    if beside < 0.5 * alone or not alone:  # on a host whose CPUs are all taken; bench/inside.py measures
        problems.append(f"{beside:.1f} rounds a second, {alone:.1f} when nobody looks")
    return problems, f"{beside:.0f} rounds a second, {alone:.0f} when nobody looks"


def program_runs(run, guest):
    """The program that keeps a vCPU busy in user space, by its name and mapping."""
    for _ in range(20):
        look = run.look(guest)
        for vcpu in look["vcpus"]:
            if vcpu["cpl"] == 3:
                problems = [] if vcpu["comm"] == "init" else [f"it runs {vcpu['comm']!r}, not init"]
                if not (vcpu["mapping"] or "").endswith("busybox"):
                    problems.append(f"what is mapped there is {vcpu['mapping']}, not busybox")
                return problems, f"{vcpu['comm']}, {vcpu['mapping']}"
    return ["in 20 looks no vCPU was met in user space"]


def large(run):
    """A kernel built for guests: q35, above 4 GiB, page tables of five levels, and two sets of them (PTI)."""
    rows = Rows(run.table, "6.1-cloud")
    with Stage("inside-large") as stage:
        guest = truth.reads_disk(
            stage, COUNTS + truth.IDLE, kernel="6.1-cloud", machine="q35,memory-backend=ram", memory="5G",
            append="pti=on " + " ".join(SECRETS),
            extra=["-cpu", "max,la57=on", "-object", "memory-backend-memfd,id=ram,size=5G,share=on"])
        guest.let_it_wait()
        told = guest.told()
        guest.until_said("lab: round")
        look = compare_all(run, rows, guest, told)
        if look:
            rows.add("five levels", [] if look["kernel"]["levels"] == 5 else [f"{look['kernel']['levels']} levels"])
        rows.check("a program", program_runs, run, guest)
        rows.check("undisturbed", undisturbed, run, guest)
        rows.check("nothing grows", nothing_grows, run, guest)


def panicked(run, guest):
    look = run.look(guest)
    problems = [] if look["kernel"]["panic_cpu"] is not None else ["no CPU panicked"]
    if not problems:
        problems += compare.has(look.vcpu(look["kernel"]["panic_cpu"])["stack"], "panic", "sysrq_handle_crash",
                                "write_sysrq_trigger", "vfs_write")
    if not any("Kernel panic - not syncing: sysrq triggered crash" in row["text"] for row in look["dmesg"]):
        problems.append("the log does not tell of the panic")
    return problems, "in sysrq_handle_crash"


def followed(run, stage, guest):
    """Its log, through a reset into the next boot, until who follows has enough."""
    out, errors = stage.tmp / "follow.out", stage.tmp / "follow.err"
    with open(out, "wb") as output, open(errors, "wb") as error:
        follower = subprocess.Popen([run.vmhang, "inside", str(guest.pid), "--follow"], stdin=subprocess.DEVNULL,
                                    stdout=output, stderr=error)

    def of_next_boot():
        return process.read(out).rpartition("sysrq triggered crash")[2]
    try:
        stage.until("it shows how it ended", lambda: "sysrq triggered crash" in process.read(out), 30, 0.1)
        guest.let_it_go_on()  # its firmware reads the disk
        guest.vm.qmp.ask("system_reset")
        stage.until("it shows the next boot", lambda: "Linux version 6.12" in of_next_boot(), 90, 0.1)
        follower.terminate()
        status = follower.wait(20)
    finally:
        follower.kill()
        follower.wait(20)
    said = process.read(errors).splitlines()
    problems = [] if status == 0 else [f"exit status {status}"]
    if [line for line in said if "was reset" in line] != said[-1:]:
        problems.append(f"of the reset it says {said}")
    return problems, "into the next boot"


def newer(run):
    """A newer kernel on a newer QEMU; it panics, and no console tells; then it is reset."""
    rows = Rows(run.table, "6.12, newer QEMU")
    with Stage("inside-newer", qemu=newer_qemu()) as stage:
        guest = truth.reads_disk(stage, truth.UNTIL_GO + "echo c >/proc/sysrq-trigger\n", kernel="6.12",
                                 append=" ".join(SECRETS))
        guest.let_it_wait()
        compare_all(run, rows, guest, guest.told())
        rows.check("dumps", dumped, run, stage, guest)
        guest.go()
        guest.vm.until_runs(0, 1)
        rows.check("panic", panicked, run, guest)
        rows.check("followed", followed, run, stage, guest)


def matrix_of(kernel):
    def play(run):
        rows = Rows(run.table, kernel)
        with Stage("inside-kernel") as stage:
            guest = truth.reads_disk(stage, truth.UNTIL_GO + "echo c >/proc/sysrq-trigger\n", kernel=kernel,
                                     append=" ".join(SECRETS))
            guest.let_it_wait()
            told = guest.told()
            compare_all(run, rows, guest, told)
            rows.check("QEMU stopped", stopped, run, guest, told)
            rows.check("saved", saved, run, stage, guest)
            guest.go()
            guest.vm.until_runs(0, 1)
            rows.check("panic", panicked, run, guest)
    return play


def arm_panicked(run, guest):
    """The CPU that panicked goes round in panic(); the others have been stopped."""
    look = run.look(guest)
    cpu = look["kernel"]["panic_cpu"]
    if cpu is None:
        return ["no CPU panicked"]
    problems = compare.has(look.vcpu(cpu)["stack"], "panic", "sysrq_handle_crash", "write_sysrq_trigger", "vfs_write",
                           "el0_svc", "el0t_64_sync")
    if look.vcpu(cpu)["stack"]["frames"][-1]["kind"] != "user":
        problems.append("its stack does not lead to the program")
    # The interrupt that stopped it, and what it interrupted.
    other = look.vcpu(1 - cpu)["stack"]
    problems += compare.has(other, "ipi_handler", "el1h_64_irq", "do_idle", "secondary_start_kernel" if cpu == 0 else
                            "start_kernel")
    if "interrupt" not in [frame["kind"] for frame in other["frames"]]:
        problems.append(f"no frame of {compare.names(other)} is what was interrupted")
    return problems, " < ".join(compare.names(other)[:4])


def diagnosed(run, guest, cause):
    """What diagnose finds without any console: its own look inside."""
    done = subprocess.run([run.vmhang, "diagnose", str(guest.pid), "--json"], capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=60)
    verdict = json.loads(done.stdout)["verdict"]
    found = f"{verdict['cause']}, {verdict['confidence']}"
    return [] if found == f"{cause}, certain" else [f"found {found}, not {cause}, certain"], found


def until_panicked(run, guest):
    guest.vm.stage.until("it has panicked", lambda: run.look(guest)["kernel"]["panic_cpu"] is not None, 60, 0.2)


def arm_qemu(cpu):
    if not shutil.which("qemu-system-aarch64"):
        raise Skip("no qemu-system-aarch64 here (package qemu-system-arm): arm64 was NOT compared")
    return Qemu("arm64", ["qemu-system-aarch64", "-cpu", cpu])


def arm(kernel, cpu, levels):
    """A guest of 64-bit ARM: its page tables are found by a note in its memory, its stacks are led by frame
    pointers."""
    def play(run):
        rows = Rows(run.table, f"{kernel}, {cpu.partition(',')[0]}")
        with Stage("inside-arm", "tcg", qemu=arm_qemu(cpu)) as stage:
            guest = truth.reads_disk(
                stage, truth.UNTIL_GO + "(while :; do :; done) & runs=$!\n" + truth.UNTIL_GO +
                "kill $runs; sleep 1; echo c >/proc/sysrq-trigger\n", kernel=kernel, append=" ".join(SECRETS),
                machine="virt")
            guest.let_it_wait()
            told = guest.told()
            look = compare_all(run, rows, guest, told, method="scan")
            if look:
                rows.add("levels", [] if look["kernel"]["levels"] == levels else
                         [f"{look['kernel']['levels']} levels, not {levels}"], f"{levels} of page tables")
            rows.check("saved", saved, run, stage, guest)
            guest.go()
            rows.check("a program", program_runs, run, guest)
            guest.go()
            until_panicked(run, guest)
            rows.check("panic", arm_panicked, run, guest)
            rows.check("diagnosed", diagnosed, run, guest, "guest-panic-requested")
    return play


def functions_alone(told, look):
    """Without CONFIG_KALLSYMS_ALL: the banner by the note's release, the command line by the log; the stacks of the
    vCPUs, which rest; and that no more was found."""
    kernel = look["kernel"]
    problems = [f"{key} is {kernel[key]!r}, not {value!r}" for key, value in
                (("release", told.release), ("build_id", told.build_id), ("n_symbols", len(told.symbols)))
                if kernel[key] != value]
    if told.text("version").strip() != kernel["banner"].strip():
        problems.append(f"banner is {kernel['banner']!r}, not {told.text('version').strip()!r}")
    for word in told.text("cmdline").split():
        key, equals, _ = word.partition("=")
        if (key + equals if word in SECRETS else word) not in (kernel["command_line"] or ""):
            problems.append(f"{key} of the command line is not in {kernel['command_line']!r}")
    for vcpu in look["vcpus"]:
        problems += compare.has(vcpu["stack"], "do_idle", "cpu_startup_entry")
    return problems + ([] if any("CONFIG_KALLSYMS_ALL" in note for note in look["notes"]) else ["no note says why"])


def arm_functions_alone(run):
    """Debian's 6.1 of arm64, whose table of symbols has no variables."""
    rows = Rows(run.table, "6.1-arm64")
    with Stage("inside-arm", "tcg", qemu=arm_qemu("max,pauth-impdef=on")) as stage:
        guest = truth.reads_disk(stage, kernel="6.1-arm64", append=" ".join(SECRETS), machine="virt")
        guest.let_it_wait()
        told = guest.told()
        look = run.look(guest)
        rows.add("looked at", is_linux(look, "scan"), f"{look['took_ns'] / 1e6:.0f} ms")
        rows.check("symbols", lambda: compare.symbols(told, inside_raw.symbols(run.program, guest.vm)[0]))
        rows.check("log", compare.log, told, look, SECRETS)
        rows.check("no secrets", no_secrets, look)
        rows.check("kernel", functions_alone, told, look)


# What lab/guests/long-mode.S maps.
MAPPED = [("0xffffffff80000000", 4096, "r-x-"), ("0xffffffff80001000", 4096, "rw--"),
          ("0xffffffff80003000", 4096, "r---"), ("0xffffffff80200000", 2 << 20, "r---")]
PAGES = {0xFFFFFFFF80000000: (0x10000, 4096, "r-x-"), 0xFFFFFFFF80001008: (0x11008, 4096, "rw--"),
         0xFFFFFFFF80003000: (0x12000, 4096, "r---"), 0xFFFFFFFF80212000: (0x12000, 2 << 20, "r---"),
         0xFFFFFFFF80002000: None, 0xFFFFFFFF80400000: None, 0x12000: (0x12000, 2 << 20, "rwx-"), 0x200000: None}
HELD = {"rax": "0x1122334455667788", "rcx": "0x99aabbccddeeff00", "rdx": "0x12345678", "r8": "0xfedcba9876543210",
        "r15": "0xfffffffffffffffe", "cpl": 0, "irqs_on": False, "mode": "long mode, 64-bit"}
LOOP = ("ffffffff80000026: inc qword ptr [0xffffffff80001000]", "ffffffff8000002e: pause",
        "ffffffff80000030: jmp 0xffffffff80000026")
CONSTANTS = "8877665544332211" "00ffeeddccbbaa99"


def walked(run, vm):
    found = inside_raw.walk(run.program, vm, *PAGES)
    problems = [f"{key} is {found[key]}, not {value}" for key, value in HELD.items() if found[key] != value]
    ranges = [(row["gva"], row["bytes"], row["rights"]) for row in found["ranges"]]
    if ranges != MAPPED:
        problems.append(f"mapped is {ranges}, not {MAPPED}")
    for (gva, expected), row in zip(PAGES.items(), found["addresses"]):
        got = None if row["error"] else (int(row["gpa"], 16), row["page_bytes"], row["rights"])
        if got != expected:
            problems.append(f"{gva:#x} is {got}, not {expected}")
        said = vm.qmp.human(f"gva2gpa {gva:#x}").strip()
        if said != (f"gpa: {row['gpa']}" if expected else "Unmapped"):
            problems.append(f"{gva:#x} is {row.get('gpa')}, the monitor says {said}")
        if expected and expected[0] == 0x12000 and row["data"] != CONSTANTS:
            problems.append(f"at {gva:#x} lie {row['data']}")
    return problems, "as it was written and as the monitor says"


def disassembled(run, vm):
    """vmhang diagnose shows the loop's instructions."""
    done = subprocess.run([run.vmhang, "diagnose", str(vm.pid), "--json", "--window", "300ms"], capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=60)
    code = json.loads(done.stdout)["vcpus"][0]["code"]
    if code["disassembly"] is None:
        raise Skip("no disassembler here")
    here = next((line[2:] for line in code["disassembly"] if line.startswith(">")), None)
    return [] if here in LOOP else [f"it is at {here!r}, not in {LOOP}"], here


def long_mode(accel):
    def play(run):
        if accel == "kvm" and not have_kvm():
            raise Skip("no access to /dev/kvm")
        rows = Rows(run.table, f"long mode, {accel}")
        with Stage("inside-long-mode", accel) as stage:
            vm = stage.qemu(rom="long-mode")
            vm.until_runs()
            rows.check("registers, pages, data", walked, run, vm)
            rows.check("code", disassembled, run, vm)
            look = run.look(vm)
            rows.add("no Linux", [] if look["outcome"] == "no-linux" and look["why"] else
                     [f"outcome is {look['outcome']}: {look['why']}"], look["why"])
    return play


QUICK = {"stock": stock, "large": large, "newer": newer, "long-mode-kvm": long_mode("kvm"),
         "long-mode-tcg": long_mode("tcg")}
# Of pointer authentication the quick form (pauth-impdef): the kernel does the same with either.
ARM = {"arm-6.12-max": arm("6.12-arm64", "max,pauth-impdef=on", 5),
       "arm-6.12-a72": arm("6.12-arm64", "cortex-a72", 4), "arm-6.1": arm_functions_alone}
PLAYS = {**QUICK, **{f"kernel-{name}": matrix_of(name) for name in KERNELS}, **ARM}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vmhang")
    parser.add_argument("program", metavar="INSIDE-TRUTH", help="build/tests/inside-truth")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PLAYS))
    parser.add_argument("--all", action="store_true", help="with all kernels, too")
    given = parser.parse_args()
    for name in given.names:
        if name not in PLAYS:
            parser.error(f"no {name}: {', '.join(PLAYS)}")
    interrupts_as_exceptions()
    run = Run(given.vmhang, given.program, Table())
    for name in given.names or (PLAYS if given.all else QUICK):
        began = time.monotonic()
        try:
            PLAYS[name](run)
        except Skip as why:
            run.table.row("skipped", name, "", str(why))
        except (LabError, QmpError, Failure) as why:
            run.table.row("failed", name, "", "it was not played to its end", None, [str(why)])
        print(f"     {name}: {time.monotonic() - began:.0f} s", flush=True)
    return run.table.end()


if __name__ == "__main__":
    sys.exit(main())
