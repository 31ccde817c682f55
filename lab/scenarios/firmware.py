# SPDX-License-Identifier: LGPL-2.1-or-later
"""Firmware that finds nothing to boot, or waits for a disk."""
import process
from scenario import Expect, Scenario

CODE, VARS = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
NOTHING_TO_BOOT = Expect("firmware-no-boot-device", "idle", True)


def seabios(stage):
    vm = stage.qemu("-vga", "std", memory="32")
    vm.until_screen("No bootable device")
    return vm


def ovmf(stage):
    serial = stage.tmp / "serial.out"
    vm = stage.qemu("-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={CODE}",
                    "-drive", f"if=pflash,format=raw,unit=1,snapshot=on,file={VARS}",
                    "-serial", f"file:{serial}", machine="q35", memory="128")
    stage.until("the UEFI shell", lambda: "Shell>" in process.read(serial), 120, 0.2)
    vm.until_halted()
    return vm


def slow_disk(stage):
    """One request a second: the firmware polls for it, so the vCPU looks busy."""
    disk = ("-drive", "if=none,id=d,format=raw,throttling.iops-total=1,file="
            + str(stage.tmp / "boot.img"), "-device", "ide-hd,drive=d")
    from guests import boot_disk
    boot_disk("sector-read", stage.tmp / "boot.img", 1 << 20)
    vm = stage.qemu("-vga", "std", *disk, memory="32")
    vm.until_screen("Booting from Hard Disk", 90)
    vm.until_runs()
    return vm


SCENARIOS = [
    Scenario("seabios-no-disk", "SeaBIOS without a drive", NOTHING_TO_BOOT, seabios,
             old_and_new=True),
    Scenario("ovmf-no-disk", "OVMF without a drive, in its shell", NOTHING_TO_BOOT, ovmf,
             accel="tcg", needs=("ovmf",)),
    # It gets on, once a second: that must not be called a certain hang.
    Scenario("firmware-slow-disk", "boot sector reads a disk that serves one request a second",
             Expect("guest-waits-for-device", "blocked", True, "likely"), slow_disk,
             accel="kvm", needs=("exits",), passive=True, load=1),
]
