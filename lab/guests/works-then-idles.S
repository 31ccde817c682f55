# SPDX-License-Identifier: LGPL-2.1-or-later
# Computes, as busy.S does, until a non-maskable interrupt comes; then it waits for work.
.include "machine.inc"
guest_begin
start:
	cli
	stack
	timer 11932
	nmi stop
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
stop:
	sti
1:	hlt
	jmp 1b
timer_handler
guest_end
