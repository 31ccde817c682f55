# SPDX-License-Identifier: LGPL-2.1-or-later
# Computes for ever on all CPUs, in many places, with interrupts off: the boot CPU starts the others
# (INIT, SIPI, by the x2APIC's MSR), which begin where it did. No memory is used.
.include "machine.inc"
guest_begin
start:
	cli
	movl $0x1b, %ecx            # IA32_APIC_BASE
	rdmsr
	testl $0x100, %eax          # the boot CPU?
	jz round
	orl $0x400, %eax            # x2APIC
	wrmsr
	movl $0x830, %ecx           # ICR
	xorl %edx, %edx
	movl $0x000c4500, %eax      # INIT, to all but itself
	wrmsr
	movl $100000, %eax
1:	decl %eax
	jnz 1b
	movl $0x000c46f0, %eax      # SIPI: start at F0000h
	wrmsr
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
guest_end
