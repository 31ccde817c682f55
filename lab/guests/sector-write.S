# SPDX-License-Identifier: LGPL-2.1-or-later
# Boot sector: writes the disk it came from, track after track, by int 13h, for ever.
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
	movw $packet, %si
	addl $64, packet + 8
	movb 0x6000, %dl
	movw $0x4300, %ax
	int $0x13
	jmp again
packet:	.byte 16, 0
	.word 64          # sectors
	.word 0x7c00, 0   # buffer: 0000:7c00
	.quad 64          # the first sector to write
	.org 510
	.word 0xaa55
