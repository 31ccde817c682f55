# SPDX-License-Identifier: LGPL-2.1-or-later
# Waits in a loop, interrupts on, for a tick of a timer that it masked.
.include "machine.inc"
guest_begin
start:
	cli
	stack
	local_apic
	no_timer
	movw $0, 0x500
	sti
1:	pause
	cmpw $0, 0x500
	je 1b
2:	hlt
	jmp 2b
guest_end
