/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ways to go from a frame of the stack to the one that called it: unwind_orc.c, unwind_frames.c,
 * unwind_arm.c, unwind_scan.c; unwind.c puts them together. */
#pragma once

#include "guest/bytes.h"
#include "guest/modules.h"
#include "guest/unwind.h"

/* THREAD_SIZE of x86-64 and arm64 without KASAN (and with 4 KiB pages), and what stacks are aligned
 * to. */
#define VH_STACK_BYTES UINT64_C(16384)

/* --- ORC tables ------------------------------------------------------------------------------- */

#define VH_ORC_BYTES 6u /* of an entry */

enum vh_orc_register { /* what a number of an entry stands for */
	VH_ORC_NONE,   /* a number that no kernel uses */
	VH_ORC_UNDEFINED,
	VH_ORC_PREVIOUS_SP,
	VH_ORC_SP,
	VH_ORC_BP,
	VH_ORC_SP_INDIRECT,
	VH_ORC_BP_INDIRECT,
	VH_ORC_AX,
	VH_ORC_DX,
	VH_ORC_DI,
	VH_ORC_R10,
	VH_ORC_R13,
};

enum vh_orc_type { VH_ORC_BROKEN, VH_ORC_END, VH_ORC_CALL, VH_ORC_REGS, VH_ORC_PARTIAL };

struct vh_orc_entry {
	int16_t sp_offset, bp_offset;
	enum vh_orc_register sp, bp;
	enum vh_orc_type type;
	bool exact; /* the caller's address is that of an instruction that did not call */
};

struct vh_orc_table {
	uint64_t ip_gva, orc_gva;
	uint32_t n;
};

#define VH_ORC_SLOTS 64u

struct vh_unwinder {
	struct vh_orc_table kernel; /* n 0: there is none */
	struct {
		uint64_t pac;    /* bits of an address that may hold its signature */
		uint32_t record; /* offset of the frame record in pt_regs */
		bool has_type;   /* of such a record that holds zeros, behind it: 6.13 on */
	} arm;
	enum vh_orc_register registers[16];
	bool three_bits;        /* of type: 6.4 on */
	bool indirect_then_add; /* 5.12 on */
	/* Pages of the tables, by their number modulo the slots; NULL: none yet. */
	struct vh_orc_page {
		uint64_t gva; /* 0: empty */
		uint8_t bytes[VH_GUEST_PAGE];
	} * pages[VH_ORC_SLOTS];
};

/* Finds the tables and what the numbers in them mean; notes go to in. */
void vh_orc_setup(struct vh_unwinder *u, struct vh_kernel *k, struct vh_inside *in);
/* The entry that holds at ip; false: there is none for it. */
bool vh_orc_find(struct vh_kernel *k, uint64_t ip, struct vh_orc_entry *out);
struct vh_orc_entry vh_orc_decode(const struct vh_unwinder *u, const uint8_t bytes[VH_ORC_BYTES]);

/* --- From frame to frame ---------------------------------------------------------------------- */

struct vh_walk {
	struct vh_kernel *k;
	struct vh_space *s;
	uint64_t ip, sp, bp;
	bool exact;              /* ip is an instruction's own address, not a return address */
	enum vh_frame_kind kind; /* of the frame that ip is of */
	/* Of an interrupted context, as long as it is the current one. */
	bool has_registers;
	uint64_t ax, dx, di, r10, r13;
	/* The same, of arm64: X30. */
	bool has_lr;
	uint64_t lr;
	char *end; /* why it is broken */
};

enum vh_unwound {
	VH_STEP_NEXT,
	VH_STEP_END,     /* the stack's bottom */
	VH_STEP_UNKNOWN, /* there is nothing on ip: try another way */
	VH_STEP_BROKEN,
};

enum vh_unwound vh_step_orc(struct vh_walk *w);
enum vh_unwound vh_step_frame_pointer(struct vh_walk *w);
enum vh_unwound vh_step_broken(struct vh_walk *w, const char *fmt, ...) VH_PRINTF(2, 3);
/* Goes on at the registers that an interrupt, an exception or an entry saved at gva. */
enum vh_unwound vh_step_registers(struct vh_walk *w, uint64_t gva);
/* The same, of the five values alone that the CPU itself saves. */
enum vh_unwound vh_step_iret(struct vh_walk *w, uint64_t gva);
/* A caller that returns to ip. */
enum vh_unwound vh_step_call(struct vh_walk *w, uint64_t ip, uint64_t sp, uint64_t bp);

/* --- arm64 ---------------------------------------------------------------------------------------
 */

void vh_arm_setup(struct vh_unwinder *u, const struct vh_kernel *k);
enum vh_unwound vh_step_arm(struct vh_walk *w);
/* A return address without what it was signed with. */
uint64_t vh_arm_unsigned(const struct vh_unwinder *u, uint64_t ip);
/* True where an instruction that calls stands before ip. */
bool vh_arm_behind_call(struct vh_space *s, uint64_t ip);

/* Return addresses above sp on its stack: behind a call, in text. */
size_t vh_stack_scan(struct vh_walk *w, struct vh_frame *out, size_t most);
