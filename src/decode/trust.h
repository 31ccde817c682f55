/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What each register of a dump means. Of an encrypted guest most are not the guest's: KVM does not
 * have them, QEMU shows what it remembers, and what looks like a value is the rest of an earlier
 * exit. No zero of such a dump is a zero of the guest.
 */
#pragma once

#include "case/vm.h"
#include "guest/registers.h"

/* Where a dump's values come from. */
enum vh_regime {
	VH_REGIME_UNKNOWN, /* there is no dump */
	VH_REGIME_PLAIN,   /* the guest's registers */
	VH_REGIME_GHCB,    /* KVM's answer for a vCPU whose state is encrypted (SEV-ES) */
	VH_REGIME_CACHE,   /* QEMU did not ask: the state that it set at reset */
	VH_REGIME_HIDDEN,  /* nothing in it is known to be the guest's */
	VH_N_REGIME
};
VH_NAMES_DECLARE(vh_regime, enum vh_regime);

enum vh_trust {
	VH_TRUST_CURRENT, /* the guest's, now */
	VH_TRUST_RESIDUE, /* left by the last exit that the guest itself asked for */
	VH_TRUST_CACHE,   /* what QEMU set when it reset the machine */
	VH_TRUST_HIDDEN,  /* not visible; the number in the dump says nothing */
	VH_N_TRUST
};
VH_NAMES_DECLARE(vh_trust, enum vh_trust);
const char *vh_trust_title(enum vh_trust trust); /* for people */

/* Registers that share their fate. */
enum vh_reg_class {
	VH_REG_ARGUMENTS, /* RAX, RBX, RCX, RDX, RSI: what a GHCB passes */
	VH_REG_GENERAL,   /* RDI, RBP, RSP, R8 to R15 */
	VH_REG_RIP,
	VH_REG_RFLAGS,
	VH_REG_SEGMENTS, /* and the descriptor tables, and CPL */
	VH_REG_CR0,
	VH_REG_CR2,
	VH_REG_CR3,
	VH_REG_CR4,
	VH_REG_EFER,
	VH_REG_HLT,
	VH_N_REG_CLASS
};
VH_NAMES_DECLARE(vh_reg_class, enum vh_reg_class);

enum vh_trust vh_trust_of(enum vh_regime regime, enum vh_reg_class reg);

/* What a dump looks like, whatever the guest is said to be. */
enum vh_dump_shape {
	VH_DUMP_OTHER,
	VH_DUMP_BARE,  /* segments and tables are all zero: KVM leaves them out of a protected
			  vCPU's (arch/x86/kvm/x86.c, __get_sregs_common); no CPU has a code segment
			  like that */
	VH_DUMP_RESET, /* as reset leaves a vCPU, segments and all */
	VH_N_DUMP_SHAPE
};
enum vh_dump_shape vh_dump_shape_of(const struct vh_registers *r);

struct vh_trust_question {
	enum vh_conf_kind kind;
	enum vh_dump_shape shape;
	int qemu[2];   /* major, minor; -1 unknown */
	bool launched; /* false: its state is not encrypted yet (query-sev says so) */
};
/* The row of the table that answers. */
struct vh_trust_answer {
	enum vh_regime regime;
	const char *why; /* a sentence for people; NULL for a plain guest */
};
struct vh_trust_answer vh_trust_judge(const struct vh_trust_question *q);
/* What a register query of such a guest would give with that QEMU and that kernel (major, minor; -1
 * unknown), as a clause; NULL where its registers are to be had. */
const char *vh_trust_without_dump(enum vh_conf_kind kind, const int qemu[2], const int kernel[2]);
