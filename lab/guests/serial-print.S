# SPDX-License-Identifier: LGPL-2.1-or-later
# Prints for ever on COM1, interrupts off, and waits for room in the UART before each byte, as a kernel's
# console does (and as firmware): it gets on only as long as somebody takes what it prints.
.include "machine.inc"
guest_begin
start:
	cli
1:	movw $0x3fd, %dx
2:	inb %dx, %al
	testb $0x20, %al
	jz 2b
	movw $0x3f8, %dx
	movb $0x2e, %al
	outb %al, %dx
	jmp 1b
guest_end
