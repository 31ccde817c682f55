/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/registers.h"

#include <stddef.h>

#define RFLAGS_VM   (UINT64_C(1) << 17)
#define CR0_PE      (UINT64_C(1) << 0)
#define CR0_PG      (UINT64_C(1) << 31)
#define EFER_LME    (UINT64_C(1) << 8)
#define EFER_LMA    (UINT64_C(1) << 10)
#define SEGMENT_L   (UINT32_C(1) << 21) /* QEMU's DESC_L_MASK: 64-bit code */
#define SEGMENT_D_B (UINT32_C(1) << 22) /* DESC_B_MASK: 32-bit code */

/* Where a "NAME=value" goes. Names of both layouts: EAX or RAX. */
struct slot {
	const char *name, *name64; /* name64 NULL: the same */
	enum { U64, U32, FLAG, SEGMENT, TABLE } kind;
	size_t offset, offset2; /* TABLE: base and limit */
};
#define AT(member) offsetof(struct vh_registers, member)

static const struct slot slots[] = {
	{"EAX", "RAX", U64, AT(rax)},
	{"EBX", "RBX", U64, AT(rbx)},
	{"ECX", "RCX", U64, AT(rcx)},
	{"EDX", "RDX", U64, AT(rdx)},
	{"ESI", "RSI", U64, AT(rsi)},
	{"EDI", "RDI", U64, AT(rdi)},
	{"EBP", "RBP", U64, AT(rbp)},
	{"ESP", "RSP", U64, AT(rsp)},
	{"R8", NULL, U64, AT(r[0])},
	{"R9", NULL, U64, AT(r[1])},
	{"R10", NULL, U64, AT(r[2])},
	{"R11", NULL, U64, AT(r[3])},
	{"R12", NULL, U64, AT(r[4])},
	{"R13", NULL, U64, AT(r[5])},
	{"R14", NULL, U64, AT(r[6])},
	{"R15", NULL, U64, AT(r[7])},
	{"EIP", "RIP", U64, AT(rip)},
	{"EFL", "RFL", U64, AT(rflags)},
	{"CPL", NULL, U32, AT(cpl)},
	{"HLT", NULL, FLAG, AT(hlt)},
	{"SMM", NULL, FLAG, AT(smm)},
	{"A20", NULL, FLAG, AT(a20)},
	{"II", NULL, FLAG, AT(interrupts_inhibited)},
	{"ES", NULL, SEGMENT, AT(es)},
	{"CS", NULL, SEGMENT, AT(cs)},
	{"SS", NULL, SEGMENT, AT(ss)},
	{"DS", NULL, SEGMENT, AT(ds)},
	{"FS", NULL, SEGMENT, AT(fs)},
	{"GS", NULL, SEGMENT, AT(gs)},
	{"LDT", NULL, SEGMENT, AT(ldt)},
	{"TR", NULL, SEGMENT, AT(tr)},
	{"GDT", NULL, TABLE, AT(gdt_base), AT(gdt_limit)},
	{"IDT", NULL, TABLE, AT(idt_base), AT(idt_limit)},
	{"CR0", NULL, U64, AT(cr0)},
	{"CR2", NULL, U64, AT(cr2)},
	{"CR3", NULL, U64, AT(cr3)},
	{"CR4", NULL, U64, AT(cr4)},
	{"EFER", NULL, U64, AT(efer)},
};
_Static_assert(VH_ARRAY_SIZE(slots) <= 64, "seen is a word of bits");

struct parser {
	struct vh_registers out;
	uint64_t seen; /* bits: slots that were filled; the first value counts */
};

static int slot_find(struct vh_str name)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(slots); i++)
		if (vh_str_is(name, slots[i].name) ||
			(slots[i].name64 && vh_str_is(name, slots[i].name64)))
			return (int)i;
	return -1;
}

static bool was_seen(const struct parser *p, const char *name)
{
	return p->seen >> slot_find(vh_str(name)) & 1;
}

/* "0038 0000000000000000 ffffffff 00af9a00 DPL=0 CS64 [-R-]" */
static void take_segment(struct vh_str *rest, struct vh_segment *out)
{
	uint64_t value[4] = {0};
	struct vh_str word;

	for (int i = 0; i < 4; i++)
		if (!vh_next_word(rest, &word) || !vh_parse_u64(word, 16, &value[i]))
			break;
	*out = (struct vh_segment){
		(uint16_t)value[0], value[1], (uint32_t)value[2], (uint32_t)value[3]};
	*rest = vh_str("");
}

