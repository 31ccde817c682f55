# SPDX-License-Identifier: LGPL-2.1-or-later
# The boot CPU calls the other and waits for its answer; that one halted with interrupts off.
.include "machine.inc"
.include "smp.inc"
guest_begin
start:
	cli
	start_other halts
	call_cpu 1
	sti
1:	pause
	cmpb $0, 0x501
	je 1b
halts:
	cli
	hlt
	jmp halts
guest_end
