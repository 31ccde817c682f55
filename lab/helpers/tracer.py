#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tracer.py TID: holds one thread as a debugger does, prints "traced", and waits to be killed."""
import ctypes
import os
import signal
import sys

PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
tid = int(sys.argv[1])
for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
    if libc.ptrace(request, tid, None, None):
        sys.exit(f"ptrace {request:#x} of {tid}: {os.strerror(ctypes.get_errno())}")
os.waitpid(tid, WALL)
print("traced", flush=True)
signal.pause()
