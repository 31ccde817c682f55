# SPDX-License-Identifier: LGPL-2.1-or-later
# Sleeps with interrupts on, at a task priority that keeps the local APIC's timer out.
.include "machine.inc"
guest_begin
start:
	cli
	stack
	local_apic
	pic 0xff
	movw $8, %bx
	movl %cr0, %eax
	orb $1, %al
	movl %eax, %cr0
	movw %bx, %ds
	andb $0xfe, %al
	movl %eax, %cr0
	movl $0xfee00000, %ebx
	movl $0xf0, %ds:0x80(%ebx)         # TPR: the highest
	movl $0xb, %ds:0x3e0(%ebx)         # the timer counts each cycle of the bus
	movl $0x40, %ds:0x320(%ebx)        # one shot, vector 40h
	movl $50000000, %ds:0x380(%ebx)
	xorw %bx, %bx
	movw %bx, %ds
	vector 0x40, tick
	sti
1:	hlt
	jmp 1b
tick:
	iret
guest_end
