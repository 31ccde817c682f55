/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/trust.h"

#include "base/names.h"

static const char *const regime_names[VH_N_REGIME] = {
	[VH_REGIME_UNKNOWN] = "unknown",
	[VH_REGIME_PLAIN] = "plain",
	[VH_REGIME_GHCB] = "ghcb",
	[VH_REGIME_CACHE] = "cache",
	[VH_REGIME_HIDDEN] = "hidden",
};
VH_NAMES_DEFINE(vh_regime, enum vh_regime, regime_names)

static const char *const trust_names[VH_N_TRUST] = {
	[VH_TRUST_CURRENT] = "current",
	[VH_TRUST_RESIDUE] = "residue",
	[VH_TRUST_CACHE] = "reset-state",
	[VH_TRUST_HIDDEN] = "not-visible",
};
VH_NAMES_DEFINE(vh_trust, enum vh_trust, trust_names)

const char *vh_trust_title(enum vh_trust trust)
{
	static const char *const titles[VH_N_TRUST] = {
		[VH_TRUST_CURRENT] = "current",
		[VH_TRUST_RESIDUE] = "left by the last event that the guest asked for",
		[VH_TRUST_CACHE] = "QEMU's own state of the reset, not the guest's",
		[VH_TRUST_HIDDEN] = "not visible",
	};

	return vh_name_of(titles, VH_N_TRUST, (int)trust);
}

static const char *const class_names[VH_N_REG_CLASS] = {
	[VH_REG_ARGUMENTS] = "rax-rbx-rcx-rdx-rsi",
	[VH_REG_GENERAL] = "other-general",
	[VH_REG_RIP] = "rip",
	[VH_REG_RFLAGS] = "rflags",
	[VH_REG_SEGMENTS] = "segments",
	[VH_REG_CR0] = "cr0",
	[VH_REG_CR2] = "cr2",
	[VH_REG_CR3] = "cr3",
	[VH_REG_CR4] = "cr4",
	[VH_REG_EFER] = "efer",
	[VH_REG_HLT] = "hlt",
};
VH_NAMES_DEFINE(vh_reg_class, enum vh_reg_class, class_names)

/*
 * By regime. In a SEV-ES guest CR0, CR4, CR8 and EFER are written through traps taken behind the
 * write (Linux arch/x86/kvm/svm/sev.c, sev_es_init_vmcb; svm.c, cr_trap, efer_trap), HLT comes from
 * mp_state; each VMGEXIT through the GHCB page zeroes all of KVM's general registers, RIP too, and
 * copies RAX, RBX, RCX, RDX and RSI in (sev_es_sync_from_ghcb). The rest KVM never learns.
 */
enum vh_trust vh_trust_of(enum vh_regime regime, enum vh_reg_class reg)
{
	static const enum vh_trust ghcb[VH_N_REG_CLASS] = {
		[VH_REG_ARGUMENTS] = VH_TRUST_RESIDUE,
		[VH_REG_GENERAL] = VH_TRUST_HIDDEN,
		[VH_REG_RIP] = VH_TRUST_HIDDEN,
		[VH_REG_RFLAGS] = VH_TRUST_HIDDEN,
		[VH_REG_SEGMENTS] = VH_TRUST_HIDDEN,
		[VH_REG_CR0] = VH_TRUST_CURRENT,
		[VH_REG_CR2] = VH_TRUST_HIDDEN,
		[VH_REG_CR3] = VH_TRUST_HIDDEN,
		[VH_REG_CR4] = VH_TRUST_CURRENT,
		[VH_REG_EFER] = VH_TRUST_CURRENT,
		[VH_REG_HLT] = VH_TRUST_CURRENT,
	};

	if ((unsigned)reg >= VH_N_REG_CLASS)
		return VH_TRUST_HIDDEN;
	switch (regime) {
	case VH_REGIME_PLAIN:
		return VH_TRUST_CURRENT;
	case VH_REGIME_GHCB:
		return ghcb[reg];
	case VH_REGIME_CACHE:
		return VH_TRUST_CACHE;
	default:
		return VH_TRUST_HIDDEN;
	}
}

static bool is_zero(const struct vh_segment *s)
{
	return !s->selector && !s->base && !s->limit && !s->flags;
}

enum vh_dump_shape vh_dump_shape_of(const struct vh_registers *r)
{
	/* A dump that was cut short has no segments, and that says nothing. */
	if (!r->valid || !r->has_segments)
		return VH_DUMP_OTHER;
	if (is_zero(&r->cs) && is_zero(&r->ss) && is_zero(&r->ds) && is_zero(&r->tr) &&
		!r->gdt_base && !r->gdt_limit && !r->idt_base && !r->idt_limit)
		return VH_DUMP_BARE;
	if (r->rip == 0xfff0 && r->cs.selector == 0xf000 && r->cs.base == 0xffff0000 &&
		r->cr0 == 0x60000010 && !r->cr4 && !r->efer && !r->cr3)
		return VH_DUMP_RESET;
	return VH_DUMP_OTHER;
}

