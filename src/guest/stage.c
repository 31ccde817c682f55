/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which software runs on a vCPU, told by how it set the control registers. Measured on SeaBIOS,
 * OVMF 2022.11 and Linux 5.10 to 6.12 guests, and read in the start-up code of Linux
 * (arch/x86/boot/compressed/head_64.S, arch/x86/kernel/head_64.S) and edk2
 * (OvmfPkg/ResetVector, UefiCpuPkg/Library/CpuExceptionHandlerLib).
 *
 * Only registers that stay current in a SEV-ES guest (CR0, CR4, EFER) decide where they can; in
 * such a dump the descriptor tables are zero, so a table of 0 fits every row.
 */
#include "base/names.h"
#include "guest/registers.h"

#define PE    (UINT64_C(1) << 0)
#define NE    (UINT64_C(1) << 5)
#define WP    (UINT64_C(1) << 16)
#define AM    (UINT64_C(1) << 18)
#define PG    (UINT64_C(1) << 31)
#define DE    (UINT64_C(1) << 3) /* CR4 */
#define SCE   (UINT64_C(1) << 0) /* EFER */
#define LME   (UINT64_C(1) << 8)
#define NXE   (UINT64_C(1) << 11)
#define EXACT UINT64_MAX

/* A row fits where every masked register has the value, and, unless 0, CS or TR the selector and
 * GDT the limit. The first that fits counts. */
struct fingerprint {
	enum vh_stage stage;
	uint64_t cr0_mask, cr0;
	uint64_t cr4_mask, cr4;
	uint64_t efer_mask, efer;
	uint16_t cs, tr;
	uint32_t gdt_limit;
	uint64_t gdt_base_mask, gdt_base;
	uint64_t rip; /* 0: any */
};

static const struct fingerprint fingerprints[] = {
	{.stage = VH_STAGE_RESET,
		.cr0_mask = EXACT,
		.cr0 = 0x60000010,
		.cr4_mask = EXACT,
		.efer_mask = EXACT,
		.cs = 0xf000,
		.rip = 0xfff0},
	{.stage = VH_STAGE_REAL_MODE, .cr0_mask = PE, .cr0 = 0},
	{.stage = VH_STAGE_SEABIOS_32,
		.cr0_mask = PE | PG,
		.cr0 = PE,
		.cr4_mask = EXACT,
		.efer_mask = EXACT,
		.cs = 0x8,
		.gdt_limit = 0x37,
		.gdt_base_mask = 0xffff0000,
		.gdt_base = 0xf0000},
	{.stage = VH_STAGE_PROTECTED, .cr0_mask = PE | PG, .cr0 = PE},
	/* Windows sets CR4.DE for good; Linux on x86-64 never does. */
	{.stage = VH_STAGE_WINDOWS_64,
		.cr0_mask = AM,
		.cr0 = AM,
		.cr4_mask = DE,
		.cr4 = DE,
		.efer_mask = LME | SCE,
		.efer = LME | SCE},
	{.stage = VH_STAGE_LINUX_64,
		.cr0_mask = AM,
		.cr0 = AM,
		.cr4_mask = DE,
		.efer_mask = LME | SCE,
		.efer = LME | SCE,
		.gdt_limit = 0x7f},
	{.stage = VH_STAGE_OS,
		.cr0_mask = AM,
		.cr0 = AM,
		.efer_mask = LME | SCE,
		.efer = LME | SCE},
	/* startup_64 runs with CR0.AM (6.1 and later) before the kernel proper sets SCE. */
	{.stage = VH_STAGE_LINUX_DECOMPRESSOR,
		.cr0_mask = AM,
		.cr0 = AM,
		.efer_mask = LME | SCE,
		.efer = LME},
	{.stage = VH_STAGE_LINUX_32, .cr0_mask = AM, .cr0 = AM, .efer_mask = LME, .tr = 0x80},
	{.stage = VH_STAGE_OS, .cr0_mask = AM, .cr0 = AM, .efer_mask = LME},
	/* CR0 alone is the same for OVMF's reset vector and for 5.10's decompressor. */
	{.stage = VH_STAGE_OVMF_SEC_PEI,
		.cr0_mask = EXACT,
		.cr0 = 0x80000001,
		.efer_mask = LME | NXE,
		.efer = LME | NXE},
	{.stage = VH_STAGE_LINUX_DECOMPRESSOR,
		.cr0_mask = EXACT,
		.cr0 = 0x80000001,
		.efer_mask = EXACT,
		.efer = 0x500},
	{.stage = VH_STAGE_OVMF_SEC_PEI,
		.cr0_mask = NE | WP,
		.cr0 = NE,
		.efer_mask = LME | NXE | SCE,
		.efer = LME},
	{.stage = VH_STAGE_OVMF_DXE,
		.cr0_mask = WP,
		.cr0 = WP,
		.efer_mask = LME | SCE,
		.efer = LME},
};

