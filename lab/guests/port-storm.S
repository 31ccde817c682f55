# SPDX-License-Identifier: LGPL-2.1-or-later
# Writes to an I/O port that nobody decodes, for ever, interrupts off.
.include "machine.inc"
guest_begin
start:
	cli
	movw $0x1f0f, %dx
1:	outb %al, %dx
	jmp 1b
guest_end
