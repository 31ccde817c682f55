# SPDX-License-Identifier: LGPL-2.1-or-later
"""Firmware and boot loaders: nothing to boot, a prompt, a menu, a dead disk, the network, or they work."""
import errno

import bootloaders
import kernels
import process
from guests import boot_disk
from scenario import Expect, Scenario

CODE, VARS = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
NOTHING_TO_BOOT = Expect("firmware-no-boot-device", "idle", True)


def seabios(stage):
    vm = stage.qemu("-vga", "std", memory="32")
    vm.until_screen("No bootable device")
    return vm


def ovmf(stage):
    serial = stage.tmp / "serial.out"
    vm = uefi(stage, serial)
    stage.until("the UEFI shell", lambda: "Shell>" in process.read(serial), 120, 0.2)
    vm.until_halted()
    return vm


def slow_disk(stage):
    """One request a second: the firmware polls for it, so the vCPU looks busy."""
    disk = ("-drive", "if=none,id=d,format=raw,throttling.iops-total=1,file="
            + str(stage.tmp / "boot.img"), "-device", "ide-hd,drive=d")
    boot_disk("sector-read", stage.tmp / "boot.img", 1 << 20)
    vm = stage.qemu("-vga", "std", *disk, memory="32")
    vm.until_screen("Booting from Hard Disk", 90)
    vm.until_runs()
    return vm


def says(sector, text):
    """A boot sector that says `text` by the firmware, and goes no further."""
    def play(stage):
        vm = stage.qemu("-vga", "std", sector=sector, memory="32")
        vm.until_screen(text)
        vm.until_halted()
        return vm
    return play


def unreadable(stage):
    """Every read of the disk fails with EIO."""
    disk = boot_disk("sector-spin", stage.tmp / "disk.img", 1 << 20)
    vm = stage.qemu(
        "-vga", "std", "-blockdev", f"driver=file,filename={disk},node-name=file0",
        "-blockdev", "driver=blkdebug,image=file0,node-name=disk0,inject-error.0.event=none,"
        f"inject-error.0.iotype=read,inject-error.0.errno={errno.EIO}",
        "-device", "ide-hd,drive=disk0", memory="32")
    vm.until_screen("No bootable device", 90)
    return vm


def grub(kind, until):
    """GRUB on a BIOS disk, seen on the VGA screen and on the serial port."""
    def play(stage):
        consoles, menu = bootloaders.CONSOLES, None
        if kind in ("menu", "countdown"):
            menu = bootloaders.menu(-1 if kind == "menu" else 600)
        disk = (bootloaders.grub_without_files(stage.tmp / "grub") if kind == "rescue"
                else bootloaders.grub_disk(stage.tmp / "grub", consoles, menu))
        vm = stage.qemu("-vga", "std", "-drive", f"file={disk},format=raw,if=ide",
                        "-serial", f"file:{stage.tmp}/serial.out", memory="64")
        vm.until_screen(until, 90)
        return vm
    return play


def grub_on_ovmf(stage):
    """GRUB's menu under UEFI, without a time-out, on the serial port."""
    folder = stage.tmp / "grub"
    folder.mkdir()
    serial = stage.tmp / "serial.out"
    root = bootloaders.grub_efi(folder, "", bootloaders.menu(-1))
    vm = uefi(stage, serial, "-drive", f"format=raw,if=virtio,file=fat:rw:{root}")
    stage.until("GRUB's menu", lambda: "to select which entry" in process.read(serial), 150, 0.2)
    return vm


def uefi(stage, serial, *args):
    return stage.qemu("-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={CODE}",
                      "-drive", f"if=pflash,format=raw,unit=1,snapshot=on,file={VARS}",
                      "-serial", f"file:{serial}", *args, machine="q35", memory="128")


def boot_menu(stage):
    """Somebody opened SeaBIOS's boot menu."""
    vm = stage.qemu("-vga", "std", "-boot", "menu=on,splash-time=20000", sector="sector-spin",
                    memory="32")
    vm.until_screen("for boot menu")

    def opened():
        vm.qmp.ask("send-key", keys=[{"type": "qcode", "data": "esc"}])
        return "Select boot device" in vm.qmp.screen()

    stage.until("the boot menu", opened, 30, 0.3)
    return vm


