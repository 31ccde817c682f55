/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frame pointers, of kernels without ORC tables (arch/x86/kernel/unwind_frame.c): BP points to the
 * caller's, behind which the return address stands. An odd one points to the registers that an
 * entry into the kernel has saved (ENCODE_FRAME_POINTER, arch/x86/include/asm/frame.h).
 */
#include "guest/unwind_parts.h"

/* struct pt_regs, in words (arch/x86/include/asm/ptrace.h). */
enum { R13 = 2, BP = 4, R10 = 7, AX = 10, DX = 12, DI = 14, IRET = 16, N_REGISTERS = 21 };
enum { IP, CS, FLAGS, SP, SS, N_IRET };

enum vh_unwound vh_step_broken(struct vh_walk *w, const char *fmt, ...)
{
	va_list args;

	free(w->end);
	va_start(args, fmt);
	w->end = vh_vasprintf(fmt, args);
	va_end(args);
	return VH_STEP_BROKEN;
}

enum vh_unwound vh_step_call(struct vh_walk *w, uint64_t ip, uint64_t sp, uint64_t bp)
{
	if (!ip)
		return VH_STEP_END;
	/* A stack only ever grows; another one may lie anywhere. */
	if (sp <= w->sp && sp / VH_STACK_BYTES == w->sp / VH_STACK_BYTES)
		return vh_step_broken(w, "the stack does not grow towards its caller");
	w->ip = ip;
	w->sp = sp;
	w->bp = bp;
	w->exact = false;
	w->has_registers = false;
	w->kind = VH_FRAME_CALL;
	return VH_STEP_NEXT;
}

static enum vh_unwound iret(struct vh_walk *w, const uint64_t frame[N_IRET])
{
	/* The registers of a kernel thread's begin are zeroes; of a call of a null pointer IP is.
	 */
	if (!frame[IP] && !frame[CS])
		return VH_STEP_END;
	w->ip = frame[IP];
	w->sp = frame[SP];
	w->exact = true;
	w->kind = frame[CS] & 3 ? VH_FRAME_USER : VH_FRAME_INTERRUPT;
	return VH_STEP_NEXT;
}

enum vh_unwound vh_step_iret(struct vh_walk *w, uint64_t gva)
{
	uint64_t frame[N_IRET];

	if (vh_space_read(w->s, gva, frame, sizeof(frame)) < 0)
		return vh_step_broken(w, "what an interrupt saved at %#llx cannot be read",
			(unsigned long long)gva);
	return iret(w, frame);
}

enum vh_unwound vh_step_registers(struct vh_walk *w, uint64_t gva)
{
	uint64_t saved[N_REGISTERS];

	if (vh_space_read(w->s, gva, saved, sizeof(saved)) < 0)
		return vh_step_broken(w, "the registers that were saved at %#llx cannot be read",
			(unsigned long long)gva);
	w->bp = saved[BP];
	w->ax = saved[AX];
	w->dx = saved[DX];
	w->di = saved[DI];
	w->r10 = saved[R10];
	w->r13 = saved[R13];
	w->has_registers = true;
	return iret(w, saved + IRET);
}

/* What an instruction pointer within a function's first or last instructions says of where the
 * return address is: bytes above SP, or -1 where there is a frame already. */
static int before_frame(struct vh_walk *w)
{
	static const uint8_t move[] = {0x48, 0x89, 0xe5}; /* mov %rsp,%rbp */
	uint8_t code[4];
	struct vh_frame f = {0};
	int above = -1;

	if (!w->exact || vh_space_read(w->s, w->ip - 1, code, sizeof(code)) < 0)
		return -1;
	vh_kernel_name(w->k, w->ip, &f);
	if ((f.symbol && !f.offset) || code[1] == 0x55 || code[1] == 0xc3)
		above = 0; /* at its begin, at push %rbp, at ret */
	else if (code[0] == 0x55 && memcmp(code + 1, move, sizeof(move)) == 0)
		above = 8;
	free(f.symbol);
	free(f.module);
	return above;
}

/* Below the frames of a system call lie the registers that it saved, at the stack's end; there is
 * no frame pointer to them. */
static enum vh_unwound bottom(struct vh_walk *w)
{
	uint64_t saved[N_REGISTERS], end = w->sp + sizeof(saved);

	/* With FRED there is room of 16 bytes behind them. */
	if ((end % VH_STACK_BYTES != 0 && (end + 16) % VH_STACK_BYTES != 0) ||
		vh_space_read(w->s, w->sp, saved, sizeof(saved)) < 0)
		return VH_STEP_END;
	if ((saved[IRET + CS] & 3) != 3 || (saved[IRET + SS] & 3) != 3 || saved[IRET + IP] >> 63)
		return VH_STEP_END;
	return iret(w, saved + IRET);
}

enum vh_unwound vh_step_frame_pointer(struct vh_walk *w)
{
	uint64_t frame[2];
	int above = before_frame(w);

	if (above >= 0) {
		if (vh_space_read(w->s, w->sp + (unsigned)above, frame, 8) == 0 &&
			vh_kernel_is_text(w->k, frame[0])) {
			uint64_t bp = w->bp;

			if (above && vh_space_u64(w->s, w->sp, &bp) < 0)
				return vh_step_broken(w, "the stack cannot be read");
			return vh_step_call(w, frame[0], w->sp + (unsigned)above + 8, bp);
		}
	}
	if (!w->bp)
		return bottom(w);
	if (w->bp & 1)
		return vh_step_registers(w, w->bp - 1);
	if (w->bp % 8 || !(w->bp >> 63) || vh_space_read(w->s, w->bp, frame, sizeof(frame)) < 0)
		return vh_step_broken(
			w, "the frame pointer %#llx leads nowhere", (unsigned long long)w->bp);
	if (w->bp < w->sp && w->bp / VH_STACK_BYTES == w->sp / VH_STACK_BYTES)
		return vh_step_broken(w, "the frame pointer %#llx lies below the stack pointer",
			(unsigned long long)w->bp);
	return vh_step_call(w, frame[1], w->bp + 16, frame[0]);
}
