# SPDX-License-Identifier: LGPL-2.1-or-later
"""What src/guest reads of a live guest's memory, by inside_truth.c, and where that memory lies, by QEMU's own word."""
import json
import re
import subprocess

FLAT_VIEW = re.compile(r"^FlatView #", re.M)
RAM = re.compile(r"^\s+([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, ram\): (\S+)(?: @([0-9a-f]{16}))?", re.M)


def ram(qmp):
    """[(guest-physical address, bytes, address in QEMU)] of what the CPU has as RAM."""
    views = FLAT_VIEW.split(qmp.human("info mtree -f"))
    view = next(view for view in views if 'AS "memory"' in view)
    pieces = []
    for row in RAM.finditer(view):
        first, last, name = int(row[1], 16), int(row[2], 16), row[3]
        offset = int(row[4] or "0", 16)
        before = pieces[-1] if pieces else None
        if before and before[2] == name and before[0] + before[1] == first and before[3] + before[1] == offset:
            before[1] += last + 1 - first
        elif not re.search(r"vga|bios|rom|pflash|acpi|tseg", name):
            pieces.append([first, last + 1 - first, name, offset])
    found = []
    for gpa, size, *_ in pieces:
        hva = re.search(r"is (0x[0-9a-f]+)", qmp.human(f"gpa2hva {gpa:#x}"))
        if hva:
            found.append((gpa, size, int(hva[1], 16)))
    return found


def run(program, vm, what, *addresses):
    """(standard output, standard error)"""
    text = "".join(f"ram {gpa:x} {size:x} {hva:x}\n" for gpa, size, hva in ram(vm.qmp))
    done = subprocess.run([program, str(vm.pid), what, *map(hex, addresses)], capture_output=True, timeout=60,
                          input=(text + vm.qmp.human("info registers -a")).encode())
    if done.returncode:
        raise ValueError(f"inside_truth {what}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout, done.stderr.decode(errors="replace").strip()


def walk(program, vm, *addresses):
    return json.loads(run(program, vm, "walk", *addresses)[0])


def symbols(program, vm):
    """([(address, type, name)], which layout) in the order of the kernel's table."""
    out, layout = run(program, vm, "symbols")
    rows = (line.split(" ", 2) for line in out.decode(errors="replace").splitlines())
    return [(int(row[0], 16), row[1], row[2]) for row in rows], layout.splitlines()[-1]


def log_alone(program, vm):
    """What it took to read the kernel's log and nothing else: took_ns, bytes, records."""
    return json.loads(run(program, vm, "log")[0])


def btf(program, vm):
    return run(program, vm, "btf")[0]
