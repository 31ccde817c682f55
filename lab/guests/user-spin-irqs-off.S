# SPDX-License-Identifier: LGPL-2.1-or-later
# A program in user mode that may (IOPL 3) switches interrupts off and waits for ever.
.include "machine.inc"
.include "user.inc"
guest_begin
start:
	run_in_user program, 0x3202
program:
	cli
1:	pause
	jmp 1b
	.code16
guest_end
