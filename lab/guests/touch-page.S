# SPDX-License-Identifier: LGPL-2.1-or-later
# Reads one page of RAM, at 8000h, then spins: the lab's stalled file system never serves that page.
.include "machine.inc"
guest_begin
start:
	cli
	xorw %ax, %ax
	movw %ax, %ds
	movb 0x8000, %al
1:	pause
	jmp 1b
guest_end
