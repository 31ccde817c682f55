#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tables of src/decode/tables/ against the kernel's headers that are installed here.

Usage: tables.py SOURCE-ROOT COMPILER...
Every constant of the headers has its row; no number and no name stands twice; and constants_check.c,
which holds the rows against the headers at compile time, does not compile once a row is wrong.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TABLES = "src/decode/tables"
CHECK = "src/decode/constants_check.c"
# Table, macro, header, prefix of the constants there, and those that are no rows: limits, flags,
# operands, and values of other fields that share the prefix.
HEADERS = [
    ("svm", "SVM", "asm/svm.h", "SVM_",
     r"EXIT_LAST_EXCP|VMGEXIT_(SET|GET)_AP_JUMP_TABLE|VMGEXIT_AP_(CREATE_ON_INIT|CREATE|DESTROY)"
     r"|VMGEXIT_SAVIC_\w+|VMGEXIT_TERM_\w+\(.*"),
    ("vmx", "VMX", "asm/vmx.h", "EXIT_REASON_", None),
    ("kvmexit", "KVM_EXIT", "linux/kvm.h", "KVM_EXIT_",
     r"HYPERV_(SYNIC|HCALL|SYNDBG)|XEN_HCALL|IO_IN|IO_OUT|HYPERCALL_\w+|FAIL_ENTRY_\w+"),
    ("kvmhc", "KVM_HC", "linux/kvm_para.h", "KVM_HC_", None),
    ("msr", "MSR", "asm/kvm_para.h", "MSR_KVM_", None),
]
# A row that each table must have, and what it is made.
WRONG = [
    ("svm", "SVM(EXIT_HLT, 0x078,", "SVM(EXIT_HLT, 0x079,"),
    ("svm", "SVM(VMGEXIT_MMIO_READ, 0x80000001,", "SVM(VMGEXIT_MMIO_READ, 0x80000011,"),
    ("vmx", "VMX(EPT_VIOLATION, 48,", "VMX(EPT_VIOLATION, 49,"),
    ("kvmexit", "KVM_EXIT(MMIO, 6)", "KVM_EXIT(MMIO, 7)"),
    ("kvmhc", "KVM_HC(KICK_CPU, 5)", "KVM_HC(KICK_CPU, 6)"),
    ("msr", "MSR(STEAL_TIME, 0x4b564d03,", "MSR(STEAL_TIME, 0x4b564d04,"),
]
failures = []


def preprocess(compiler, header):
    """The macros that a header defines; None where there is no such header (another machine)."""
    done = subprocess.run([*compiler, "-E", "-dM", "-"], input=f"#include <{header}>\n", text=True,
                          capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def check_complete(root, compiler):
    found = 0
    for table, macro, header, prefix, ignored in HEADERS:
        rows = set(re.findall(rf"^{macro}\((\w+),", (root / TABLES / f"{table}.def").read_text(), re.M))
        macros = preprocess(compiler, header)
        if macros is None:
            print(f"no {header} here")
            continue
        for name in re.findall(rf"^#define {prefix}(\w+(?:\(.*)?)", macros, re.M):
            if name == "REASONS" or name == "EXIT_REASONS" or ignored and re.fullmatch(ignored, name):
                continue
            found += 1
            if name not in rows:
                failures.append(f"{table}.def lacks {prefix}{name} of {header}")
    print(f"{found} constants of the headers looked up")
    return found


def check_unique(root):
    for path in sorted((root / TABLES).glob("*.def")):
        if path.stem in ("ports", "addresses"):
            continue
        rows = re.findall(r"^\w+\((.*)\)$", path.read_text(), re.M)
        if not rows:
            failures.append(f"{path.name} has no rows")
        numbers = [next(part for part in row.replace('"', "").split(", ")
                        if re.fullmatch(r"0x[0-9a-f]+|\d+", part)) for row in rows]
        names = [next(iter(re.findall(r'"([^"]+)"', row)), row.split(",")[0]) for row in rows]
        # arm64.def numbers two things.
        kinds = re.findall(r"^(\w+)\(", path.read_text(), re.M)
        for what, values in (("number", [(kind == "ARM64_RET", int(value, 0)) for kind, value
                                         in zip(kinds, numbers)]),
                             ("name", list(zip(kinds, names)))):
            for value in {v for v in values if values.count(v) > 1}:
                failures.append(f"{path.name} has the {what} {value} twice")


def compiles(root, compiler):
    return subprocess.run([*compiler, "-std=gnu17", "-fsyntax-only", "-I", root / "src", root / CHECK],
                          capture_output=True, text=True, check=False)


def check_wrong_rows(root, compiler):
    done = compiles(root, compiler)
    if done.returncode:
        failures.append(f"{CHECK} does not compile: {done.stderr[:500]}")
    for table, right, wrong in WRONG:
        header, prefix = next((row[2], row[3]) for row in HEADERS if row[0] == table)
        constant = prefix + re.match(r"\w+\((\w+),", right)[1]
        if f"#define {constant} " not in (preprocess(compiler, header) or ""):
            print(f"no {constant} here")
            continue
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder)
            (copy / "src/decode").mkdir(parents=True)
            shutil.copytree(root / TABLES, copy / TABLES)
            shutil.copy(root / CHECK, copy / CHECK)
            path = copy / TABLES / f"{table}.def"
            text = path.read_text()
            if text.count(right) != 1:
                failures.append(f"{table}.def has no row {right}...")
                continue
            path.write_text(text.replace(right, wrong))
            done = compiles(copy, compiler)
            if done.returncode == 0 or "is another number" not in done.stderr:
                failures.append(f"a wrong row compiles: {wrong}...")


def main():
    root, compiler = pathlib.Path(sys.argv[1]), sys.argv[2:]
    found = check_complete(root, compiler)
    check_unique(root)
    check_wrong_rows(root, compiler)
    for failure in failures:
        print(failure)
    return 1 if failures else 0 if found else 77


if __name__ == "__main__":
    sys.exit(main())
