# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the lab fetches once, and unpacks without installing it: a newer QEMU, GRUB, and kernels (lab/kernels.py).

Packages come through apt with lists and a cache of its own, so that the system's apt stays as it is.
The store lies in $VMHANG_CACHE, else in ~/.cache/vmhang.
"""
import fcntl
import functools
import os
import pathlib
import re
import shutil
import stat
import subprocess

import process
from stage import Qemu, Skip

STORE = pathlib.Path(os.environ.get("VMHANG_CACHE") or pathlib.Path.home() / ".cache" / "vmhang")
SOURCE = "deb [signed-by={key}] http://deb.debian.org/debian {suite} main\n"
LOCKED = []  # the lock that this process holds
KEY = "/usr/share/keyrings/debian-archive-keyring.gpg"


def release():
    """Code name of this Debian release; skips elsewhere."""
    found = dict(line.split("=", 1) for line in process.read("/etc/os-release").splitlines()
                 if "=" in line)
    if found.get("ID") != "debian" or not shutil.which("apt-get") or not os.path.exists(KEY):
        raise Skip("fetching packages is done on Debian only")
    return found.get("VERSION_CODENAME", "").strip('"')


def run(command, seconds, folder=None):
    try:
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, cwd=folder,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise Skip(f"{command[0]} did not end within {seconds} s") from error
    text = done.stdout.decode(errors="replace")
    if done.returncode:
        raise Skip(f"{command[0]} failed: {text.strip().splitlines()[-1] if text.strip() else '?'}")
    return text


def apt(suite=None, arch="amd64"):
    """apt-get and its options: the store's own lists and cache, of this release and its backports, or of another
    suite, or architecture."""
    own = (release(), f"{release()}-backports")
    suites = own if suite in (None, *own) else (suite,)
    home = STORE / ("apt" + ("" if suites == own else f"-{suite}") + ("" if arch == "amd64" else f"-{arch}"))
    for folder in (home / "lists" / "partial", STORE / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    sources = home / "sources.list"
    sources.write_text("".join(SOURCE.format(key=KEY, suite=each) for each in suites))
    options = {"Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "-",
               "Dir::State::lists": home / "lists", "Dir::Cache": home,
               "Dir::Cache::archives": STORE / "archives", "Debug::NoLocking": "1",
               "APT::Sandbox::User": "", "Acquire::Languages": "none",
               "Acquire::http::Timeout": "20", "Acquire::Retries": "1"}
    command = ["apt-get", "-q", "-y"]
    if arch != "amd64":
        options |= {"APT::Architecture": arch, "APT::Architectures": arch}
    for key, value in options.items():
        command += ["-o", f"{key}={value}"]
    if not any((home / "lists").glob("*_Packages*")):
        run([*command, "update"], 180)
    return command


def apt_cache(suite, *arguments, arch="amd64"):
    """What apt-cache prints of a suite."""
    return run(["apt-cache", *apt(suite, arch)[3:], *arguments], 60)


def one_at_a_time(function):
    """Plays of several processes share the store: one of them fetches, the others wait for it."""
    @functools.wraps(function)
    def locked(*arguments, **more):
        if LOCKED:
            return function(*arguments, **more)
        STORE.mkdir(parents=True, exist_ok=True)
        with open(STORE / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            LOCKED.append(lock)
            try:
                return function(*arguments, **more)
            finally:
                LOCKED.pop()
    return locked


@one_at_a_time
def fetch(arguments, target, suite=None, arch="amd64"):
    """Downloads what apt-get finds for arguments (a command of it too), and unpacks it into target."""
    command = apt(suite, arch)
    archives = STORE / "archives"
    for old in archives.glob("*.deb"):
        old.unlink()
    run([*command, *arguments], 600, archives)
    unpacked = target.with_name(target.name + ".partial")
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(parents=True)
    for package in archives.glob("*.deb"):
        run(["dpkg-deb", "-x", package, unpacked], 120)
        package.unlink()
    unpacked.rename(target)


@one_at_a_time
def newer_qemu():
    """QEMU of the release's backports, with the libraries it needs, beside the system's."""
    home = STORE / "qemu-backports"
    if not home.exists():
        fetch(["--download-only", "--no-install-recommends", "-t", f"{release()}-backports",
               "install", "qemu-system-x86"], home)
    program = home / "usr" / "bin" / "qemu-system-x86_64"
    if not program.exists():
        raise Skip("the backports hold no newer QEMU")
    libraries = home / "usr" / "lib" / "x86_64-linux-gnu"
    environment = {"LD_LIBRARY_PATH": str(libraries),
                   "QEMU_MODULE_DIR": str(libraries / "qemu")}
    version = subprocess.run([program, "--version"], env={**os.environ, **environment},
                             capture_output=True, text=True).stdout
    found = re.search(r"version (\d+\.\d+)", version)
    if not found:
        raise Skip("the newer QEMU does not run here")
    data = [part for folder in ("share/qemu", "share/seabios")
            for part in ("-L", str(home / "usr" / folder)) if (home / "usr" / folder).exists()]
    data += ["-L", "/usr/share/seabios"]
    return Qemu(f"qemu-{found[1]}", [str(program), *data], environment)


def grub():
    """A folder with GRUB's own tools and modules, for BIOS and UEFI (usr/bin, usr/lib/grub)."""
    home = STORE / "grub"
    if not (home / "usr" / "bin" / "grub-mkimage").exists():
        shutil.rmtree(home, ignore_errors=True)
        fetch(["download", "grub-pc-bin", "grub-efi-amd64-bin", "grub-common",
               "libdevmapper1.02.1"], home)
    return home