static bool fits(const struct fingerprint *f, const struct vh_registers *r)
{
	bool tables = r->gdt_base || r->gdt_limit;

	return (r->cr0 & f->cr0_mask) == f->cr0 && (r->cr4 & f->cr4_mask) == f->cr4 &&
	       (r->efer & f->efer_mask) == f->efer && (!f->cs || r->cs.selector == f->cs) &&
	       (!f->tr || r->tr.selector == f->tr) && (!f->rip || r->rip == f->rip) &&
	       (!tables || !f->gdt_limit || r->gdt_limit == f->gdt_limit) &&
	       (!tables || (r->gdt_base & f->gdt_base_mask) == f->gdt_base);
}

enum vh_stage vh_stage_of(const struct vh_registers *r)
{
	if (!r->valid)
		return VH_STAGE_UNKNOWN;
	for (size_t i = 0; i < VH_ARRAY_SIZE(fingerprints); i++)
		if (fits(&fingerprints[i], r))
			return fingerprints[i].stage;
	return VH_STAGE_UNKNOWN;
}

struct vh_registers vh_registers_of_controls(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	struct vh_registers r = {.valid = true, .cr0 = cr0, .cr4 = cr4, .efer = efer};

	/* That is how reset leaves them; a vCPU that ran has changed CR0. */
	if (cr0 == 0x60000010 && !cr4 && !efer) {
		r.cs.selector = 0xf000;
		r.rip = 0xfff0;
	}
	return r;
}

/* Measured: CR0, CR4 and EFER together. CR4 of a kernel depends on the processor; masked out are
 * what only differs by that (UMIP, LA57, FSGSBASE, PCIDE, SMEP, SMAP, PKE, CET), and PSE, which the
 * other CPUs of Linux lack. EFER: SVME, and TCE. */
#define CR4_BY_CPU  UINT64_C(0xf31810)
#define EFER_BY_CPU UINT64_C(0xd000)
static const struct {
	enum vh_stage stage;
	uint64_t cr0, cr4, efer;
} measured[] = {
	{VH_STAGE_RESET, 0x60000010, 0, 0},
	{VH_STAGE_OVMF_SEC_PEI, 0x80000033, 0x660, 0x500},
	{VH_STAGE_OVMF_SEC_PEI, 0x80000033, 0x668, 0x500},
	{VH_STAGE_OVMF_DXE, 0x80010033, 0x668, 0xd00},
	{VH_STAGE_OVMF_DXE, 0x80010033, 0x660, 0xd00},
	{VH_STAGE_OVMF_DXE, 0x80010033, 0x668, 0x500},
	{VH_STAGE_OVMF_DXE, 0x80010033, 0x668, 0x900}, /* older SNP trees: no LMA */
	{VH_STAGE_LINUX_DECOMPRESSOR, 0x80050033, 0x20, 0x500},
	{VH_STAGE_LINUX_64, 0x80050033, 0x406e0, 0xd01},
	{VH_STAGE_LINUX_64, 0x80050033, 0x6e0, 0xd01},
	{VH_STAGE_LINUX_64, 0x80050033, 0x6a0, 0xd01},
	{VH_STAGE_LINUX_32, 0x8005003b, 0x6c0, 0},
	{VH_STAGE_WINDOWS_64, 0x80050031, 0x406e8, 0xd01},
	{VH_STAGE_WINDOWS_64, 0x80050033, 0x406e8, 0xd01},
};

