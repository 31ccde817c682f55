# SPDX-License-Identifier: LGPL-2.1-or-later
# Boot sector: reads the first sector of the disk by int 13h, for ever. The firmware polls meanwhile.
	.code16
	.globl _start
_start:
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw $0x7000, %sp
	movb %dl, 0x6000
again:
	movw $0x800, %bx
	movw %bx, %es
	xorw %bx, %bx
	movw $0x0201, %ax
	movw $0x0001, %cx
	xorb %dh, %dh
	movb 0x6000, %dl
	int $0x13
	jmp again
	.org 510
	.word 0xaa55
