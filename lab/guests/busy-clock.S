# SPDX-License-Identifier: LGPL-2.1-or-later
# Computes, and reads a clock (the PIT's counter) after each step, interrupts on, a timer at 100 Hz:
# what a healthy kernel does whose clock source is a device. Nearly all of its exits are of two ports
# and two instructions.
.include "machine.inc"
guest_begin
start:
	cli
	stack
	timer 11932
	sti
round:
	.set piece, 0
	.rept 40
	.set piece, piece + 1
	.balign 1024
	call read_clock
	movw $20, %cx
1:	addl %ebx, %eax
	roll $7, %eax
	xorl $(0x9e3779b9 + piece), %ebx
	loop 1b
	.endr
	jmp round
read_clock:
	inb $0x40, %al
	movb %al, %ah
	inb $0x40, %al
	ret
timer_handler
guest_end
