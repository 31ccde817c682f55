# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds the guests of lab/guests/: 64 KiB ROMs, and boot sectors (sector-*)."""
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE / "guests"
BUILT = HERE.parent / ".cache" / "guests"
BOOT_SECTOR_ADDRESS = 0x7C00


def guest(name):
    """Path of the guest's image, built if its source is newer."""
    source, image = SOURCES / f"{name}.S", BUILT / f"{name}.bin"
    newest = max(source.stat().st_mtime, (SOURCES / "machine.inc").stat().st_mtime)
    if image.exists() and image.stat().st_mtime > newest:
        return image
    BUILT.mkdir(parents=True, exist_ok=True)
    origin = BOOT_SECTOR_ADDRESS if name.startswith("sector-") else 0
    unlinked = image.with_suffix(".o")
    subprocess.run(["as", "--32", "-I", SOURCES, "-o", unlinked, source], check=True)
    subprocess.run(["ld", "-m", "elf_i386", f"-Ttext={origin:#x}", "--oformat", "binary",
                    "-o", image, unlinked], check=True)
    return image


def boot_disk(sector, path, size):
    """A sparse raw disk at path, with the boot sector `sector`."""
    with open(path, "wb") as disk:
        disk.write(guest(sector).read_bytes())
        disk.truncate(size)
    return path
