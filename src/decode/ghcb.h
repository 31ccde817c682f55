/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How an encrypted guest and its host talk: the GHCB protocol of SEV-ES and SEV-SNP (AMD
 * publication 56421), and the fatal report of TDX (Intel GHCI). Names of events and of requests of
 * the MSR protocol are in constants.h.
 */
#pragma once

#include "base/text.h"

/* Why a guest asked to be terminated: a set of reasons, and one of them. Sets: 0 the protocol's
 * own, 1 Linux (and OVMF's reset vector, with other meanings). NULL: not known. */
const char *vh_ghcb_termination_text(uint64_t set, uint64_t code);
/* The same of OVMF's reset vector, which uses set 1 too: NULL where it has no such code. */
const char *vh_ghcb_ovmf_termination_text(uint64_t set, uint64_t code);
/* "Malformed input" replies: SW_EXITINFO2 where SW_EXITINFO1 is 2. NULL: not known. */
const char *vh_ghcb_error_text(uint64_t code);

/* "... SEV-ES guest requested termination: 0x1:0x2" (Linux arch/x86/kvm/svm/sev.c), and the form of
 * the event: "reason 0x.. info 0x..". False where the line has no such numbers. */
bool vh_ghcb_termination_parse(struct vh_str line, uint64_t *set, uint64_t *code);

/* A GHCB page, which is shared with the host (edk2 MdePkg/Include/Register/Amd/Ghcb.h, Linux
 * arch/x86/include/asm/svm.h, struct ghcb). Untested on hardware. */
#define VH_GHCB_PAGE_BYTES 4096
struct vh_ghcb_page {
	uint64_t rax, rbx, rcx, rdx, exit_code, exit_info_1, exit_info_2, scratch;
	uint16_t version;
	uint32_t usage;
	bool cleared; /* its save area is all zero: firmware clears it before each event */
};
/* False where that is no page of that size, or no GHCB that vmhang knows (its usage is not 0). */
bool vh_ghcb_page_parse(const void *page, size_t size, struct vh_ghcb_page *out);
/* The event that is in it: "msr IA32_APIC_BASE", "cpuid 0". */
void vh_ghcb_page_text(const struct vh_ghcb_page *page, struct vh_buf *out);
