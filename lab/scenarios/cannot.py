# SPDX-License-Identifier: LGPL-2.1-or-later
"""Causes that no scenario brings a real VM into, why, and which unit test stands in with made-up evidence."""

CANNOT = {
    "vm-state-saving": "QEMU saves a state in its main loop, and does not answer meanwhile: only a caught moment "
                       "shows \"save-vm\"; tests/unit/infer/runstates.c",
    "vm-in-colo": "needs two hosts with COLO replication; tests/unit/infer/runstates.c",
    "vm-paused-for-job": "a job of libvirt that is caught half-way; tests/unit/infer/runstates.c",
    "migration-waits-for-unplug": "needs a network card of the host with a failover partner, and a guest that does not "
                                  "let go of it; tests/unit/infer/migration.c",
}
