# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stock kernels of Debian's releases for the lab's guests, each fetched once (lab/store.py): the image, modules, and
what a module of our own is built against."""
import dataclasses
import fcntl
import hashlib
import lzma
import pathlib
import re
import shutil
import tempfile

import process
from stage import Skip
from store import STORE, apt_cache, fetch, one_at_a_time, run

# What the nested host loads (lab/nested.py).
NESTED_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "kvm_amd")
# What the lab's guests may load, with all that they need (drivers()).
GUEST_MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_scsi", "virtio_console", "virtiofs", "sd_mod",
                 "ahci", "ata_piix", "nvme", "crc32c_generic", "ext4", "pvpanic", "pvpanic_pci", "pvpanic_mmio",
                 "i6300esb", "ib700wdt", "softdog", "kvm_amd", "e1000")
STOCK, NEWER = "6.1", "6.12"


@dataclasses.dataclass(frozen=True)
class Kernel:
    suite: str    # of Debian
    version: str  # pattern of what follows linux-image- in a package's name; the newest of them is taken
    about: str    # what it is there for
    arch: str = "amd64"


KERNELS = {
    "5.10": Kernel("bullseye", r"5\.10\.0-\d+-amd64", "the first with the lockless log"),
    "6.1": Kernel("bookworm", r"6\.1\.0-\d+-amd64", "the lab's own; maple trees"),
    "6.1-cloud": Kernel("bookworm", r"6\.1\.0-\d+-cloud-amd64", "the same, built for guests"),
    "6.12": Kernel("bookworm-backports", r"6\.12\.\d+\+deb12-amd64", "tables of symbols in another order; pcpu_hot"),
    "6.16-cloud": Kernel("trixie-backports", r"6\.16\.\d+\+deb13-cloud-amd64", ""),
    "6.17-cloud": Kernel("trixie-backports", r"6\.17\.\d+\+deb13-cloud-amd64", ""),
    "6.18-cloud": Kernel("trixie-backports", r"6\.18\.\d+\+deb13-cloud-amd64", ""),
    "7.2-cloud": Kernel("sid", r"7\.2\.\d+\+deb14-cloud-amd64", ""),
    "7.3-cloud": Kernel("trixie-backports", r"7\.3\.\d+\+deb13-cloud-amd64", "symbols relative to their place"),
}
# Of 64-bit ARM.
ARM_KERNELS = {
    "6.1-arm64": Kernel("bookworm", r"6\.1\.0-\d+-arm64", "4 levels, pointer authentication", "arm64"),
    "6.12-arm64": Kernel("bookworm-backports", r"6\.12\.\d+\+deb12-cloud-arm64",
                         "5 levels where the CPU has LPA2", "arm64"),
}


def described(name):
    return (KERNELS | ARM_KERNELS)[name]


def numbers(text):
    return [int(part) for part in re.findall(r"\d+", text)]


def version_of(kernel):
    """The newest version that its suite has."""
    text = apt_cache(kernel.suite, "pkgnames", "linux-image-", arch=kernel.arch)
    found = [name[len("linux-image-"):] for name in text.split()
             if re.fullmatch(f"linux-image-{kernel.version}", name)]
    if not found:
        raise Skip(f"{kernel.suite} has no linux-image-{kernel.version}")
    return max(found, key=numbers)


def packages_of(kernel, version):
    """What holds image and modules: one package, or one each (7.x)."""
    text = apt_cache(kernel.suite, "depends", f"linux-image-{version}", arch=kernel.arch)
    parts = re.findall(rf"Depends: (linux-(?:binary|modules)-{re.escape(version)})$", text, re.M)
    return parts or [f"linux-image-{version}"]


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
def linux_of(name=STOCK):
    """A folder with the kernel of that name: `vmlinuz`, `release`, and `modules`, numbered in the order to load them;
    and `drivers`, what guests may load."""
    home = STORE / f"linux-{name}"
    if (home / "release").exists() and set(GUEST_MODULES) <= set(process.read(home / "offered").split()):
        return home
    kernel = described(name)
    version = version_of(kernel)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    fetch(["download", *packages_of(kernel, version)], home / "root", kernel.suite, kernel.arch)
    images = [path for path in (home / "root").rglob("vmlinuz*") if path.is_file()]
    trees = [path for path in (home / "root").rglob(f"lib/modules/{version}") if path.is_dir()]
    if not images or not trees:
        raise Skip(f"the packages of Linux {version} hold no image, or no modules")
    shutil.copy(images[0], home / "vmlinuz")
    keep_modules(trees[0], NESTED_MODULES, home / "modules")
    keep_modules(trees[0], GUEST_MODULES, home / "drivers", numbered=False)
    shutil.rmtree(home / "root")
    (home / "offered").write_text("\n".join(GUEST_MODULES) + "\n")
    (home / "release").write_text(version + "\n")
    return home


def image(name=STOCK):
    """Path of a kernel."""
    return linux_of(name) / "vmlinuz"


def drivers(names, kernel=STOCK):
    """[(file name, contents)] of the modules `names` (of GUEST_MODULES) and all they need, in the order to load
    them. What the kernel has built in is left out."""
    home = linux_of(kernel) / "drivers"
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


def headers(kernel=STOCK):
    """The build tree for modules of a kernel, with a Makefile that finds the rest where it was unpacked."""
    home = linux_of(kernel) / "headers"
    version = process.read(linux_of(kernel) / "release").strip()
    tree = home / "usr" / "src" / f"linux-headers-{version}"
    if tree.exists():
        return tree
    suite = KERNELS[kernel].suite
    text = apt_cache(suite, "depends", tree.name)
    needs = re.findall(r"Depends: (linux-(?:headers-\S+-common|kbuild-\S+))$", text, re.M)
    fetch(["download", tree.name, *needs], home, suite)
    makefile = tree / "Makefile"
    makefile.write_text(makefile.read_text().replace("include /usr/src/", f"include {home}/usr/src/"))
    return tree


def own_module(source, kernel=STOCK):
    """Contents of the kernel module that is built, for a kernel, of a C file of lab/guests/kernel/. It is kept as
    long as source and kernel stay the same."""
    for tool in ("make", "gcc"):
        if not shutil.which(tool):
            raise Skip(f"no {tool} to build a kernel module with")
    text = source.read_bytes()
    home = linux_of(kernel) / "own"
    home.mkdir(exist_ok=True)
    kept = home / f"{source.stem}-{hashlib.sha256(text).hexdigest()[:16]}.ko"
    with open(home / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # scenarios play side by side
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=home) as folder:
                folder = pathlib.Path(folder)
                (folder / source.name).write_bytes(text)
                (folder / "Makefile").write_text(f"obj-m := {source.stem}.o\n")
                run(["make", "-C", headers(kernel), f"M={folder}", "CC=gcc", "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"], 300)
                built = folder / f"{source.stem}.ko"
                run(["strip", "--strip-debug", built], 60)
                built.rename(kept)
    return kept.read_bytes()
