/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names of the numbers that exits are made of. A table a file in tables/, a row a constant;
 * constants_check.c holds the rows against the kernel's own headers when this is compiled.
 * All return NULL for a number that they do not know.
 */
#pragma once

#include "decode/exits.h"

/* Number + this is an exit of arm64 that was no trap; see tables/arm64.def. */
#define VH_ARM64_NO_TRAP 0x100
/* In a VMX exit reason: the entry failed. The SGX bit (27) and others are flags too. */
#define VH_VMX_FAILED_ENTRY 0x80000000u

const char *vh_nae_name(uint64_t code);         /* "io", "vmgexit_mmio_read" */
const char *vh_hypercall_name(uint64_t number); /* KVM_HC_*: "KICK_CPU" */
const char *vh_hv_call_name(uint64_t code);     /* Hyper-V: "SEND_IPI" */
const char *vh_xen_call_name(uint64_t number);  /* "sched_op" */
const char *vh_tdvmcall_name(uint64_t leaf);    /* GHCI: "MAP_GPA" */
const char *vh_msr_name(uint64_t msr);          /* "IA32_APIC_BASE", "x2APIC ICR" */
const char *vh_ghcb_msr_name(uint64_t request); /* bits 0-11 of the GHCB MSR */
const char *vh_exception_name(uint64_t vector); /* "#PF" */
