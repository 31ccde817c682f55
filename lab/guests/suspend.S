# SPDX-License-Identifier: LGPL-2.1-or-later
# Goes to sleep (ACPI S3) as an operating system does: it switches the power management ports of the PIIX4
# (device 1, function 3) on at 600h, and writes sleep enable and type S3 to PM1a_CNT.
.include "machine.inc"

.macro pci register, value
	movw $0xcf8, %dx
	movl $0x80000b00 + \register, %eax
	outl %eax, %dx
	movw $0xcfc, %dx
	movl $\value, %eax
	outl %eax, %dx
.endm

guest_begin
start:
	cli
	pci 0x40, 0x601
	pci 0x80, 1
	movw $0x604, %dx
	movw $0x2400, %ax
	outw %ax, %dx
1:	hlt
	jmp 1b
guest_end
