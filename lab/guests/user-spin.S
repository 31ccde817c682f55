# SPDX-License-Identifier: LGPL-2.1-or-later
# A program computes in a tight loop in user mode, interrupts on: a guest that works.
.include "machine.inc"
.include "user.inc"
guest_begin
start:
	run_in_user program, 0x202
program:
	incl %eax
	roll $3, %eax
	jmp program
	.code16
guest_end
