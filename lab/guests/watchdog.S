# SPDX-License-Identifier: LGPL-2.1-or-later
# Starts an IB700 watchdog of two seconds, and never serves it: it hangs, interrupts off.
.include "machine.inc"
guest_begin
start:
	cli
	movw $0x443, %dx
	movb $14, %al
	outb %al, %dx
1:	pause
	jmp 1b
guest_end
