# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every scenario of the lab. A new one is registered here, and nowhere else."""
from . import firmware, guest, host, linux, vmm

ALL = guest.SCENARIOS + firmware.SCENARIOS + vmm.SCENARIOS + host.SCENARIOS + linux.SCENARIOS
BY_NAME = {scenario.name: scenario for scenario in ALL}
assert len(BY_NAME) == len(ALL), "two scenarios of one name"
