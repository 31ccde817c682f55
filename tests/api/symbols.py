#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The shared library shows exactly what the public header declares.

Usage: symbols.py LIBVMHANG.SO HEADER
"""
import re
import subprocess
import sys


def main():
    library, header = sys.argv[1:]
    text = subprocess.run(["nm", "-D", "--defined-only", "--format=posix", library], check=True,
                          capture_output=True, text=True).stdout
    shown = {line.split()[0].split("@")[0] for line in text.splitlines()}
    declared = set(re.findall(r"^VMHANG_API[^;(]*?(vmhang_\w+)\(", open(header).read(), re.M))
    extra, missing = shown - declared, declared - shown
    if extra:
        print("shown but not declared:", *sorted(extra))
    if missing:
        print("declared but not there:", *sorted(missing))
    if not declared:
        print("the header declares nothing")
    return 1 if extra or missing or not declared else 0


if __name__ == "__main__":
    sys.exit(main())
