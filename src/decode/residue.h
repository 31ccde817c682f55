/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What KVM's general registers of a SEV-ES vCPU still show: each exit that the guest asks for
 * through its GHCB zeroes them all and fills RAX, RBX, RCX, RDX and RSI as far as the guest marked
 * them valid; KVM's answer is then put into them (Linux arch/x86/kvm/svm/sev.c,
 * sev_es_sync_from_ghcb). Interrupts, PAUSE and the traps of control registers leave them alone. So
 * they tell of the last event that the guest itself asked for, however old it is.
 */
#pragma once

#include "base/names.h"
#include "guest/registers.h"

enum vh_residue_kind {
	VH_RESIDUE_NONE,  /* no registers to tell it by */
	VH_RESIDUE_RESET, /* no event since reset */
	VH_RESIDUE_ZERO, /* all zero: MMIO, AP reset hold, end of an NMI, AP jump table, or I/O of 0
			  */
	VH_RESIDUE_MSR,
	VH_RESIDUE_CPUID,
	VH_RESIDUE_PORT, /* RAX alone: port I/O, or a write to DR7 */
	VH_RESIDUE_TSC,  /* RAX and RDX: RDTSC, RDTSCP, RDPMC */
	VH_RESIDUE_CALL, /* RSI too: a hypercall */
	VH_RESIDUE_UNCLEAR,
	VH_N_RESIDUE
};
VH_NAMES_DECLARE(vh_residue, enum vh_residue_kind);

struct vh_residue {
	enum vh_residue_kind kind;
	bool sure;      /* nothing else is known to leave this */
	uint64_t msr;   /* of VH_RESIDUE_MSR */
	uint64_t value; /* of the MSR, the port's RAX, the counter */
	uint64_t leaf;  /* of CPUID; UINT64_MAX: not told */
	char text[320]; /* the event in words, and what else it might have been */
};
struct vh_residue vh_residue_of(const struct vh_registers *r);
