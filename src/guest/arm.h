/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text of HMP "info registers" of a 64-bit ARM vCPU as numbers (QEMU target/arm/cpu.c,
 * aarch64_cpu_dump_state, 2.x to 10.x; up to 2.x in target/arm/translate-a64.c, four registers a
 * line and SP beside PC).
 */
#pragma once

#include "base/text.h"

#define VH_ARM_X 31

struct vh_arm_registers {
	bool valid; /* PC and PSTATE were there, and it runs 64-bit code */
	bool has_sp;
	uint64_t pc, sp, pstate;
	uint64_t x[VH_ARM_X];
	uint32_t x_seen; /* bit N: X<N> was there */
};

/* Bits of PSTATE as the SPSR has them (Arm ARM, C5.2.18). */
#define VH_PSTATE_SP (UINT64_C(1) << 0) /* the stack pointer of its own level ("h") */
#define VH_PSTATE_RW (UINT64_C(1) << 4) /* 32-bit code */
#define VH_PSTATE_F  (UINT64_C(1) << 6)
#define VH_PSTATE_I  (UINT64_C(1) << 7)
#define VH_PSTATE_A  (UINT64_C(1) << 8)
#define VH_PSTATE_D  (UINT64_C(1) << 9)

/* False (and out->valid false) where the text is not a dump of a 64-bit ARM vCPU. A dump that is
 * cut short keeps what it had; of two the first counts. */
bool vh_arm_registers_parse(struct vh_str text, struct vh_arm_registers *out);
/* Exception level, 0 to 3. */
static inline unsigned vh_arm_el(const struct vh_arm_registers *r)
{
	return r->pstate >> 2 & 3;
}
/* PSTATE.I does not mask IRQs. A kernel that masks by priority (pseudo-NMI, ICC_PMR_EL1) leaves it
 * at 0 with its interrupts off. */
static inline bool vh_arm_irqs_on(const struct vh_arm_registers *r)
{
	return !(r->pstate & VH_PSTATE_I);
}
/* "EL1, a kernel". */
const char *vh_arm_el_title(unsigned el);
/* What is masked: "DAIF", "I", ""; and the condition flags that are set: "NZCV", "ZC", "". */
void vh_arm_masked_text(uint64_t pstate, struct vh_buf *out);
void vh_arm_flags_text(uint64_t pstate, struct vh_buf *out);
