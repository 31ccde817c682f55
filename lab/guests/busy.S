# SPDX-License-Identifier: LGPL-2.1-or-later
# Computes for ever with interrupts on and a timer at 100 Hz: a healthy guest at full load. It goes
# round 40 pieces of code, a kilobyte apart, so that RIP moves as a real workload's does.
.include "machine.inc"
guest_begin
start:
	cli
	stack
	timer 11932
	sti
round:
	xorl %eax, %eax
	movl $1, %ebx
	.set piece, 0
	.rept 40
	.set piece, piece + 1
	.balign 1024
	movw $200, %cx
1:	addl %ebx, %eax
	roll $7, %eax
	xorl $(0x9e3779b9 + piece), %ebx
	loop 1b
	.endr
	jmp round
timer_handler
guest_end
