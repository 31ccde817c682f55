#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt domains under a real libvirtd: `vmhang list` and `vmhang diagnose NAME`.

tests/live/run.py runs this file inside mount and PID namespaces of its own: libvirtd's files lie on a tmpfs that
nobody else sees, and whatever it started ends with the namespace. It prints a JSON line a row.
"""
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

import process  # noqa: E402
from guests import guest  # noqa: E402
from stage import LabError, have_kvm  # noqa: E402

FOLDERS = ("/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt",
           "/run/libvirt")
LOG = "/var/log/libvirt/libvirtd.out"
QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
namespaces = []
cgroup_controllers = []
remember_owner = 0
"""
DOMAIN = """\
<domain type='{kind}'>
  <name>{name}</name>
  <memory unit='MiB'>2</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><loader type='rom'>{rom}</loader></os>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/></devices>
</domain>
"""
NAMESPACES = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc",
              "--kill-child=SIGKILL"]
# The namespace's first process must reap what libvirtd leaves, or libvirtd waits for it for ever.
REAPER = '"$@" & wait $!'
DOMAINS = {"lab-spinning": "spin", "lab-paused": "idle", "lab-stopped": "idle"}


def missing():
    """Why this cannot be done here, or None."""
    if os.geteuid():
        return "libvirtd needs root"
    for program in ("libvirtd", "virsh", "unshare"):
        if not shutil.which(program):
            return f"no {program}"
    probe = subprocess.run([*NAMESPACES, "true"], stdin=subprocess.DEVNULL, capture_output=True)
    return f"no namespaces of our own: {probe.stderr.decode().strip()}" if probe.returncode else None


def run(vmhang, table):
    """Called by run.py: runs this file in namespaces of its own, and shows its rows."""
    reason = missing()
    if reason:
        return table.row("skipped", "libvirt", "", reason)
    done = subprocess.run(
        [*NAMESPACES, "sh", "-c", REAPER, "sh", "/usr/bin/python3", __file__, vmhang.program],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=180)
    for line in done.stdout.decode().splitlines():
        table.row(**json.loads(line))
    if done.returncode:
        table.row("failed", "libvirt", "", f"the test ended with {done.returncode}")
    return None


def virsh(*arguments, seconds=30):
    # virsh may ignore SIGTERM: subprocess ends it with SIGKILL.
    return subprocess.run(["virsh", "-q", "-c", "qemu:///system", *arguments], timeout=seconds,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)


def until(what, happens, seconds=30):
    deadline = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > deadline:
            raise LabError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def add_account(path, line):
    """libvirtd looks its default user up even where qemu.conf names another; the daemon's package
    alone does not make it. So the files get the line, in this namespace."""
    name = line.partition(":")[0]
    text = pathlib.Path(path).read_text()
    if any(known.startswith(f"{name}:") for known in text.splitlines()):
        return
    ours = f"/run/libvirt/{os.path.basename(path)}"
    pathlib.Path(ours).write_text(f"{text}{line}\n")
    process.mount(ours, path, "", flags=process.MS_BIND)


def start_libvirtd():
    for folder in FOLDERS:
        os.makedirs(folder, exist_ok=True)
        process.mount("vmhang-lab", folder, "tmpfs", "mode=755")
    pathlib.Path("/etc/libvirt/qemu.conf").write_text(QEMU_CONF)
    add_account("/etc/passwd", "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin")
    add_account("/etc/group", "libvirt-qemu:x:64055:")
    with open(LOG, "wb") as log:
        daemon = subprocess.Popen(["libvirtd", "-p", "/run/libvirt/lab.pid"], stdout=log,
                                  stdin=subprocess.DEVNULL, stderr=log)
    until("libvirtd answers", lambda: virsh("list").returncode == 0)
    return daemon


