/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What KVM keeps of a vCPU, as vcpu.bpf.c reads it out of the kernel: a record a vCPU. Whoever
 * includes it has __u32, __s32 and __u64; no header of the C library in here.
 */
#pragma once

#define VH_VCPU_MAGIC  0x76637075 /* "vcpu" */
#define VH_N_VCPU_REGS 17         /* RAX RCX RDX RBX RSP RBP RSI RDI, R8 to R15, RIP: kvm_reg */

#define VH_VCPU_PROTECTED 1 /* its state is encrypted: guest_state_protected */
#define VH_VCPU_HAS_GHCB  2 /* ghcb_gpa was read */

struct vh_vcpu_record {
	__u32 magic, flags;
	__s32 index, id, mp_state;
	__u32 reserved;
	__u64 cr0, cr4, efer;
	__u64 cr0_owned, cr4_owned; /* bits that the guest changes without KVM's knowing */
	__u64 ghcb_gpa;             /* the GHCB MSR */
	__u64 regs[VH_N_VCPU_REGS];
};

struct vh_vcpu_config {
	__u32 tgid; /* of the VMM */
	__u32 svm;  /* this host's KVM is kvm_amd: a kvm_vcpu is the start of a vcpu_svm */
};
