/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Backtraces of a guest's kernel: by the ORC tables in its memory
 * (arch/x86/include/asm/orc_types.h; register numbers calibrated from null_orc_entry and
 * orc_fp_entry, 7.x renumbered them), else by frame pointers (an odd RBP is an encoded pt_regs),
 * on arm64 by frame records, through what exceptions saved, with signed return addresses;
 * else by scanning the stack for return addresses (VH_FRAME_GUESS). Loops, stacks that do not grow
 * and addresses that are no text end it.
 */
#pragma once

#include "guest/kernel.h"

/* Never NULL; reads the kernel's ORC tables; notes go to in. */
struct vh_unwinder *vh_unwinder_new(struct vh_kernel *k, struct vh_inside *in);
void vh_unwinder_free(struct vh_unwinder *u);
bool vh_unwinder_has_orc(const struct vh_unwinder *u);

/* Registers to begin with: of a vCPU (all of them), or of a sleeping task (ip, sp, bp). */
struct vh_unwind_from {
	uint64_t ip, sp, bp;
	const struct vh_registers *all;     /* of x86; NULL: a sleeping task */
	const struct vh_arm_registers *arm; /* of arm64; NULL: a sleeping task */
	/* The stack that sp lies in may be read from one copy (vh_space_freeze) of space. */
	struct vh_space *space; /* NULL: the kernel's */
};
/* Frames with names, at most VH_INSIDE_MAX_FRAMES. out is set anew. */
void vh_unwind(struct vh_kernel *k, const struct vh_unwind_from *from, struct vh_backtrace *out);
