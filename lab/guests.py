# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds the guests of lab/guests/: 64 KiB ROMs, and boot sectors (sector-*)."""
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE / "guests"
BUILT = HERE.parent / ".cache" / "guests"
BOOT_SECTOR_ADDRESS = 0x7C00


def guest(name):
    """Path of the guest's image, built if its source is newer."""
    source, image = SOURCES / f"{name}.S", BUILT / f"{name}.bin"
    newest = max(path.stat().st_mtime for path in (source, *SOURCES.glob("*.inc")))
    if image.exists() and image.stat().st_mtime > newest:
        return image
    BUILT.mkdir(parents=True, exist_ok=True)
    origin = BOOT_SECTOR_ADDRESS if name.startswith("sector-") else 0
    # Scenarios play side by side: nobody may see half an image.
    unlinked, linked = (image.with_suffix(f".{os.getpid()}.{end}") for end in ("o", "bin"))
    try:
        subprocess.run(["as", "--32", "-I", SOURCES, "-o", unlinked, source], check=True)
        subprocess.run(["ld", "-m", "elf_i386", f"-Ttext={origin:#x}", "--oformat", "binary",
                        "-o", linked, unlinked], check=True)
        linked.rename(image)
    finally:
        unlinked.unlink(missing_ok=True)
    return image


def boot_disk(sector, path, size):
    """A sparse raw disk at path, with the boot sector `sector`."""
    with open(path, "wb") as disk:
        disk.write(guest(sector).read_bytes())
        disk.truncate(size)
    return path
