# SPDX-License-Identifier: LGPL-2.1-or-later
# Sleeps with interrupts on; the handler of its timer forgot to acknowledge the first tick (EOI), so
# that the PIC delivers no other.
.include "machine.inc"
guest_begin
start:
	cli
	stack
	timer 65535
	sti
1:	hlt
	jmp 1b
tick:
	iret
guest_end
