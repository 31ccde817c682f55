/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/paging.h"

/* x86-64: Intel SDM vol. 3 section 4.5.5, AMD APM vol. 2 section 5.4. */
#define X86_PRESENT  (UINT64_C(1) << 0)
#define X86_WRITE    (UINT64_C(1) << 1)
#define X86_USER     (UINT64_C(1) << 2)
#define X86_LARGE    (UINT64_C(1) << 7)
#define X86_NX       (UINT64_C(1) << 63)
#define ADDRESS_MASK UINT64_C(0x000ffffffffff000)

/*
 * AArch64 stage 1: Arm ARM D8.3. Bits 50 (GP) and 51 (DBM) are no part of an address but in the
 * form with 52 bits of it (LPA2). Linux keeps a page that may be written and is clean read-only
 * with DBM set (arch/arm64/include/asm/pgtable-hwdef.h: PTE_WRITE).
 */
#define ARM_VALID    UINT64_C(1)
#define ARM_TABLE    UINT64_C(2) /* of level 1: a page */
#define ARM_USER     (UINT64_C(1) << 6)
#define ARM_RO       (UINT64_C(1) << 7)
#define ARM_DBM      (UINT64_C(1) << 51)
#define ARM_PXN      (UINT64_C(1) << 53)
#define ARM_ADDRESS  UINT64_C(0x0000fffffffff000)
#define LPA2_ADDRESS UINT64_C(0x0003fffffffff000)
/* What a table takes away from all that is below it. */
#define ARM_TABLE_PXN     (UINT64_C(1) << 59)
#define ARM_TABLE_NO_USER (UINT64_C(1) << 61)
#define ARM_TABLE_RO      (UINT64_C(1) << 62)

static unsigned rounded_up(unsigned n, unsigned by)
{
	return (n + by - 1) / by;
}

struct vh_paging_form vh_paging_form(const struct vh_root *root)
{
	struct vh_paging_form f = {.paging = root->paging, .page_bits = 12, .va_bits = 48};

	if (root->paging == VH_PAGING_X86_5)
		f.va_bits = 57;
	if (root->paging == VH_PAGING_ARM64) {
		f.page_bits = root->page_bits >= 12 && root->page_bits <= 16 ? root->page_bits : 12;
		f.va_bits = root->va_bits >= 36 && root->va_bits <= 52 ? root->va_bits : 48;
	}
	/* 52 bits with small pages are there with the entries of LPA2 alone. */
	f.lpa2 = root->paging == VH_PAGING_ARM64 && f.va_bits == 52 && f.page_bits < 16;
	f.index_bits = f.page_bits - 3;
	f.levels = rounded_up(f.va_bits - f.page_bits, f.index_bits);
	f.table_bytes = UINT64_C(1) << f.page_bits;
	return f;
}

unsigned vh_paging_shift(const struct vh_paging_form *f, unsigned level)
{
	return f->page_bits + (level - 1) * f->index_bits;
}

unsigned vh_paging_entries(const struct vh_paging_form *f, unsigned level)
{
	return 1u << VH_MIN(f->index_bits, f->va_bits - vh_paging_shift(f, level));
}

unsigned vh_paging_index(const struct vh_paging_form *f, unsigned level, uint64_t gva)
{
	return (unsigned)(gva >> vh_paging_shift(f, level) & (vh_paging_entries(f, level) - 1));
}

uint64_t vh_paging_extend(const struct vh_paging_form *f, uint64_t gva)
{
	uint64_t low = gva & ((UINT64_C(1) << f->va_bits) - 1);

	/* TTBR1's half of AArch64 is the upper one. */
	if (f->paging == VH_PAGING_ARM64 || low >> (f->va_bits - 1))
		return low | ~((UINT64_C(1) << f->va_bits) - 1);
	return low;
}

bool vh_paging_canonical(const struct vh_paging_form *f, uint64_t gva)
{
	return vh_paging_extend(f, gva) == gva;
}

static bool decode_x86(unsigned level, uint64_t entry, struct vh_paging_entry *out)
{
	if (!(entry & X86_PRESENT))
		return false;
	*out = (struct vh_paging_entry){
		.gpa = {entry & ADDRESS_MASK},
		.leaf = level == 1 || (level <= 3 && (entry & X86_LARGE)),
		.writable = entry & X86_WRITE,
		.executable = !(entry & X86_NX),
		.user = entry & X86_USER,
	};
	return true;
}

/* Where an entry leads to: with 64 KiB pages bits 48 to 51 stand in 12 to 15, with LPA2 50 and 51
 * in 8 and 9. */
static uint64_t arm_address(const struct vh_paging_form *f, uint64_t entry)
{
	uint64_t low = entry & (f->lpa2 ? LPA2_ADDRESS : ARM_ADDRESS) & ~(f->table_bytes - 1);

	if (f->page_bits == 16)
		return low | (entry >> 12 & 15) << 48;
	return f->lpa2 ? low | (entry >> 8 & 3) << 50 : low;
}

/* The highest level whose entries may map a block: of 1 GiB with 4 KiB pages, of 32 MiB or 512 MiB
 * with larger ones, one level more with LPA2. */
static unsigned highest_block(const struct vh_paging_form *f)
{
	return (f->page_bits == 12 ? 3 : 2) + f->lpa2;
}

/* That pages are contiguous (bit 52) is a hint for the TLB: each has an entry of its own. */
static bool decode_arm(
	const struct vh_paging_form *f, unsigned level, uint64_t entry, struct vh_paging_entry *out)
{
	bool table = entry & ARM_TABLE;

	if (!(entry & ARM_VALID) || (!table && (level == 1 || level > highest_block(f))))
		return false;
	*out = (struct vh_paging_entry){.gpa = {arm_address(f, entry)}};
	out->leaf = level == 1 || !table;
	if (out->leaf) {
		out->writable = !(entry & ARM_RO) || entry & ARM_DBM;
		out->executable = !(entry & ARM_PXN);
		out->user = entry & ARM_USER;
	} else {
		out->writable = !(entry & ARM_TABLE_RO);
		out->executable = !(entry & ARM_TABLE_PXN);
		out->user = !(entry & ARM_TABLE_NO_USER);
	}
	return true;
}

bool vh_paging_decode(
	const struct vh_paging_form *f, unsigned level, uint64_t entry, struct vh_paging_entry *out)
{
	if (f->paging == VH_PAGING_ARM64)
		return decode_arm(f, level, entry, out);
	return decode_x86(level, entry, out);
}
