/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Backtraces of arm64 (arch/arm64/kernel/stacktrace.c, 4.18 to 7.x), whose kernel always keeps
 * frame pointers: X29 points to a record of the caller's X29 and the return address. An entry into
 * the kernel leaves such a record among the registers that it saves (struct pt_regs), of what it
 * interrupted; two zeros end the chain, and from 6.13 on a word behind them tells why. Return
 * addresses may be signed (pointer authentication) in the bits that no address uses.
 */
#include "guest/paging.h"
#include "guest/unwind_parts.h"

#define FP 29
#define LR 30
/* struct pt_regs: x0 to x30, SP, PC, PSTATE (arch/arm64/include/asm/ptrace.h). */
enum { SP = VH_ARM_X, PC, PSTATE, N_REGISTERS };
/* PSTATE of a program: EL0, in 64-bit code or in 32-bit code. */
#define MODE(pstate) ((pstate)&0x1f)
#define EL0_64       0x00
#define EL0_32       0x10
/* Where pt_regs has its frame record, if no BTF tells; 6.13 moved it. */
#define RECORD_AT      304
#define RECORD_AT_613  296
#define TYPE_REGISTERS 2u /* FRAME_META_TYPE_PT_REGS */

void vh_arm_setup(struct vh_unwinder *u, const struct vh_kernel *k)
{
	struct vh_paging_form form = vh_paging_form(vh_space_root(k->space));
	int64_t told;
	uint32_t bytes;

	u->arm.pac = ~UINT64_C(0) << form.va_bits;
	if (k->note && vh_vmcoreinfo_number(k->note, "NUMBER(KERNELPACMASK)", &told))
		u->arm.pac |= (uint64_t)told;
	u->arm.has_type = vh_layout_sizeof(k->layout, "frame_record_meta", &bytes) ||
			  vh_kernel_since(k, 6, 13);
	u->arm.record = vh_layout_offset(
		k->layout, "pt_regs", "stackframe", u->arm.has_type ? RECORD_AT_613 : RECORD_AT);
	/* Behind the registers, or it is none. */
	if (u->arm.record < N_REGISTERS * 8 || u->arm.record > VH_GUEST_PAGE)
		u->arm.record = u->arm.has_type ? RECORD_AT_613 : RECORD_AT;
}

uint64_t vh_arm_unsigned(const struct vh_unwinder *u, uint64_t ip)
{
	/* Bit 55 tells which half an address is of, and is never signed. */
	return ip >> 55 & 1 ? ip | u->arm.pac : ip;
}

static enum vh_unwound call(struct vh_walk *w, uint64_t ip, uint64_t sp, uint64_t bp)
{
	if (!ip)
		return VH_STEP_END;
	w->ip = ip;
	w->sp = sp;
	w->bp = bp;
	w->exact = false;
	w->has_lr = false;
	w->kind = VH_FRAME_CALL;
	return VH_STEP_NEXT;
}

/* --- What an entry saved ------------------------------------------------------------------------
 */

static bool of_program(const uint64_t saved[N_REGISTERS])
{
	return (MODE(saved[PSTATE]) == EL0_64 || MODE(saved[PSTATE]) == EL0_32) && saved[PC] &&
	       !(saved[PC] >> 55);
}

static enum vh_unwound interrupted(struct vh_walk *w, const uint64_t saved[N_REGISTERS])
{
	w->ip = saved[PC];
	w->sp = saved[SP];
	w->bp = saved[FP];
	w->lr = saved[LR];
	w->has_lr = w->exact = true;
	w->kind = of_program(saved) ? VH_FRAME_USER : VH_FRAME_INTERRUPT;
	return VH_STEP_NEXT;
}

/* Where the record at w->bp is one of saved registers: goes on there, or ends; UNKNOWN: it is one
 * of a function. Up to 6.12 that of an entry from the kernel is told by holding what was saved. */
static enum vh_unwound by_registers(struct vh_walk *w, const uint64_t record[2])
{
	const struct vh_unwinder *u = w->k->unwinder;
	uint64_t saved[N_REGISTERS], type = 0;
	bool last = !record[0] && !record[1];

	if (vh_space_read(w->s, w->bp - u->arm.record, saved, sizeof(saved)) < 0)
		return last ? VH_STEP_END : VH_STEP_UNKNOWN;
	if (last && u->arm.has_type && !vh_space_u64(w->s, w->bp + 16, &type) &&
		type == TYPE_REGISTERS)
		return interrupted(w, saved);
	if (last)
		return of_program(saved) ? interrupted(w, saved) : VH_STEP_END;
	if (u->arm.has_type || saved[FP] != record[0] || saved[PC] != record[1])
		return VH_STEP_UNKNOWN;
	return interrupted(w, saved);
}

/* --- From function to function ------------------------------------------------------------------
 */

/* Before a function has made its frame, behind where it took it down, and in one that makes none,
 * X30 is where it returns to, and X29 is its caller's. Where it has a frame, X30 is what the frame
 * holds, or an address within the function: of what it called last. */
static bool has_no_frame(const struct vh_walk *w, uint64_t lr, const uint64_t record[2])
{
	struct vh_frame f = {0};
	bool within;

	if (!vh_kernel_is_text(w->k, lr) || lr == vh_arm_unsigned(w->k->unwinder, record[1]))
		return false;
	vh_kernel_name(w->k, w->ip, &f);
	within = f.symbol && lr - (w->ip - f.offset) <= f.size;
	free(f.symbol);
	free(f.module);
	return !within;
}

enum vh_unwound vh_step_arm(struct vh_walk *w)
{
	uint64_t record[2] = {0}, lr = vh_arm_unsigned(w->k->unwinder, w->lr);
	bool known = w->bp % 8 == 0 && w->bp >> 63 &&
		     !vh_space_read(w->s, w->bp, record, sizeof(record));
	enum vh_unwound s;

	if (w->has_lr && has_no_frame(w, lr, record))
		return call(w, lr, w->sp, w->bp);
	if (!w->bp)
		return VH_STEP_END;
	if (!known)
		return vh_step_broken(
			w, "the frame pointer %#llx leads nowhere", (unsigned long long)w->bp);
	/* A stack only ever grows; another one may lie anywhere. */
	if (w->bp < w->sp && w->bp / VH_STACK_BYTES == w->sp / VH_STACK_BYTES)
		return vh_step_broken(w, "the frame pointer %#llx lies below the stack pointer",
			(unsigned long long)w->bp);
	s = by_registers(w, record);
	if (s != VH_STEP_UNKNOWN)
		return s;
	return call(
		w, vh_arm_unsigned(w->k->unwinder, record[1]), w->bp + sizeof(record), record[0]);
}

/* --- What looks like a return address -----------------------------------------------------------
 */

bool vh_arm_behind_call(struct vh_space *s, uint64_t ip)
{
	uint32_t code;

	if (ip % 4 || vh_space_u32(s, ip - 4, &code))
		return false;
	/* BL; BLR and its forms that authenticate (Arm ARM C6.2: BL, BLR, BLRAA). */
	return code >> 26 == 0x25 || (code & 0xfffffc1f) == 0xd63f0000 ||
	       (code & 0xfefff800) == 0xd63f0800;
}