def network(stage):
    """iPXE gets an address, but no server names a file; nothing else to boot."""
    vm = stage.qemu("-vga", "std", "-boot", "n", "-netdev", "user,id=n,restrict=on",
                    "-device", "e1000,netdev=n", memory="64")
    vm.until_screen("Nothing to boot", 120)
    vm.until_screen("No bootable device", 60)
    return vm


def reboots(stage):
    """Linux finds no root file system, panics, and reboots itself, for ever."""
    serial = stage.tmp / "serial.out"
    vm = stage.qemu("-kernel", kernels.image(), "-serial", f"file:{serial}", "-vga", "std", "-append",
                    "console=ttyS0 quiet panic=1 mitigations=off tsc=unstable", memory="256",
                    accel="tcg")
    # Two boots ended, and the third has written its first line.
    stage.until("the third boot", lambda: [part.strip() for part in process.read(serial).split(
        "Rebooting in 1 seconds..")][2:][:1] not in ([], [""]), 240, 0.2)
    return vm


def likely(cause, state="idle", hung=True):
    return Expect(cause, state, hung, "likely")


SCENARIOS = [
    Scenario("grub-rescue", "GRUB without its files, at its rescue prompt",
             likely("grub-rescue-prompt"), grub("rescue", "grub rescue>"), accel="tcg"),
    Scenario("grub-shell", "GRUB without a menu, at its prompt", likely("grub-shell"),
             grub("shell", "grub>"), accel="tcg"),
    Scenario("grub-menu", "GRUB's menu without a time-out", likely("boot-menu-waits"),
             grub("menu", "to select which entry"), accel="tcg"),
    Scenario("grub-countdown", "GRUB's menu counts down",
             Expect("boot-menu-counts-down", "running", False, "likely", accept=("cpu-starved",)),
             grub("countdown", "executed automatically"), accel="tcg"),
    Scenario("grub-menu-kvm", "GRUB's menu without a time-out, under KVM",
             likely("boot-menu-waits"), grub("menu", "to select which entry"), accel="kvm",
             quick=False),
    Scenario("grub-menu-ovmf", "GRUB's menu without a time-out, under UEFI",
             likely("boot-menu-waits"), grub_on_ovmf, accel="tcg", needs=("ovmf",), quick=False),
    Scenario("disk-unreadable", "SeaBIOS cannot read its disk",
             Expect("boot-disk-unreadable", "idle", True), unreadable),
    Scenario("no-system-on-disk", "a boot sector that finds no system",
             likely("boot-sector-finds-no-system"),
             says("sector-no-system", "Missing operating system")),
    Scenario("windows-boot-failed", "a Windows boot sector without its boot manager",
             likely("windows-boot-failed"), says("sector-bootmgr", "BOOTMGR is missing")),
    Scenario("waits-for-key", "a boot loader asks for a key", likely("guest-waits-for-key"),
             says("sector-any-key", "Press any key")),
    Scenario("waits-for-passphrase", "a boot loader asks for a disk's passphrase",
             likely("guest-waits-for-passphrase"),
             says("sector-passphrase", "Enter passphrase")),
    Scenario("seabios-boot-menu", "SeaBIOS's boot menu is open",
             likely("firmware-setup-open"), boot_menu),
    Scenario("reboot-loop", "Linux panics at its root device and reboots, again and again",
             Expect("guest-reboot-loop", "running", True, "likely"), reboots, accel="tcg",
             quick=False),
    Scenario("network-boot", "iPXE is told no file to boot",
             Expect("firmware-network-boot", "running", True, "likely"), network, accel="tcg"),
    Scenario("seabios-no-disk", "SeaBIOS without a drive", NOTHING_TO_BOOT, seabios,
             old_and_new=True),
    Scenario("ovmf-no-disk", "OVMF without a drive, in its shell", NOTHING_TO_BOOT, ovmf,
             accel="tcg", needs=("ovmf",)),
    # It gets on, once a second: that must not be called a certain hang.
    Scenario("firmware-slow-disk", "boot sector reads a disk that serves one request a second",
             Expect("guest-waits-for-device", "blocked", True, "likely"), slow_disk,
             accel="kvm", needs=("exits",), passive=True, load=1),
]
