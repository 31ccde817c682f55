/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tracepoints that vmhang knows, and the fields that it wants of each, by position. Where a
 * field lies is read from the running kernel (src/collect/trace_events.c, which also has the
 * names).
 *
 * Included by BPF programs: no header of the C library in here. Whoever includes it has __u8, __u16
 * and __u32.
 */
#pragma once

enum vh_tp {
	VH_TP_EXIT,
	VH_TP_ENTRY,
	VH_TP_FPU,
	VH_TP_USERSPACE_EXIT,
	VH_TP_PIO,
	VH_TP_MMIO,
	VH_TP_FAST_MMIO,
	VH_TP_MSR,
	VH_TP_CR,
	VH_TP_CPUID,
	VH_TP_HYPERCALL,
	VH_TP_HV_HYPERCALL,
	VH_TP_XEN_HYPERCALL,
	VH_TP_PAGE_FAULT,
	VH_TP_INJ_VIRQ,
	VH_TP_INJ_EXCEPTION,
	VH_TP_APIC_IPI,
	VH_TP_APIC_ACCEPT,
	VH_TP_EOI,
	VH_TP_EMULATE,
	VH_TP_VMGEXIT,
	VH_TP_VMGEXIT_MSR,
	VH_TP_VCPU_WAKEUP,
	VH_TP_SET_IRQ,
	VH_TP_SCHED_SWITCH,
	VH_TP_SCHED_WAKEUP,
	VH_N_TP
};

#define VH_TP_FIELDS 6 /* at most */

/* Positions. Those up to the one marked "needed" are in every kernel that has the event, and an
 * event without them cannot be used. */
enum {
	VH_F_EXIT_REASON, /* needed; arm64: ESR class, of which only a trap (ret 2) has one */
	VH_F_EXIT_RIP,
	VH_F_EXIT_ISA,   /* x86: 1 VMX, 2 SVM */
	VH_F_EXIT_RET,   /* arm64: ARM_EXCEPTION_* */
	VH_F_EXIT_INFO1, /* VMX: qualification */
	VH_F_EXIT_INFO2
};
enum { VH_F_ENTRY_RIP };
enum { VH_F_FPU_LOAD }; /* needed */
enum { VH_F_USERSPACE_REASON /* needed */, VH_F_USERSPACE_ERRNO };
enum { VH_F_PIO_RW, VH_F_PIO_PORT, VH_F_PIO_SIZE /* needed */, VH_F_PIO_COUNT, VH_F_PIO_VAL };
enum { VH_F_MMIO_TYPE, VH_F_MMIO_LEN, VH_F_MMIO_GPA /* needed */, VH_F_MMIO_VAL };
enum { VH_F_FAST_MMIO_GPA }; /* needed */
enum { VH_F_MSR_WRITE, VH_F_MSR_ECX /* needed */, VH_F_MSR_DATA, VH_F_MSR_EXCEPTION };
enum { VH_F_CR_RW, VH_F_CR_CR /* needed */, VH_F_CR_VAL };
enum { VH_F_CPUID_FUNCTION /* needed */, VH_F_CPUID_INDEX };
enum { VH_F_HYPERCALL_NR }; /* needed; of all three kinds */
enum { VH_F_FAULT_ADDRESS, VH_F_FAULT_ERROR /* needed */, VH_F_FAULT_RIP };
enum { VH_F_VIRQ_VECTOR /* needed */, VH_F_VIRQ_SOFT, VH_F_VIRQ_REINJECTED };
enum {
	VH_F_EXCEPTION_VECTOR, /* needed */
	VH_F_EXCEPTION_HAS_ERROR,
	VH_F_EXCEPTION_ERROR,
	VH_F_EXCEPTION_REINJECTED
};
enum { VH_F_IPI_ICR_LOW, VH_F_IPI_DEST }; /* needed */
/* The receiver's vCPU id, although the field is called apicid. */
enum { VH_F_ACCEPT_VCPU, VH_F_ACCEPT_VECTOR /* needed */, VH_F_ACCEPT_DM, VH_F_ACCEPT_TM };
enum { VH_F_EOI_VECTOR }; /* needed */
enum { VH_F_EMULATE_RIP /* needed */, VH_F_EMULATE_CSBASE, VH_F_EMULATE_FAILED };
enum { VH_F_VMGEXIT_CODE /* needed */, VH_F_VMGEXIT_INFO1 };
enum { VH_F_VMGEXIT_GHCB }; /* needed */
enum { VH_F_WAKEUP_NS /* needed */, VH_F_WAKEUP_WAITED, VH_F_WAKEUP_VALID };
enum { VH_F_IRQ_GSI, VH_F_IRQ_LEVEL };                          /* needed */
enum { VH_F_SWITCH_PREV, VH_F_SWITCH_STATE, VH_F_SWITCH_NEXT }; /* needed */
enum { VH_F_WAKEUP_PID };                                       /* needed */

/* Where one field lies in the raw record; size 0: this kernel's event has none. */
struct vh_tp_field {
	__u16 offset;
	__u8 size; /* 1, 2, 4, 8 */
	__u8 is_signed;
};
struct vh_tp_layout {
	struct vh_tp_field field[VH_TP_FIELDS];
};
