#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The nested host: a machine whose KVM is a real kvm_amd, so that kvm_exit fires, on any x86-64 machine.

  nested.py prepare [--kernel stock|newer]
  nested.py run [--kernel stock|newer] [--seconds N] [--out FOLDER] -- COMMAND...

It is Debian's stock kernel (newer: that of the backports) under QEMU's TCG, which emulates SVM, on this
machine's own root file system: read-only, over 9p, so that what was built here runs in there as it is.
/tmp, /run and /var/tmp are empty in there, but for this project where it lies in one of them. COMMAND runs as
root; a single argument is a line for the shell. What it leaves in /run/out comes back in FOLDER, next to
`stdout`, `stderr` and `console`. It needs no /dev/kvm, is at the command after some 6 s, and is about ten times
slower than this machine from there on.

Exit status: the command's; 124 where the time (default: 300 s) ran out, 125 where the machine broke down.
"""
import argparse
import os
import pathlib
import platform
import shlex
import shutil
import signal
import stat
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent
sys.path.insert(0, str(HERE))

import process  # noqa: E402
import kernels  # noqa: E402
import store  # noqa: E402
from stage import LabError, Skip, Stage  # noqa: E402

TIMED_OUT, BROKE_DOWN = 124, 125
QEMU = "qemu-system-x86_64"
# What is mounted over the file system of this machine in there: kind, where.
MOUNTS = (("proc", "proc"), ("sysfs", "sys"), ("devtmpfs", "dev"), ("tmpfs", "tmp"), ("tmpfs", "run"),
          ("tmpfs", "var/tmp"), ("cgroup2", "sys/fs/cgroup"), ("tracefs", "sys/kernel/tracing"),
          ("debugfs", "sys/kernel/debug"))
NINE_P = "trans=virtio,version=9p2000.L,msize=524288"
INIT = """#!/bin/sh
for module in /modules/*; do insmod $module || echo "nested: cannot load $module"; done
mount -t 9p -o {nine_p},ro,cache=loose root /mnt || exec poweroff -f
{mounts}
mkdir -p /mnt/run/out /mnt{top}
mount -t 9p -o {nine_p} out /mnt/run/out
mount -t 9p -o {nine_p},ro,cache=loose project /mnt{top} || exec poweroff -f
exec switch_root /mnt /bin/bash /run/out/.begin
"""
# Runs as process 1 in there. A process that ends there would be a panic of the kernel.
BEGIN = """\
cd /run/out
export HOME=/tmp PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb
>.began
setsid bash ./.command >stdout 2>stderr </dev/null
echo $? >.status
echo o >/proc/sysrq-trigger
sleep 60
"""


def why_not():
    """Why there can be no nested host here, or None."""
    if platform.machine() != "x86_64":
        return f"the nested host is x86-64, this machine is {platform.machine()}"
    if os.geteuid():
        return "the nested host shows all of this machine's file system, and so needs root"
    if not shutil.which(QEMU):
        return f"no {QEMU} (package qemu-system-x86)"
    return None


def initramfs(home, path):
    """Busybox, the modules of the kernel in home, and INIT, at path."""
    mounts = "\n".join(f"mount -t {kind} none /mnt/{where}" for kind, where in MOUNTS)
    init = INIT.format(nine_p=NINE_P, mounts=mounts, top=shlex.quote(str(TOP)))
    applets = ("sh", "mount", "insmod", "switch_root", "mkdir", "poweroff")
    path.write_bytes(store.cpio([
        *((folder, stat.S_IFDIR | 0o755, 0, b"") for folder in ("bin", "dev", "mnt", "modules")),
        ("dev/console", stat.S_IFCHR | 0o600, os.makedev(5, 1), b""),
        ("bin/busybox", stat.S_IFREG | 0o755, 0, store.busybox()),
        *((f"bin/{name}", stat.S_IFLNK | 0o777, 0, b"busybox") for name in applets),
        *((f"modules/{module.name}", stat.S_IFREG | 0o644, 0, module.read_bytes())
          for module in sorted((home / "modules").iterdir())),
        ("init", stat.S_IFREG | 0o755, 0, init.encode())]))
    return path


def comma(path):
    """As QEMU wants it in a list of options."""
    return str(path).replace(",", ",,")


def qemu_command(home, initrd, out):
    """One thread for both CPUs: with one each, a guest in there whose vCPU is kicked goes on with its host's
    registers, or the host hangs; seen with QEMU 7.2 and 10.0, once in 2,000 to 4,000 register queries. With one
    thread that did not happen in 22,200, and as many were answered in the same time."""
    shares = []
    for tag, options in (("root", "path=/,readonly=on,multidevs=remap"), ("out", f"path={comma(out)}"),
                         ("project", f"path={comma(TOP)},readonly=on,multidevs=remap")):
        shares += ["-fsdev", f"local,id={tag},security_model=none,{options}",
                   "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
    return [QEMU, "-nodefaults", "-no-reboot", "-display", "none", "-machine", "q35",
            "-accel", "tcg,thread=single,tb-size=512", "-cpu", "EPYC,+svm", "-smp", "2", "-m", "2048",
            "-kernel", home / "vmlinuz", "-initrd", initrd, "-serial", f"file:{out}/console",
            "-append", "console=ttyS0 quiet panic=1 mitigations=off tsc=reliable", *shares]


class Nested:
    """One run of the nested host, on a stage: of a line for the shell, or of a command's words."""

    def __init__(self, stage, command, newer=False, out=None):
        reason = why_not()
        if reason:
            raise Skip(reason)
        self.stage, self.out, self.shown = stage, out or stage.tmp / "out", 0
        self.out.mkdir(parents=True, exist_ok=True)
        for name in ("stdout", "stderr", "console", ".status", ".began"):
            (self.out / name).unlink(missing_ok=True)
        line = command if isinstance(command, str) else shlex.join(map(str, command))
        (self.out / ".command").write_text(line + "\n")
        (self.out / ".begin").write_text(BEGIN)
        home = kernels.linux_of(kernels.NEWER if newer else kernels.STOCK)
        self.began = time.time()
        self.popen = stage.spawn(
            qemu_command(home, initramfs(home, stage.tmp / "initrd"), self.out), log="nested.log")

    def wait(self, seconds, show=None):
        """The command's exit status; show(text) is called with its output as it comes."""
        deadline = time.monotonic() + seconds
        while self.popen.poll() is None:
            self.progress(show)
            if time.monotonic() > deadline:
                self.popen.kill()
                self.popen.wait()
                self.progress(show)
                return TIMED_OUT
            time.sleep(0.1)
        self.progress(show)
        status = process.read(self.out / ".status").strip()
        return int(status) if status else BROKE_DOWN

    def progress(self, show):
        text = process.read(self.out / "stdout")
        if show and len(text) > self.shown:
            show(text[self.shown:])
        self.shown = len(text)

    @property
    def boot_seconds(self):
        """From the start to the command; None where it never got there."""
        mark = self.out / ".began"
        return mark.stat().st_mtime - self.began if mark.exists() else None

    def trouble(self, status):
        """What a person needs to see of a run that did not end well."""
        if status not in (TIMED_OUT, BROKE_DOWN):
            return f"the command ended with {status}\n" + process.read(self.out / "stderr")[-3000:]
        log = [line for line in process.read(self.stage.tmp / "nested.log").splitlines()
               if "TCG doesn't support requested feature" not in line]
        what = "was not done in time" if status == TIMED_OUT else "broke down"
        return "\n".join([f"the nested host {what}", *log,
                          process.read(self.out / "console")[-3000:],
                          process.read(self.out / "stdout")[-1000:]])


def run(arguments):
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        sys.exit("nested: run what?")
    command = words[0] if len(words) == 1 else words
    out = pathlib.Path(arguments.out).resolve() if arguments.out else None

    def show(text):
        sys.stdout.write(text)
        sys.stdout.flush()

    with Stage("nested") as stage:
        machine = Nested(stage, command, arguments.kernel == "newer", out)
        status = machine.wait(arguments.seconds, show)
        sys.stderr.write(process.read(machine.out / "stderr"))
        if status in (TIMED_OUT, BROKE_DOWN):
            print(f"nested: {machine.trouble(status)}", file=sys.stderr)
    return status


def prepare(arguments):
    reason = why_not()
    if reason:
        raise Skip(reason)
    home = kernels.linux_of(kernels.NEWER if arguments.kernel == "newer" else kernels.STOCK)
    store.busybox()
    print(f"{home}: {process.read(home / 'release').strip()}")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, action in (("prepare", prepare), ("run", run)):
        command = commands.add_parser(name)
        command.add_argument("--kernel", choices=("stock", "newer"), default="stock")
        command.set_defaults(action=action)
    command.add_argument("--seconds", type=float, default=300)
    command.add_argument("--out")
    command.add_argument("words", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()

    def interrupt(*_):
        raise KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        sys.exit(arguments.action(arguments))
    except (LabError, Skip) as error:
        sys.exit(f"nested: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
