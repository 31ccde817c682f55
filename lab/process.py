# SPDX-License-Identifier: LGPL-2.1-or-later
"""What /proc tells of a process, and the few system calls that Python lacks."""
import ctypes
import os
import pathlib
import signal

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]
PR_SET_PDEATHSIG = 1
MNT_DETACH = 2
MS_BIND = 4096


def die_with_parent(number=signal.SIGKILL):
    """For preexec_fn: the process gets that signal when the one that started it ends, however it ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def mount(source, target, kind, options="", flags=0):
    if LIBC.mount(source.encode(), str(target).encode(), kind.encode(), flags, options.encode()):
        number = ctypes.get_errno()
        raise OSError(number, f"mount {kind} on {target}: {os.strerror(number)}")


def unmount(target):
    LIBC.umount2(str(target).encode(), MNT_DETACH)


def read(path):
    try:
        return pathlib.Path(path).read_text(errors="replace")
    except OSError:
        return ""


def stat_fields(pid, tid=None):
    """Fields 3 and up of /proc/PID/stat: the name in field 2 may hold spaces and brackets."""
    return read(f"/proc/{pid}/task/{tid or pid}/stat").rpartition(")")[2].split()


def state(pid, tid=None):
    return (stat_fields(pid, tid) or ["gone"])[0]


def is_asleep(pid):
    """Whether all of its threads wait for something: what it was at is done."""
    states = {state(pid, tid) for tid in threads(pid)}
    return states == {"S"}


def start_time(pid):
    return (stat_fields(pid) + [""] * 20)[19]


def wchan(pid, tid=None):
    return read(f"/proc/{pid}/task/{tid or pid}/wchan")


def run_ns(pid, tid):
    """Time that a thread ran, and that it waited for a CPU, in nanoseconds."""
    fields = read(f"/proc/{pid}/task/{tid}/schedstat").split() or ["0", "0"]
    return int(fields[0]), int(fields[1])


def switches(pid, tid):
    """How often a thread gave up its CPU by itself."""
    for line in read(f"/proc/{pid}/task/{tid}/status").splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    return 0


def links(pid):
    """What its descriptors are."""
    found = []
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return found
    for number in numbers:
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{number}"))
        except OSError:
            pass  # closed since
    return found


def threads(pid):
    """{tid: name}"""
    try:
        tids = sorted(map(int, os.listdir(f"/proc/{pid}/task")))
    except OSError:
        return {}
    return {tid: read(f"/proc/{pid}/task/{tid}/comm").strip() for tid in tids}


