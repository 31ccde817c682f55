# SPDX-License-Identifier: LGPL-2.1-or-later
# Waits for a bit of a status port to clear, as a driver does, interrupts off: nothing is at that port,
# and it reads as ones for ever.
.include "machine.inc"
guest_begin
start:
	cli
	movw $0x1f07, %dx
1:	inb %dx, %al
	testb $0x80, %al
	jnz 1b
	hlt
	jmp 1b
guest_end
