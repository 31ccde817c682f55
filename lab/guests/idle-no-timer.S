# SPDX-License-Identifier: LGPL-2.1-or-later
# Waits with interrupts on, but every source is masked: idle as a tickless guest is.
.include "machine.inc"
guest_begin
start:
	cli
	stack
	no_timer
	sti
1:	hlt
	jmp 1b
guest_end
