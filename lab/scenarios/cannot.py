# SPDX-License-Identifier: LGPL-2.1-or-later
"""Causes that no scenario brings a real VM into, why, and which unit test stands in with made-up evidence."""

CANNOT = {
    "guest-interrupt-pending-not-taken": "a wake-up that KVM loses cannot be made to order; tests/unit/infer/irq.c",
    "vm-state-saving": "QEMU saves a state in its main loop, and does not answer meanwhile: only a caught moment "
                       "shows \"save-vm\"; tests/unit/infer/runstates.c",
    "migration-last-step": "a last step that a scenario can hold has a cause of its own (the switch-over that waits for "
                           "leave), and one that is stuck does not answer; tests/unit/infer/runstates.c",
    "vm-in-colo": "needs two hosts with COLO replication; tests/unit/infer/runstates.c",
    "vm-paused-for-job": "a job of libvirt that is caught half-way; tests/unit/infer/runstates.c",
    "migration-waits-for-unplug": "needs a network card of the host with a failover partner, and a guest that does not "
                                  "let go of it; tests/unit/infer/migration.c",
    "nested-host-starved": "needs a host whose own host starves it; tests/unit/infer/host.c",
    "host-interrupts-take-cpu": "a flood of interrupts would disturb all of this machine; tests/unit/infer/host.c",
    "main-loop-starved": "since Linux 6.12 ordinary threads keep 5 % beside real-time ones, and the monitor answers; "
                         "tests/unit/infer/host.c",
    "guest-memory-unavailable": "QEMU ended where the lab filled the tmpfs behind its memory; tests/unit/infer/memory.c",
    "host-swapping": "no swap here; tests/unit/infer/memory.c",
    "host-memory-exhausted": "would take the memory of all of this machine; tests/unit/infer/memory.c",
    "userfault-unserved": "QEMU itself must have registered the userfaultfd, and does so only in a post-copy "
                          "migration; tests/unit/infer/memory.c",
    "numa-balancing-thrash": "needs several NUMA nodes; tests/unit/infer/memory.c",
    "split-lock-throttled": "needs a processor that reports split locks; tests/unit/infer/memory.c",
    "memory-poisoned": "would take pages of this machine out of use; tests/unit/infer/memory.c",
    "helper-oom-killed": "a line that stays in the kernel's log would bear on every scenario that follows; "
                         "tests/unit/infer/memory.c",
    "vm-oom-killed": "the VM ends while it is looked at; tests/unit/infer/memory.c",
    "tcg-by-mistake": "named beside what the guest does, never first; tests/unit/infer/memory.c",
    "nfs-server-silent": "this kernel has no NFS client; tests/unit/infer/storage.c, with that client's kernel stacks",
    "storage-does-not-answer": "every storage that can be made to stall here has a cause of its own; Ceph, iSCSI and "
                               "Gluster would show this one; tests/unit/infer/storage.c",
    "guest-hypercall-storm": "this machine's KVM emulates each instruction, and its emulator repeats VMCALL without the "
                             "call; tests/unit/infer/guestcode.c",
    "vmm-event-delivery-failed": "needs a broken guest on a KVM with real exits; tests/unit/infer/guestcode.c",
    "vmm-entry-failed": "needs a processor that refuses a guest's state; tests/unit/infer/guestcode.c",
    "guest-fault-loop": "a bug of old host kernels; tests/unit/infer/exits.c",
    "firmware-crashed": "a build of OVMF that fails is in no package; tests/unit/infer/boot.c",
    "guest-waits-for-file-server": "Linux waits for NFS, 9p and virtiofs so that it can be killed, and its watchdog "
                                   "says nothing of that; stacks of public reports: tests/unit/infer/kernel.c",
    "guest-clock-trouble": "TCG's clocks follow the host's, and cannot be made to jump; tests/unit/infer/kernel.c",
    "guest-oops": "named beside what the guest does, never first (kernel-oops has it so); tests/unit/infer/kernel.c",
    "guest-io-errors": "named beside what the guest does, never first; tests/unit/infer/kernel.c",
    "boot-loader-computes": "needs an encrypted guest (SEV-ES, SEV-SNP); tests/unit/infer/protected.c",
    "encrypted-guest-terminated": "needs an encrypted guest (SEV-ES, SEV-SNP); tests/unit/infer/protected.c",
    "encrypted-launch-waits": "needs an encrypted guest (SEV); tests/unit/infer/protected.c",
    "firmware-dead-loop": "needs an encrypted guest (SEV-ES, SEV-SNP); tests/unit/infer/protected.c",
    "firmware-exception-deadlock": "needs an encrypted guest (SEV-ES, SEV-SNP); tests/unit/infer/protected.c",
    "firmware-polls-device": "needs an encrypted guest (SEV-ES, SEV-SNP); tests/unit/infer/protected.c",
    "firmware-spins": "needs an encrypted guest (SEV-ES, SEV-SNP); tests/unit/infer/protected.c",
    "firmware-waits-for-aps": "needs an encrypted guest (SEV-ES, SEV-SNP); tests/unit/infer/protected.c",
    "guest-kernel-spins": "needs an encrypted guest (SEV-ES, SEV-SNP); tests/unit/infer/protected.c",
    "tdx-fatal-error": "needs a TDX guest; tests/unit/infer/protected.c",
    "guest-lock-spin": "a lockup that the kernel reports goes before it, and does so within 20 s; "
                       "tests/unit/infer/inside.c",
    "guest-kernel-panic": "every panic that the lab makes has a cause of its own; tests/unit/infer/kernel.c",
    "guest-waits-at-prompt": "every prompt that is known has a cause of its own; tests/unit/infer/engine.c",
    "guest-waits-for-ipi": "needs a KVM whose lost interrupts are counted; tests/unit/infer/exits.c",
    "process-ended": "the VM ends while it is looked at; tests/unit/infer/verdicts.c",
    "vcpu-never-enters": "a bug of the host's kernel or of QEMU; tests/unit/infer/exits.c",
    "vmm-internal-error": "what KVM gives up for here has a cause of its own; tests/unit/infer/verdicts.c",
    "vmm-main-loop-blocked": "whatever blocks it in the lab has a cause of its own; tests/unit/infer/verdicts.c",
}
