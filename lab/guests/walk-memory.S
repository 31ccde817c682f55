# SPDX-License-Identifier: LGPL-2.1-or-later
# Writes to a word in each page of its RAM from 1 MiB up to 200 MiB, again and again: it needs all of it.
.include "machine.inc"
guest_begin
start:
	cli
	lgdtl %cs:flat_gdt_pointer
	movl %cr0, %eax
	orb $1, %al
	movl %eax, %cr0
	movw $8, %bx
	movw %bx, %ds               # keeps its flat limit in real mode
	andb $0xfe, %al
	movl %eax, %cr0
	xorw %bx, %bx
	movw %bx, %ds
again:
	movl $0x100000, %ebx
1:	incl %ds:(%ebx)
	addl $4096, %ebx
	cmpl $0xc800000, %ebx
	jb 1b
	jmp again
guest_end