#define KIND(kind) (1u << VH_CONF_##kind)
#define GHCB_KINDS (KIND(SEV_ES) | KIND(SEV_SNP))
#define HIDDEN     (GHCB_KINDS | KIND(TDX) | KIND(OTHER))
#define READABLE   (KIND(NONE) | KIND(SEV))
#define SHAPE(s)   (1u << VH_DUMP_##s)
#define ANY_SHAPE  (SHAPE(OTHER) | SHAPE(BARE) | SHAPE(RESET))

/*
 * Kind of guest, shape of the dump and version of QEMU decide; the first row that fits counts. The
 * kernel decides whether there is a dump at all: from Linux 6.10 on KVM refuses the registers of a
 * protected vCPU (-EINVAL) where the VM was made with KVM_SEV_INIT2, and of every SNP and TDX guest
 * (arch/x86/kvm/x86.c, kvm_arch_vcpu_ioctl_get_sregs; vmx/tdx.c, tdx_vcpu_create). QEMU up to 8.1
 * ignores that and prints what it had, from 8.2 on it stops the VM; from 9.1 on it does not ask
 * once the guest is launched (guest_state_protected in target/i386/kvm/kvm.c).
 */
static const struct row {
	unsigned kinds, shapes;
	int from[2], to[2]; /* QEMU, inclusive; 0.0: any */
	bool launched;      /* the row asks for a launched guest */
	enum vh_regime regime;
	const char *why;
} rows[] = {
	{READABLE, SHAPE(OTHER) | SHAPE(RESET), .regime = VH_REGIME_PLAIN},
	{READABLE, SHAPE(BARE), .regime = VH_REGIME_HIDDEN,
		.why = "no guest has such registers (all segments zero), and nothing says that "
		       "this one is encrypted so that KVM could not read them"},
	{GHCB_KINDS, SHAPE(BARE), .regime = VH_REGIME_GHCB,
		.why = "KVM keeps CR0, CR4, EFER and HLT of it; RAX to RDX and RSI are what the "
		       "guest's last own exit left; it never learns the others"},
	{GHCB_KINDS, SHAPE(RESET), .to = {9, 0}, .launched = true, .regime = VH_REGIME_HIDDEN,
		.why = "KVM refused the registers (Linux 6.10 and later), and QEMU shows what it "
		       "had: the state of the reset"},
	{HIDDEN, SHAPE(RESET), .launched = true, .regime = VH_REGIME_CACHE,
		.why = "QEMU 9.1 and later does not ask KVM for the registers of an encrypted "
		       "guest: it shows the state that it set at reset, of every vCPU the same"},
	{HIDDEN, SHAPE(RESET), .regime = VH_REGIME_PLAIN,
		.why = "the guest is not launched: its state is not encrypted yet"},
	{HIDDEN, ANY_SHAPE, .regime = VH_REGIME_HIDDEN,
		.why = "the guest is encrypted: what the VMM shows are not its registers"},
};

static int version_of(const int version[2])
{
	return version[0] < 0 ? -1 : version[0] * 1000 + VH_MAX(version[1], 0);
}

static bool version_fits(const struct row *row, const int qemu[2])
{
	if (!row->from[0] && !row->to[0])
		return true;
	int version = version_of(qemu);

	return version >= 0 && version >= row->from[0] * 1000 + row->from[1] &&
	       (!row->to[0] || version <= row->to[0] * 1000 + row->to[1]);
}

struct vh_trust_answer vh_trust_judge(const struct vh_trust_question *q)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];

		if ((row->kinds >> q->kind & 1) && (row->shapes >> q->shape & 1) &&
			version_fits(row, q->qemu) && (!row->launched || q->launched))
			return (struct vh_trust_answer){row->regime, row->why};
	}
	return (struct vh_trust_answer){VH_REGIME_HIDDEN, NULL};
}

const char *vh_trust_without_dump(enum vh_conf_kind kind, const int qemu[2], const int kernel[2])
{
	int vmm = version_of(qemu), host = version_of(kernel);

	if (!vh_conf_hides_registers(kind))
		return NULL;
	if (vmm >= 9001)
		return "this QEMU would show the state of the reset, not the guest's registers";
	if (kind != VH_CONF_SEV_ES)
		return "KVM refuses the registers of such a guest (-EINVAL), unless it was made "
		       "for debugging";
	if (vmm < 0)
		return "up to QEMU 9.0 a dump has CR0, CR4, EFER and the rest of the last exit; a "
		       "query that KVM refuses makes QEMU 8.2 to 9.0 stop the VM";
	if (vmm >= 8002)
		return host >= 0 && host < 6010
			       ? "a dump would have CR0, CR4, EFER and the rest of the last exit; "
				 "were this a kernel that refuses it, this QEMU would stop the VM"
			       : "a query that KVM refuses (Linux 6.10 and later) makes this QEMU "
				 "stop the VM";
	return "a dump would have CR0, CR4, EFER and the rest of the last exit, where the kernel "
	       "does not refuse it (from Linux 6.10 on)";
}
