# SPDX-License-Identifier: LGPL-2.1-or-later
"""Control groups of the lab: made, filled, and swept away again."""
import pathlib
import signal
import os
import time

from process import read

PREFIX = "vmhang-lab-"


def mounts():
    """{"v2": path, "freezer": path, "cpu": path, ...} of the control group mounts."""
    found = {}
    for line in read("/proc/self/mounts").splitlines():
        _, target, kind, options, *_ = line.split()
        if kind == "cgroup2":
            found["v2"] = target
        elif kind == "cgroup":
            for name in options.split(","):
                if name in ("freezer", "cpu", "memory", "blkio"):
                    found[name] = target
    return found


def writable(kind):
    target = mounts().get(kind)
    return bool(target) and os.access(target, os.W_OK)


class Group:
    """A group `PREFIX + tag` below the mount of `kind` ("v2", "freezer", "cpu")."""

    def __init__(self, kind, tag):
        self.path = pathlib.Path(mounts()[kind]) / (PREFIX + tag)
        self.path.mkdir()

    def write(self, name, value):
        (self.path / name).write_text(str(value))

    def read(self, name):
        return (self.path / name).read_text()

    def add(self, pid):
        self.write("cgroup.procs", pid)

    def child(self, name):
        """A group below this one."""
        group = object.__new__(Group)
        group.path = self.path / name
        group.path.mkdir()
        return group

    def throttled(self):
        """Periods in which its CPU quota ran out."""
        return int(dict(line.split() for line in self.read("cpu.stat").splitlines())["nr_throttled"])


def sweep(tag):
    """Thaws, empties and removes the groups of tag, and those below them, whoever made them."""
    for target in set(mounts().values()):
        top = pathlib.Path(target) / (PREFIX + tag)
        if not top.exists():
            continue
        below = [path for path in top.rglob("*") if path.is_dir()]
        for group in sorted(below, reverse=True) + [top]:
            remove(group)


def remove(group):
    for name, thawed in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
        if (group / name).exists():
            (group / name).write_text(thawed)
    deadline = time.monotonic() + 10
    while read(group / "cgroup.procs").split() and time.monotonic() < deadline:
        for pid in read(group / "cgroup.procs").split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.01)
    while time.monotonic() < deadline:  # the last task may still be on its way out
        try:
            group.rmdir()
            break
        except OSError:
            time.sleep(0.01)
