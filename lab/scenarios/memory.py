# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host's memory."""
import os

import process
from scenario import Expect, Scenario


def ram_file(path, size):
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def backend(path, size):
    return ["-object", f"memory-backend-file,id=ram,mem-path={path},size={size}M,share=on",
            "-machine", "memory-backend=ram"]


def major_faults(vm):
    return int(process.stat_fields(vm.pid, vm.vcpu())[9])


def memory_limit(stage):
    """The guest walks over 200 MiB of file-backed memory, and may keep 48 MiB of it."""
    group = stage.group("memory")
    group.write("memory.limit_in_bytes", 48 << 20)
    path = ram_file(stage.tmp / "ram", 256 << 20)
    vm = stage.qemu(*backend(path, 256), rom="walk-memory", memory="256",
                    setup=lambda: group.add(os.getpid()))
    looks = [major_faults(vm)]

    def thrashes():
        looks.append(major_faults(vm))
        return len(looks) > 4 and all(b - a >= 10 for a, b in zip(looks[-4:], looks[-3:]))
    stage.until("the vCPU reads pages in all the time", thrashes, 60, 1)
    return vm


SCENARIOS = [
    # On a machine whose CPUs are taken it faults too seldom for an answer.
    Scenario("memory-limit", "a memory limit far below what the guest uses",
             Expect("memory-limit-thrash", "blocked", True, accept=(None,)), memory_limit,
             needs=("memory-v1",), accel="kvm", alone=True, quick=False),
]
