# SPDX-License-Identifier: LGPL-2.1-or-later
# Takes an interrupt in protected mode with an empty interrupt table: the CPU shuts down.
.include "machine.inc"
guest_begin
start:
	cli
	stack
	timer 11932
	lgdtl %cs:flat_gdt_pointer
	lidtl %cs:nothing
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $16, $(0xf0000 + protected)
	.code32
protected:   # the next timer interrupt finds no gate, nor do the faults that follow
	sti
1:	hlt
	jmp 1b
nothing:
	.word 0
	.long 0
	.code16
timer_handler
guest_end
