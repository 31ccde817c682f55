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
                if name in ("freezer", "cpu"):
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


def sweep(tag):
    """Thaws, empties and removes the groups of tag, whoever made them."""
    for target in set(mounts().values()):
        group = pathlib.Path(target) / (PREFIX + tag)
        if not group.exists():
            continue
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
