# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the lab fetches once: Debian's stock kernel, and a newer QEMU that is unpacked, never installed.

Packages come through apt with lists and a cache of its own, so that the system's apt stays as it is.
The store lies in $VMHANG_CACHE, else in ~/.cache/vmhang.
"""
import fcntl
import functools
import hashlib
import lzma
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile

import process
from stage import Qemu, Skip

STORE = pathlib.Path(os.environ.get("VMHANG_CACHE") or pathlib.Path.home() / ".cache" / "vmhang")
SOURCES = """\
deb [signed-by={key}] http://deb.debian.org/debian {release} main
deb [signed-by={key}] http://deb.debian.org/debian {release}-backports main
"""
# What the nested host loads (lab/nested.py).
NESTED_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "kvm_amd")
# What the lab's guests may load, with all that they need (drivers()).
GUEST_MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_scsi", "virtio_console", "virtiofs", "sd_mod",
                 "ahci", "ata_piix", "nvme", "crc32c_generic", "ext4", "pvpanic", "pvpanic_pci", "pvpanic_mmio",
                 "i6300esb", "ib700wdt", "softdog", "kvm_amd", "e1000")
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


def apt():
    """apt-get and its options: the store's own sources, lists and cache."""
    home = STORE / "apt"
    for folder in ("lists/partial", "archives/partial"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    sources = home / "sources.list"
    sources.write_text(SOURCES.format(key=KEY, release=release()))
    options = {"Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "-",
               "Dir::State::lists": home / "lists", "Dir::Cache": home,
               "Dir::Cache::archives": home / "archives", "Debug::NoLocking": "1",
               "APT::Sandbox::User": "", "Acquire::Languages": "none",
               "Acquire::http::Timeout": "20", "Acquire::Retries": "1"}
    command = ["apt-get", "-q", "-y"]
    for key, value in options.items():
        command += ["-o", f"{key}={value}"]
    if not any((home / "lists").glob("*_Packages*")):
        run([*command, "update"], 180)
    return command


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
def fetch(arguments, target):
    """Downloads what apt-get finds for arguments (a command of it too), and unpacks it into target."""
    command = apt()
    archives = STORE / "apt" / "archives"
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


def module(path):
    """(name, names of the modules it needs, contents) of a kernel module."""
    data = path.read_bytes()
    if path.suffix == ".xz":
        data = lzma.decompress(data)
    needs = re.search(rb"\0depends=([^\0]*)\0", data)
    name = path.name.partition(".ko")[0].replace("-", "_")
    return name, needs[1].decode().split(",") if needs and needs[1] else [], data


def keep_modules(tree, names, target, numbered=True):
    """Copies the modules `names` and all they need into target, numbered in the order to load them where that
    is wanted."""
    paths = {path.name.partition(".ko")[0].replace("-", "_"): path for path in tree.rglob("*.ko*")}
    done = []

    def take(name):
        if name not in done and name in paths:  # else it is built in
            _, needs, data = module(paths[name])
            for needed in needs:
                take(needed)
            done.append(name)
            (target / (f"{len(done):02}-{name}.ko" if numbered else f"{name}.ko")).write_bytes(data)

    target.mkdir(exist_ok=True)
    for name in names:
        take(name)


@one_at_a_time
def linux(newer=False):
    """A folder with Debian's stock kernel, or its backports': `vmlinuz`, `release`, and `modules`, numbered
    in the order to load them; and `drivers`, what guests may load."""
    home = STORE / ("linux-backports" if newer else "linux")
    if (home / "release").exists() and set(GUEST_MODULES) <= set(process.read(home / "offered").split()):
        return home
    wanted = release() + ("-backports" if newer else "")
    text = run(["apt-cache", *apt()[3:], "-o", f"APT::Default-Release={wanted}", "depends",
                "linux-image-amd64"], 60)
    package = re.search(r"Depends: linux-image-(\S+)", text)
    if not package:
        raise Skip(f"no linux-image-amd64 in {wanted}")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    fetch(["download", f"linux-image-{package[1]}"], home / "root")
    shutil.copy(home / "root" / "boot" / f"vmlinuz-{package[1]}", home / "vmlinuz")
    keep_modules(home / "root" / "lib" / "modules" / package[1], NESTED_MODULES, home / "modules")
    keep_modules(home / "root" / "lib" / "modules" / package[1], GUEST_MODULES, home / "drivers", numbered=False)
    shutil.rmtree(home / "root")
    (home / "offered").write_text("\n".join(GUEST_MODULES) + "\n")
    (home / "release").write_text(package[1] + "\n")
    return home


def kernel():
    """Path of Debian's stock kernel."""
    return linux() / "vmlinuz"


def drivers(names, newer=False):
    """[(file name, contents)] of the modules `names` (of GUEST_MODULES) and all they need, in the order to load
    them. What the kernel has built in is left out."""
    home = linux(newer) / "drivers"
    done = {}

    def take(name):
        path = home / f"{name}.ko"
        if f"{name}.ko" in done or not path.exists():
            return
        _, needs, data = module(path)
        for needed in needs:
            take(needed)
        done[f"{name}.ko"] = data

    for name in names:
        take(name)
    return list(done.items())


def headers():
    """The build tree for modules of linux(), with a Makefile that finds the rest where it was unpacked."""
    home = linux() / "headers"
    version = process.read(linux() / "release").strip()
    tree = home / "usr" / "src" / f"linux-headers-{version}"
    if tree.exists():
        return tree
    common = f"linux-headers-{version.rsplit('-', 1)[0]}-common"
    kbuild = f"linux-kbuild-{'.'.join(version.split('.')[:2])}"
    fetch(["download", tree.name, common, kbuild], home)
    makefile = tree / "Makefile"
    makefile.write_text(makefile.read_text().replace("include /usr/src/", f"include {home}/usr/src/"))
    return tree


def own_module(source):
    """Contents of the kernel module that is built, for linux(), of a C file of lab/guests/kernel/. It is kept as
    long as source and kernel stay the same."""
    for tool in ("make", "gcc"):
        if not shutil.which(tool):
            raise Skip(f"no {tool} to build a kernel module with")
    text = source.read_bytes()
    home = linux() / "own"
    home.mkdir(exist_ok=True)
    kept = home / f"{source.stem}-{hashlib.sha256(text).hexdigest()[:16]}.ko"
    with open(home / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # scenarios play side by side
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=home) as folder:
                folder = pathlib.Path(folder)
                (folder / source.name).write_bytes(text)
                (folder / "Makefile").write_text(f"obj-m := {source.stem}.o\n")
                run(["make", "-C", headers(), f"M={folder}", "CC=gcc", "modules"], 300)
                built = folder / f"{source.stem}.ko"
                run(["strip", "--strip-debug", built], 60)
                built.rename(kept)
    return kept.read_bytes()


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


def busybox():
    for path in ("/bin/busybox", "/usr/bin/busybox"):
        if os.path.exists(path):
            linked = subprocess.run(["ldd", path], capture_output=True, text=True)
            if "=>" not in linked.stdout:
                return pathlib.Path(path).read_bytes()
    raise Skip("no static busybox (package busybox-static)")


def initramfs(init, path, modules=(), files=()):
    """An initramfs at path whose init is the busybox shell script `init`; first it loads the modules, as drivers()
    gives them. files: further (path, mode, device, data)."""
    links = [(f"bin/{name}", stat.S_IFLNK | 0o777, 0, b"busybox")
             for name in ("sh", "mount", "echo", "sleep")]
    load = "".join(f"busybox insmod /modules/{name}\n" for name, _ in modules)
    path.write_bytes(cpio([
        *((folder, stat.S_IFDIR | 0o755, 0, b"") for folder in ("bin", "dev", "proc", "sys", "modules")),
        ("dev/console", stat.S_IFCHR | 0o600, os.makedev(5, 1), b""),
        ("bin/busybox", stat.S_IFREG | 0o755, 0, busybox()), *links,
        *((f"modules/{name}", stat.S_IFREG | 0o644, 0, data) for name, data in modules), *files,
        ("init", stat.S_IFREG | 0o755, 0, f"#!/bin/sh\n{load}{init}".encode())]))
    return path
