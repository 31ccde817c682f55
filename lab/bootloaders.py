# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks with a real GRUB, made to order: BIOS disks, and folders that UEFI boots from."""
import os
import subprocess
import tarfile

import store
from stage import LabError

# What a GRUB needs to show itself on the screen and on the serial port.
CONSOLES = """\
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
"""
MODULES = ("memdisk", "tar", "serial", "terminal", "configfile", "echo", "sleep", "test", "normal")


def _mkimage(kind, output, config, modules, folder, menu=None, prefix="(memdisk)/grub"):
    """core image of `kind` (i386-pc, x86_64-efi) whose first commands are `config`. Where there is a
    `menu`, it is the grub.cfg that the normal mode reads."""
    home = store.grub()
    early = folder / "early.cfg"
    if menu is not None:
        config += "normal (memdisk)/grub/grub.cfg\n"
    early.write_text(config)
    command = [home / "usr/bin/grub-mkimage", "-O", kind, "-d", home / "usr/lib/grub" / kind,
               "-c", early, "-o", output, "-p", prefix]
    if menu is not None:
        (folder / "grub").mkdir(exist_ok=True)
        (folder / "grub" / "grub.cfg").write_text(menu)
        with tarfile.open(folder / "memdisk.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
            archive.add(folder / "grub", "grub")
        command += ["-m", folder / "memdisk.tar"]
    done = subprocess.run(
        [str(part) for part in [*command, *modules]], capture_output=True, timeout=60,
        env={**os.environ, "LD_LIBRARY_PATH": str(home / "usr/lib/x86_64-linux-gnu")})
    if done.returncode:
        raise LabError(f"grub-mkimage: {done.stderr.decode(errors='replace').strip()}")
    return output


def menu(timeout):
    """A grub.cfg with two entries and that time-out in seconds, -1 for none."""
    return CONSOLES + f"""\
set timeout={timeout}
menuentry "Debian GNU/Linux" {{ echo }}
menuentry "Memory test" {{ echo }}
"""


def _disk(folder, core):
    boot = (store.grub() / "usr/lib/grub/i386-pc/boot.img").read_bytes()
    disk = folder / "disk.img"
    with open(disk, "wb") as out:
        out.write(boot[:510] + b"\x55\xaa" + core.read_bytes())
        out.truncate(8 << 20)
    return disk


def grub_disk(folder, config, menu=None):
    """Path of a BIOS disk in `folder` whose GRUB runs `config`, and shows the menu or its prompt."""
    folder.mkdir(exist_ok=True)
    return _disk(folder, _mkimage("i386-pc", folder / "core.img", config,
                                  ("biosdisk", "part_msdos", *MODULES), folder, menu))


def grub_without_files(folder):
    """Path of a BIOS disk in `folder` whose GRUB does not find the partition with its files."""
    folder.mkdir(exist_ok=True)
    return _disk(folder, _mkimage("i386-pc", folder / "core.img", "", ("biosdisk", "part_msdos"),
                                  folder, prefix="(hd0,msdos1)/boot/grub"))


def grub_efi(folder, config, menu=None):
    """A folder that QEMU shows as a FAT disk, and UEFI boots: GRUB that runs `config`."""
    root = folder / "esp"
    (root / "EFI" / "BOOT").mkdir(parents=True)
    _mkimage("x86_64-efi", root / "EFI" / "BOOT" / "BOOTX64.EFI", config, MODULES, folder, menu)
    return root
