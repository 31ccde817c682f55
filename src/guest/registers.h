/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text of HMP "info registers" (QEMU target/i386/cpu-dump.c, QEMU 2.x to 10.x) as numbers. */
#pragma once

#include "base/text.h"

struct vh_segment {
	uint16_t selector;
	uint64_t base;
	uint32_t limit, flags;
};

struct vh_registers {
	bool valid;        /* EIP/RIP, EFL and CR0 were there */
	bool is_64bit;     /* printed in the 64-bit layout (RAX, RIP) */
	bool has_segments; /* CS, GDT and IDT were there: zero there is not for being cut short */
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r[8]; /* r[0] is R8 */
	uint64_t rip, rflags;
	unsigned cpl;
	bool hlt, smm, a20, interrupts_inhibited; /* HLT=, SMM=, A20=, II= */
	bool hlt_unknown; /* they are of a dump's notes, which have no such flag */
	struct vh_segment es, cs, ss, ds, fs, gs, ldt, tr;
	uint64_t gdt_base, idt_base;
	uint32_t gdt_limit, idt_limit;
	uint64_t cr0, cr2, cr3, cr4, efer;
};
#define VH_RFLAGS_IF (UINT64_C(1) << 9)

/* False (and out->valid false) where the text is not a register dump of an x86 vCPU. A dump that is
 * cut short keeps what it had. */
bool vh_registers_parse(struct vh_str text, struct vh_registers *out);
static inline bool vh_registers_if(const struct vh_registers *r)
{
	return r->rflags & VH_RFLAGS_IF;
}
/* CS.base + EIP, cut to 32 bits outside of long mode. */
uint64_t vh_registers_linear_rip(const struct vh_registers *r);
/* Operand and address size of the code that runs: 16, 32 or 64. */
int vh_registers_code_bits(const struct vh_registers *r);

/* "PE ET NE WP AM PG" and the like: names of the bits that are set, unknown bits as "bit N".
 * Names after the Intel SDM vol. 3 section 2.5 and 2.2.1 and AMD APM vol. 2 section 3.1. */
void vh_cr0_text(uint64_t cr0, struct vh_buf *out);
void vh_cr4_text(uint64_t cr4, struct vh_buf *out);
void vh_efer_text(uint64_t efer, struct vh_buf *out);
void vh_rflags_text(uint64_t rflags, struct vh_buf *out);
/* "real mode", "protected mode, 32-bit", "long mode, 64-bit", "long mode, compatibility", ... */
const char *vh_registers_mode(const struct vh_registers *r);

enum vh_stage { /* what runs on the vCPU, judged by its control registers (fingerprints) */
	VH_STAGE_UNKNOWN,
	VH_STAGE_RESET,      /* as reset left it: never started */
	VH_STAGE_REAL_MODE,  /* BIOS, boot sector, 16-bit code */
	VH_STAGE_SEABIOS_32, /* 32-bit flat with SeaBIOS's GDT */
	VH_STAGE_PROTECTED,  /* 32-bit without paging: SeaBIOS, GRUB, a loader */
	VH_STAGE_OVMF_SEC_PEI,
	VH_STAGE_OVMF_DXE, /* DXE through boot loader and EFI stub */
	VH_STAGE_LINUX_DECOMPRESSOR,
	VH_STAGE_LINUX_64,
	VH_STAGE_LINUX_32,
	VH_STAGE_WINDOWS_64,
	VH_STAGE_OS, /* CR0.AM and EFER.SCE: a real OS, which one is not clear */
	VH_N_STAGE
};
const char *vh_stage_name(enum vh_stage stage); /* stable id */
int vh_stage_parse(const char *name);
const char *vh_stage_title(enum vh_stage stage); /* for people: "Linux (64-bit)" */
/* Why the stage might be another one, as a clause; NULL where the three control registers are those
 * that were measured of it, and of no other. */
const char *vh_stage_doubt(const struct vh_registers *r);
/* From control registers alone, which are all that an encrypted guest shows. */
struct vh_registers vh_registers_of_controls(uint64_t cr0, uint64_t cr4, uint64_t efer);
enum vh_stage vh_stage_of(const struct vh_registers *r);
/* True for firmware, boot loader and reset stages. */
bool vh_stage_is_firmware(enum vh_stage stage);
