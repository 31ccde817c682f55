/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bits of the control registers, one row a bit. Intel SDM vol. 3A section 2.5 (CR0, CR4), vol. 1
 * section 3.4.3 (RFLAGS); AMD APM vol. 2 section 3.1. Checked against the names in the kernel's
 * arch/x86/include/uapi/asm/processor-flags.h. */
#include "guest/registers.h"

struct bit {
	unsigned char number;
	char name[12];
};

static const struct bit cr0_bits[] = {
	{0, "PE"},
	{1, "MP"},
	{2, "EM"},
	{3, "TS"},
	{4, "ET"},
	{5, "NE"},
	{16, "WP"},
	{18, "AM"},
	{29, "NW"},
	{30, "CD"},
	{31, "PG"},
};

static const struct bit cr4_bits[] = {
	{0, "VME"},
	{1, "PVI"},
	{2, "TSD"},
	{3, "DE"},
	{4, "PSE"},
	{5, "PAE"},
	{6, "MCE"},
	{7, "PGE"},
	{8, "PCE"},
	{9, "OSFXSR"},
	{10, "OSXMMEXCPT"},
	{11, "UMIP"},
	{12, "LA57"},
	{13, "VMXE"},
	{14, "SMXE"},
	{16, "FSGSBASE"},
	{17, "PCIDE"},
	{18, "OSXSAVE"},
	{19, "KL"},
	{20, "SMEP"},
	{21, "SMAP"},
	{22, "PKE"},
	{23, "CET"},
	{24, "PKS"},
	{25, "UINTR"},
	{27, "LASS"},
	{28, "LAM_SUP"},
	{32, "FRED"},
};

static const struct bit efer_bits[] = {
	{0, "SCE"},
	{8, "LME"},
	{10, "LMA"},
	{11, "NXE"},
	{12, "SVME"},
	{13, "LMSLE"},
	{14, "FFXSR"},
	{15, "TCE"},
	{17, "MCOMMIT"},
	{18, "INTWB"},
	{20, "UAIE"},
	{21, "AIBRSE"},
};

/* Bit 1 of RFLAGS is always set and says nothing. */
static const struct bit rflags_bits[] = {
	{0, "CF"},
	{2, "PF"},
	{4, "AF"},
	{6, "ZF"},
	{7, "SF"},
	{8, "TF"},
	{9, "IF"},
	{10, "DF"},
	{11, "OF"},
	{14, "NT"},
	{16, "RF"},
	{17, "VM"},
	{18, "AC"},
	{19, "VIF"},
	{20, "VIP"},
	{21, "ID"},
};

static const char *bit_name(const struct bit *bits, size_t n, unsigned number)
{
	for (size_t i = 0; i < n; i++)
		if (bits[i].number == number)
			return bits[i].name;
	return NULL;
}

static void bits_text(uint64_t value, const struct bit *bits, size_t n, struct vh_buf *out)
{
	const char *space = "";

	for (unsigned number = 0; number < 64; number++) {
		const char *name = bit_name(bits, n, number);

		if (!(value >> number & 1))
			continue;
		vh_buf_puts(out, space);
		if (name)
			vh_buf_puts(out, name);
		else
			vh_buf_printf(out, "bit %u", number);
		space = " ";
	}
}

void vh_cr0_text(uint64_t cr0, struct vh_buf *out)
{
	bits_text(cr0, cr0_bits, VH_ARRAY_SIZE(cr0_bits), out);
}

void vh_cr4_text(uint64_t cr4, struct vh_buf *out)
{
	bits_text(cr4, cr4_bits, VH_ARRAY_SIZE(cr4_bits), out);
}

void vh_efer_text(uint64_t efer, struct vh_buf *out)
{
	bits_text(efer, efer_bits, VH_ARRAY_SIZE(efer_bits), out);
}

/* IOPL (bits 12 and 13) is a number, not two bits. */
void vh_rflags_text(uint64_t rflags, struct vh_buf *out)
{
	uint64_t iopl = rflags >> 12 & 3;

	bits_text(rflags & ~UINT64_C(0x3002), rflags_bits, VH_ARRAY_SIZE(rflags_bits), out);
	if (iopl)
		vh_buf_printf(out, "%sIOPL=%u", out->len ? " " : "", (unsigned)iopl);
}
