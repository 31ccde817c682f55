# SPDX-License-Identifier: LGPL-2.1-or-later
# Works and prints for ever, interrupts on, a timer at 100 Hz: a healthy guest that leaves to the VMM
# as fast as it can and never sleeps. Like a kernel on a serial console it waits for the UART before
# each byte, from 40 pieces of code, a kilobyte apart.
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
	movw $0x3fd, %dx
1:	inb %dx, %al
	testb $0x20, %al
	jz 1b
	movw $0x3f8, %dx
	movb $(0x40 + piece), %al
	outb %al, %dx
	movw $20, %cx
2:	addl %ebx, %eax
	roll $7, %eax
	loop 2b
	.endr
	jmp round
timer_handler
guest_end
