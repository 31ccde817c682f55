# SPDX-License-Identifier: LGPL-2.1-or-later
# Reads the VGA window at a0000 for ever, interrupts off: with a VGA card, each read is an MMIO exit.
.include "machine.inc"
guest_begin
start:
	cli
	movw $0xa000, %ax
	movw %ax, %ds
1:	movb 0, %al
	jmp 1b
guest_end
