/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/paging.h"

/* x86-64: Intel SDM vol. 3 section 4.5.5, AMD APM vol. 2 section 5.4. */
#define X86_PRESENT  (UINT64_C(1) << 0)
#define X86_WRITE    (UINT64_C(1) << 1)
#define X86_USER     (UINT64_C(1) << 2)
#define X86_LARGE    (UINT64_C(1) << 7)
#define X86_NX       (UINT64_C(1) << 63)
#define ADDRESS_MASK UINT64_C(0x000ffffffffff000)

/* AArch64 stage 1: Arm ARM D8.3. */
#define ARM_VALID UINT64_C(1)
#define ARM_TABLE UINT64_C(2) /* of level 1: a page */
#define ARM_USER  (UINT64_C(1) << 6)
#define ARM_RO    (UINT64_C(1) << 7)
#define ARM_PXN   (UINT64_C(1) << 53)

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
	f.index_bits = f.page_bits - 3;
	f.levels = rounded_up(f.va_bits - f.page_bits, f.index_bits);
	f.entries = 1u << f.index_bits;
	f.table_bytes = UINT64_C(1) << f.page_bits;
	return f;
}

unsigned vh_paging_shift(const struct vh_paging_form *f, unsigned level)
{
	return f->page_bits + (level - 1) * f->index_bits;
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

static bool decode_arm(
	const struct vh_paging_form *f, unsigned level, uint64_t entry, struct vh_paging_entry *out)
{
	bool table = entry & ARM_TABLE;

	if (!(entry & ARM_VALID) || (level == 1 && !table))
		return false;
	*out = (struct vh_paging_entry){
		.gpa = {entry & ADDRESS_MASK & ~(f->table_bytes - 1)},
		.leaf = level == 1 || !table,
		.writable = true,
		.executable = true,
		.user = true,
	};
	if (out->leaf) {
		out->writable = !(entry & ARM_RO);
		out->executable = !(entry & ARM_PXN);
		out->user = entry & ARM_USER;
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
