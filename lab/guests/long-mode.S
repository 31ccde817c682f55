# SPDX-License-Identifier: LGPL-2.1-or-later
# Long mode with four levels of page tables, and a loop high up, where Linux's kernel would be; what is mapped there:
#
#   ffffffff80000000  4 KiB  r-x  of 10000h: the loop
#   ffffffff80001000  4 KiB  rw-  of 11000h: how often it has gone round
#   ffffffff80003000  4 KiB  r--  of 12000h: RAX and RCX as they stay
#   ffffffff80200000  2 MiB  r--  of 0
#
# It runs with interrupts off. RAX, RCX, RDX, R8 and R15 hold fixed values (tests/live/inside.py).
.include "machine.inc"

.macro entry address, value, high=0
	movl $\value, \address
	movl $\high, \address + 4
.endm

guest_begin
start:
	cli
	stack
	lgdtl %cs:long_gdt_pointer
	movl %cr0, %eax
	orb $1, %al
	movl %eax, %cr0
	ljmpl $16, $0xf0000 + protected
	.code32
protected:
	movw $8, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	cld
	xorl %eax, %eax
	movl $0x1000, %edi
	movl $0x6000 / 4, %ecx
	rep stosl
	entry 0x1000, 0x2003
	entry 0x1ff8, 0x4003
	entry 0x2000, 0x3003
	entry 0x3000, 0x83                      # 2 MiB, one to one
	entry 0x4ff0, 0x5003
	entry 0x5000, 0x6003
	entry 0x5008, 0x81, 0x80000000
	entry 0x6000, 0x10001
	entry 0x6008, 0x11003, 0x80000000
	entry 0x6018, 0x12001, 0x80000000
	movl $0xf0000 + high, %esi
	movl $0x10000, %edi
	movl $high_end - high, %ecx
	rep movsb
	movl $0x11000, %edi
	movl $0x400, %ecx
	rep stosl
	entry 0x12000, 0x55667788, 0x11223344
	entry 0x12008, 0xddeeff00, 0x99aabbcc
	movl %cr4, %eax
	orb $0x20, %al                          # PAE
	movl %eax, %cr4
	movl $0x1000, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x900, %eax                        # EFER.LME, NXE
	wrmsr
	movl %cr0, %eax
	orl $0x80010000, %eax                   # PG, WP
	movl %eax, %cr0
	ljmpl $24, $0xf0000 + low64
	.code64
low64:
	movabsq $0xffffffff80000000, %rax
	jmp *%rax
high:
	movq 0xffffffff80003000, %rax
	movq 0xffffffff80003008, %rcx
	movl $0x12345678, %edx
	movabsq $0xfedcba9876543210, %r8
	movq $-2, %r15
round:
	incq 0xffffffff80001000
	pause
	jmp round
high_end:
	.code16
	.balign 8
long_gdt:
	.quad 0
	.quad 0x00cf93000000ffff   # 8: flat data
	.quad 0x00cf9b000000ffff   # 16: flat 32-bit code
	.quad 0x00af9b000000ffff   # 24: 64-bit code
long_gdt_pointer:
	.word 31
	.long 0xf0000 + long_gdt
guest_end