static bool take_value(struct parser *p, const struct slot *slot, struct vh_str *rest)
{
	char *at = (char *)&p->out + slot->offset;
	struct vh_str word;
	uint64_t value = 0, limit = 0;

	if (slot->kind == SEGMENT) {
		take_segment(rest, (struct vh_segment *)at);
		return true;
	}
	if (!vh_next_word(rest, &word) || !vh_parse_u64(word, 16, &value))
		return false;
	switch (slot->kind) {
	case U32:
		*(unsigned *)at = (unsigned)value;
		break;
	case FLAG:
		*(bool *)at = value != 0;
		break;
	case TABLE:
		if (vh_next_word(rest, &word))
			vh_parse_u64(word, 16, &limit);
		*(uint32_t *)((char *)&p->out + slot->offset2) = (uint32_t)limit;
		__attribute__((fallthrough));
	default:
		*(uint64_t *)at = value;
	}
	return true;
}

/* One "NAME=value" off the line, or one word of anything else. False where a second vCPU's dump
 * begins ("info registers -a"). */
static bool take_pair(struct parser *p, struct vh_str *rest)
{
	size_t i = 0;

	while (i < rest->n && ((rest->s[i] >= 'A' && rest->s[i] <= 'Z') ||
				      (rest->s[i] >= '0' && rest->s[i] <= '9')))
		i++;
	struct vh_str name = {rest->s, i};

	while (i < rest->n && rest->s[i] == ' ')
		i++;
	if (!name.n || i >= rest->n || rest->s[i] != '=') {
		struct vh_str word;

		vh_next_word(rest, &word);
		return true;
	}
	rest->s += i + 1;
	rest->n -= i + 1;
	int found = slot_find(name);
	struct vh_str word;

	if (found < 0)
		vh_next_word(rest, &word);
	else if (p->seen >> found & 1)
		return found != 0; /* EAX again */
	else if (take_value(p, &slots[found], rest)) {
		p->seen |= UINT64_C(1) << found;
		if (vh_str_is(name, "RIP"))
			p->out.is_64bit = true;
	}
	return true;
}

bool vh_registers_parse(struct vh_str text, struct vh_registers *out)
{
	struct parser p = {0};
	struct vh_str line;
	bool more = true;

	while (more && vh_next_line(&text, &line))
		for (line = vh_str_trim(line); more && line.n; line = vh_str_trim(line))
			more = take_pair(&p, &line);
	p.out.valid = was_seen(&p, "EIP") && was_seen(&p, "EFL") && was_seen(&p, "CR0");
	p.out.has_segments = was_seen(&p, "CS") && was_seen(&p, "SS") && was_seen(&p, "DS") &&
			     was_seen(&p, "TR") && was_seen(&p, "GDT") && was_seen(&p, "IDT");
	*out = p.out;
	return p.out.valid;
}

static bool long_mode(const struct vh_registers *r)
{
	/* Older SNP trees show LME and paging without LMA (EFER=900). */
	return (r->efer & EFER_LMA) || ((r->efer & EFER_LME) && (r->cr0 & CR0_PG));
}

int vh_registers_code_bits(const struct vh_registers *r)
{
	if (!(r->cr0 & CR0_PE) || (r->rflags & RFLAGS_VM))
		return 16;
	if (r->is_64bit || (long_mode(r) && (r->cs.flags & SEGMENT_L)))
		return 64;
	return r->cs.flags & SEGMENT_D_B ? 32 : 16;
}

uint64_t vh_registers_linear_rip(const struct vh_registers *r)
{
	if (vh_registers_code_bits(r) == 64)
		return r->rip;
	return (r->cs.base + r->rip) & UINT32_MAX;
}

const char *vh_registers_mode(const struct vh_registers *r)
{
	if (r->smm)
		return "system management mode";
	if (!(r->cr0 & CR0_PE))
		return "real mode";
	if (r->rflags & RFLAGS_VM)
		return "virtual-8086 mode";
	if (long_mode(r))
		return vh_registers_code_bits(r) == 64 ? "long mode, 64-bit"
						       : "long mode, compatibility";
	return vh_registers_code_bits(r) == 32 ? "protected mode, 32-bit"
					       : "protected mode, 16-bit";
}