def create(name, rom):
    path = pathlib.Path(f"/run/libvirt/{name}.xml")
    path.write_text(DOMAIN.format(kind="kvm" if have_kvm() else "qemu", name=name,
                                  rom=guest(rom)))
    done = virsh("create", str(path))
    if done.returncode:
        raise LabError(f"virsh create {name}: {done.stderr.strip()}")
    return int(pathlib.Path(f"/run/libvirt/qemu/{name}.pid").read_text())


def say(outcome, name, expected, got, seconds=None, problems=()):
    print(json.dumps({"outcome": outcome, "name": name, "expected": expected, "got": got,
                      "seconds": seconds, "problems": list(problems)}), flush=True)


def check_list(program):
    done = subprocess.run([program, "list", "--json"], capture_output=True, timeout=30)
    vms = json.loads(done.stdout)["vms"]
    problems = []
    for name in DOMAINS:
        found = [vm for vm in vms if vm["name"] == name]
        if len(found) != 1:
            problems.append(f"{name} is listed {len(found)} times")
        elif not found[0]["libvirt"]["managed"]:
            problems.append(f"{name} is not known to be libvirt's")
    say("failed" if problems else "passed", "libvirt-list", "every domain once, as libvirt's",
        f"{len(vms)} VMs", None, problems)


def check_diagnose(program, label, who, cause, limit, monitor=None):
    """Diagnoses `who` and compares the cause; monitor: how the monitor must have been reached."""
    began = time.monotonic()
    done = subprocess.run([program, "diagnose", who, "--json"], capture_output=True, timeout=60)
    seconds = time.monotonic() - began
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return say("failed", label, cause, "no JSON", seconds,
                   [done.stderr.decode(errors="replace").strip()])
    verdict, problems = report["verdict"], []
    if verdict["cause"] != cause:
        problems.append(f"cause is {verdict['cause']}; monitor {report['monitor']}")
    address = report["monitor"]["address"] or ""
    if monitor and not address.startswith(monitor):
        problems.append(f"the monitor was reached by {address!r}, not {monitor!r}")
    if seconds > limit:
        problems.append(f"took {seconds:.1f} s, {limit:.1f} s at most")
    return say("failed" if problems else "passed", label, cause,
               f"{verdict['cause'] or 'unknown'} ({verdict['state']}, {verdict['confidence']})",
               seconds, problems)


def main():
    program = sys.argv[1]
    try:
        daemon = start_libvirtd()
        pids = {name: create(name, rom) for name, rom in DOMAINS.items()}
        virsh("suspend", "lab-paused")
        os.kill(pids["lab-stopped"], signal.SIGSTOP)
        until("the domain is stopped", lambda: process.state(pids["lab-stopped"]) == "T")
        check_list(program)
        check_diagnose(program, "libvirt-spinning", "lab-spinning", "guest-spins-irqs-off", 5,
                       "libvirt")
        check_diagnose(program, "libvirt-paused", "lab-paused", "vm-paused", 5, "libvirt")
        check_diagnose(program, "libvirt-stopped", "lab-stopped", "process-stopped", 6)
        os.kill(daemon.pid, signal.SIGSTOP)
        until("libvirtd is stopped", lambda: process.state(daemon.pid) == "T")
        # One deadline for finding out who it is, one for the monitor, and the window.
        check_diagnose(program, "libvirtd-stopped-by-pid", str(pids["lab-stopped"]),
                       "process-stopped", 7)
        check_diagnose(program, "libvirtd-stopped-by-name", "lab-stopped", "process-stopped", 7)
    except (LabError, OSError, subprocess.TimeoutExpired) as error:
        say("failed", "libvirt", "", type(error).__name__, None,
            [str(error), *process.read(LOG).splitlines()[-8:]])


if __name__ == "__main__":
    # Elsewhere it would mount over the host's own /etc/libvirt, and leave domains behind.
    if os.path.basename(__file__) not in process.read("/proc/1/cmdline"):
        sys.exit("domains.py: only tests/live/run.py runs this, in namespaces of its own "
                 "(run.py VMHANG --only libvirt)")
    main()
