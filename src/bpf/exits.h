/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is counted of a VM's exits: the shapes that the BPF programs and user space share. The
 * counting itself is in exits_core.h, compiled for both, so that every backend counts alike.
 * docs/trace-format.md says what the numbers mean.
 *
 * Included by BPF programs: no header of the C library in here. Whoever includes it has __u8, __u32
 * and __u64.
 */
#pragma once

#define VH_MAX_TRACED 4096   /* threads */
#define VH_TRACE_VM   0xffff /* "vCPU" of what belongs to the VM as a whole */
#define VH_NO_REASON  (~0ULL)
#define VH_N_LOG2     40 /* the last holds everything from 2^39 ns, nine minutes, on */

enum vh_place {
	VH_PLACE_UNKNOWN,
	VH_PLACE_GUEST,
	VH_PLACE_KVM,
	VH_PLACE_INSIDE, /* guest or KVM, where no kvm_exit tells them apart */
	VH_PLACE_USER,
	VH_N_PLACE
};
enum vh_rest { VH_REST_ON, VH_REST_ASLEEP, VH_REST_READY, VH_N_REST };

/* One row a kind, in the order of docs/trace-format.md; names in src/bpf/names.c. */
enum vh_key_kind {
	VH_KEY_PIO,
	VH_KEY_MMIO,
	VH_KEY_MSR,
	VH_KEY_CR,
	VH_KEY_CPUID,
	VH_KEY_HYPERCALL,
	VH_KEY_HV_HYPERCALL,
	VH_KEY_XEN_HYPERCALL,
	VH_KEY_FAULT,
	VH_KEY_FAULT_RIP,
	VH_KEY_VIRQ,
	VH_KEY_EXCEPTION,
	VH_KEY_IPI,
	VH_KEY_ACCEPT,
	VH_KEY_EOI,
	VH_KEY_EMULATED,
	VH_KEY_NAE,
	VH_KEY_NAE_MSR,
	VH_KEY_USERSPACE,
	VH_KEY_RIP,
	VH_KEY_WAKEUP,
	VH_KEY_GSI,
	VH_N_KEY_KIND
};