const char *vh_stage_doubt(const struct vh_registers *r)
{
	enum vh_stage stage = vh_stage_of(r);

	for (size_t i = 0; i < VH_ARRAY_SIZE(measured); i++)
		if (measured[i].stage == stage && measured[i].cr0 == r->cr0 &&
			(measured[i].cr4 & ~CR4_BY_CPU) == (r->cr4 & ~CR4_BY_CPU) &&
			(measured[i].efer & ~EFER_BY_CPU) == (r->efer & ~EFER_BY_CPU))
			return NULL;
	switch (stage) {
	case VH_STAGE_PROTECTED:
	case VH_STAGE_REAL_MODE:
	case VH_STAGE_SEABIOS_32:
		return r->gdt_limit ? NULL : "many loaders run with these control registers";
	case VH_STAGE_LINUX_DECOMPRESSOR:
	case VH_STAGE_OVMF_SEC_PEI:
		return "early code of firmware and of Linux differs in few bits";
	case VH_STAGE_OS:
		return "an operating system by CR0.AM; which one, these registers do not tell";
	case VH_STAGE_UNKNOWN:
	case VH_STAGE_RESET:
		return NULL;
	default:
		return "told by few bits (CR0.WP and AM, CR4.DE, EFER.NXE and SCE)";
	}
}

static const char *const names[VH_N_STAGE] = {
	[VH_STAGE_UNKNOWN] = "unknown",
	[VH_STAGE_RESET] = "reset",
	[VH_STAGE_REAL_MODE] = "real-mode",
	[VH_STAGE_SEABIOS_32] = "seabios-32",
	[VH_STAGE_PROTECTED] = "protected",
	[VH_STAGE_OVMF_SEC_PEI] = "ovmf-sec-pei",
	[VH_STAGE_OVMF_DXE] = "ovmf-dxe",
	[VH_STAGE_LINUX_DECOMPRESSOR] = "linux-decompressor",
	[VH_STAGE_LINUX_64] = "linux-64",
	[VH_STAGE_LINUX_32] = "linux-32",
	[VH_STAGE_WINDOWS_64] = "windows-64",
	[VH_STAGE_OS] = "os",
};
VH_NAMES_DEFINE(vh_stage, enum vh_stage, names)

static const char *const titles[VH_N_STAGE] = {
	[VH_STAGE_UNKNOWN] = "unknown code",
	[VH_STAGE_RESET] = "state after reset",
	[VH_STAGE_REAL_MODE] = "real-mode code (BIOS, boot sector)",
	[VH_STAGE_SEABIOS_32] = "SeaBIOS (32-bit)",
	[VH_STAGE_PROTECTED] = "32-bit code without paging (BIOS, boot loader)",
	[VH_STAGE_OVMF_SEC_PEI] = "UEFI firmware, early (SEC or PEI)",
	[VH_STAGE_OVMF_DXE] = "UEFI firmware (DXE), or a boot loader or EFI stub under it",
	[VH_STAGE_LINUX_DECOMPRESSOR] = "Linux, early start (decompressor)",
	[VH_STAGE_LINUX_64] = "Linux (64-bit)",
	[VH_STAGE_LINUX_32] = "Linux (32-bit)",
	[VH_STAGE_WINDOWS_64] = "Windows (64-bit)",
	[VH_STAGE_OS] = "an operating system",
};

const char *vh_stage_title(enum vh_stage stage)
{
	return vh_name_of(titles, VH_ARRAY_SIZE(titles), (int)stage);
}

bool vh_stage_is_firmware(enum vh_stage stage)
{
	switch (stage) {
	case VH_STAGE_RESET:
	case VH_STAGE_REAL_MODE:
	case VH_STAGE_SEABIOS_32:
	case VH_STAGE_PROTECTED:
	case VH_STAGE_OVMF_SEC_PEI:
	case VH_STAGE_OVMF_DXE:
		return true;
	default:
		return false;
	}
}
