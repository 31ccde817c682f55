# SPDX-License-Identifier: LGPL-2.1-or-later
# Waits for work, as idle.S does, until a non-maskable interrupt comes; then it spins for ever.
.include "machine.inc"
guest_begin
start:
	cli
	stack
	timer 65535
	nmi stop
	sti
1:	hlt
	jmp 1b
stop:
	cli
2:	pause
	jmp 2b
timer_handler
guest_end
