# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every scenario of the lab. A new file is registered here, a line in each of the two lists."""
from . import changes
from . import firmware
from . import guest
from . import healthy
from . import host
from . import inside
from . import interrupts
from . import kernel
from . import linux
from . import mainloop
from . import migration
from . import memory
from . import runstates
from . import serial
from . import storage
from . import troubles
from . import vmm

ALL = [
    *troubles.SCENARIOS,
    *changes.SCENARIOS,
    *guest.SCENARIOS,
    *interrupts.SCENARIOS,
    *firmware.SCENARIOS,
    *vmm.SCENARIOS,
    *mainloop.SCENARIOS,
    *host.SCENARIOS,
    *memory.SCENARIOS,
    *linux.SCENARIOS,
    *kernel.SCENARIOS,
    *inside.SCENARIOS,
    *migration.SCENARIOS,
    *runstates.SCENARIOS,
    *serial.SCENARIOS,
    *storage.SCENARIOS,
    *healthy.SCENARIOS,
]
BY_NAME = {scenario.name: scenario for scenario in ALL}
assert len(BY_NAME) == len(ALL), "two scenarios of one name"