def cpio(entries):
    """A newc archive, as the kernel unpacks it. entries: (path, mode, device, data)."""
    out = b""
    for number, (path, mode, device, data) in enumerate([*entries, ("TRAILER!!!", 0, 0, b"")], 1):
        name = path.encode() + b"\0"
        fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, os.major(device), os.minor(device),
                  len(name), 0]
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
        out += head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
    return out


def busybox(arch="amd64"):
    """Contents of a static busybox: the system's own, or what the archive has for another architecture."""
    if arch != "amd64":
        home = STORE / f"busybox-{arch}"
        if not home.exists():
            fetch(["download", "busybox-static"], home, arch=arch)
        programs = [path for path in (home / "bin" / "busybox", home / "usr" / "bin" / "busybox") if path.exists()]
        if not programs:
            raise Skip(f"the package of {arch} holds no busybox")
        return programs[0].read_bytes()
    for path in ("/bin/busybox", "/usr/bin/busybox"):
        if os.path.exists(path):
            linked = subprocess.run(["ldd", path], capture_output=True, text=True)
            if "=>" not in linked.stdout:
                return pathlib.Path(path).read_bytes()
    raise Skip("no static busybox (package busybox-static)")


def initramfs(init, path, modules=(), files=(), arch="amd64"):
    """An initramfs at path whose init is the busybox shell script `init`; first it loads the modules, as drivers()
    gives them. files: further (path, mode, device, data)."""
    links = [(f"bin/{name}", stat.S_IFLNK | 0o777, 0, b"busybox")
             for name in ("sh", "mount", "echo", "sleep")]
    load = "".join(f"busybox insmod /modules/{name}\n" for name, _ in modules)
    path.write_bytes(cpio([
        *((folder, stat.S_IFDIR | 0o755, 0, b"") for folder in ("bin", "dev", "proc", "sys", "modules")),
        ("dev/console", stat.S_IFCHR | 0o600, os.makedev(5, 1), b""),
        ("bin/busybox", stat.S_IFREG | 0o755, 0, busybox(arch)), *links,
        *((f"modules/{name}", stat.S_IFREG | 0o644, 0, data) for name, data in modules), *files,
        ("init", stat.S_IFREG | 0o755, 0, f"#!/bin/sh\n{load}{init}".encode())]))
    return path
