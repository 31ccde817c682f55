/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/residue.h"

#include <inttypes.h>
#include <stdio.h>

#include "decode/constants.h"
#include "decode/msrvalue.h"

#define MSR_APIC_BASE 0x1b
/* TSC_AUX is a CPU's number (and its node's, from bit 12 on): more CPUs no guest has. */
#define MAX_TSC_AUX 0xfffff

static const char *const names[VH_N_RESIDUE] = {
	[VH_RESIDUE_NONE] = "none",
	[VH_RESIDUE_RESET] = "none-since-reset",
	[VH_RESIDUE_ZERO] = "all-zero",
	[VH_RESIDUE_MSR] = "msr",
	[VH_RESIDUE_CPUID] = "cpuid",
	[VH_RESIDUE_PORT] = "port",
	[VH_RESIDUE_TSC] = "tsc",
	[VH_RESIDUE_CALL] = "hypercall",
	[VH_RESIDUE_UNCLEAR] = "unclear",
};
VH_NAMES_DEFINE(vh_residue, enum vh_residue_kind, names)

static void say(struct vh_residue *out, const char *fmt, ...) VH_PRINTF(2, 3);
static void say(struct vh_residue *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(out->text, sizeof(out->text), fmt, args);
	va_end(args);
}

/* Leaves by what they answer: EBX, ECX, EDX of vendor and hypervisor leaves (AMD APM vol. 3,
 * appendix E; Linux arch/x86/include/uapi/asm/kvm_para.h). Leaf 0x80000000 has the vendor of leaf 0
 * with a large EAX. */
static const struct {
	uint64_t leaf;
	uint32_t ebx, ecx, edx;
	const char *what;
} vendors[] = {
	{0, 0x68747541, 0x444d4163, 0x69746e65, "AuthenticAMD"},
	{0, 0x756e6547, 0x6c65746e, 0x49656e69, "GenuineIntel"},
	{0, 0x6f677948, 0x656e6975, 0x6e65476e, "HygonGenuine"},
	{0x40000000, 0x4b4d564b, 0x564b4d56, 0x0000004d, "KVMKVMKVM"},
	{0x40000000, 0x7263694d, 0x666f736f, 0x76482074, "Microsoft Hv"},
};

/* EDX of leaf 1: a CPU without FPU, TSC, MSRs and APIC runs no 64-bit firmware. */
#define LEAF_1_EDX 0x231u

static bool is_brand_text(const struct vh_registers *r)
{
	const uint64_t words[] = {r->rax, r->rbx, r->rcx, r->rdx};
	unsigned printable = 0;

	for (size_t i = 0; i < 16; i++) {
		uint8_t c = (uint8_t)(words[i / 4] >> (8 * (i % 4)));

		if (c && (c < 0x20 || c > 0x7e))
			return false;
		printable += c > 0x20;
	}
	return printable >= 4;
}

static void take_cpuid(const struct vh_registers *r, struct vh_residue *out)
{
	out->kind = VH_RESIDUE_CPUID;
	out->leaf = UINT64_MAX;
	out->sure = true;
	for (size_t i = 0; i < VH_ARRAY_SIZE(vendors); i++)
		if (r->rbx == vendors[i].ebx && r->rcx == vendors[i].ecx &&
			r->rdx == vendors[i].edx) {
			out->leaf = vendors[i].leaf;
			if (!out->leaf && r->rax >= 0x80000000)
				out->leaf = 0x80000000;
			say(out, "CPUID %" PRIx64 " (\"%s\", highest leaf %" PRIx64 ")", out->leaf,
				vendors[i].what, r->rax);
			return;
		}
	/* AMD: the extended family is from 15 on, in bits 20 to 27 of EAX; bits 28 to 31 are 0. */
	if ((r->rdx & LEAF_1_EDX) == LEAF_1_EDX && (r->rcx >> 31 & 1) && !(r->rax >> 28)) {
		out->leaf = 1;
		say(out, "CPUID 1 (signature %08" PRIx64 ", APIC id %" PRIu64 ")", r->rax,
			r->rbx >> 24 & 0xff);
		return;
	}
	if (is_brand_text(r)) {
		say(out, "CPUID 80000002 to 80000004 (the processor's name)");
		return;
	}
	out->sure = false;
	say(out,
		"CPUID, of a leaf that its answer does not tell, or a hypercall (EAX=%" PRIx64
		" EBX=%" PRIx64 " ECX=%" PRIx64 " EDX=%" PRIx64 ")",
		r->rax, r->rbx, r->rcx, r->rdx);
}

static bool is_32_bit(uint64_t value)
{
	return value <= UINT32_MAX;
}

/* Of an MSR access: its number in RCX, and its value, in halves, in RAX and RDX. */
static bool take_msr(const struct vh_registers *r, struct vh_residue *out)
{
	vh_auto_buf struct vh_buf value = {0};
	const char *name = vh_msr_name(r->rcx);

	if (!r->rcx || r->rbx || r->rsi || !name || !is_32_bit(r->rax) || !is_32_bit(r->rdx))
		return false;
	out->msr = r->rcx;
	out->value = r->rdx << 32 | r->rax;
	if (!vh_msr_value_fits(out->msr, out->value))
		return false;
	bool told = vh_msr_value_text(out->msr, out->value, &value);

	out->kind = VH_RESIDUE_MSR;
	/* RDTSCP leaves a CPU's number where an MSR's would be. */
	out->sure = r->rcx > MAX_TSC_AUX || (out->value && told);
	say(out, "an access to %s = %" PRIx64 "%s%s%s%s", name, out->value, told ? ": " : "",
		vh_buf_str(&value),
		r->rcx == MSR_APIC_BASE ? "; most likely a read: firmware hardly ever writes it"
					: "; RDMSR and WRMSR leave the same",
		out->sure ? "" : "; RDTSCP on that CPU would leave the same");
	return true;
}

static void take_counter(const struct vh_registers *r, struct vh_residue *out)
{
	out->kind = VH_RESIDUE_TSC;
	out->value = r->rdx << 32 | (uint32_t)r->rax;
	if (r->rcx)
		say(out,
			"RDTSCP (counter %" PRIu64 ", TSC_AUX %" PRIx64
			") or RDPMC, or an MSR without a name (%" PRIx64 ")",
			out->value, r->rcx, r->rcx);
	else
		say(out, "RDTSC (counter %" PRIu64 "), or RDPMC of counter 0", out->value);
}

struct vh_residue vh_residue_of(const struct vh_registers *r)
{
	struct vh_residue out = {.kind = VH_RESIDUE_NONE, .leaf = UINT64_MAX};
	bool three = !r->rax && !r->rbx && !r->rcx && !r->rsi;

	if (!r->valid)
		return out;
	/* RESET and INIT: RIP fff0 and the processor's signature in RDX. An event zeroes both. */
	if (r->rip == 0xfff0 && three) {
		out.kind = VH_RESIDUE_RESET;
		out.sure = r->rdx != 0;
		say(&out, "none since it was reset (RIP fff0, signature %" PRIx64 ")", r->rdx);
	} else if (three && !r->rdx) {
		out.kind = VH_RESIDUE_ZERO;
		say(&out, "MMIO, AP reset hold, the end of an NMI or the AP jump table (they leave "
			  "zeros), or port I/O of the value 0");
	} else if (r->rsi) {
		out.kind = VH_RESIDUE_CALL;
		out.value = r->rax;
		say(&out,
			"a hypercall (RAX=%" PRIx64 ", RBX=%" PRIx64 ", RCX=%" PRIx64
			", RDX=%" PRIx64 ", RSI=%" PRIx64 ")",
			r->rax, r->rbx, r->rcx, r->rdx, r->rsi);
	} else if (r->rbx) {
		take_cpuid(r, &out);
	} else if (take_msr(r, &out)) {
		return out;
	} else if (r->rax && !r->rcx && !r->rdx) {
		out.kind = VH_RESIDUE_PORT;
		out.value = r->rax;
		say(&out, "port I/O of the value %" PRIx64 ", or a write of it to DR7", r->rax);
	} else if (r->rdx || r->rcx) {
		take_counter(r, &out);
	} else {
		out.kind = VH_RESIDUE_UNCLEAR;
		say(&out, "unclear");
	}
	return out;
}
