# SPDX-License-Identifier: LGPL-2.1-or-later
# Spins with interrupts on and a timer at 18 Hz: what a soft lockup looks like.
.include "machine.inc"
guest_begin
start:
	cli
	stack
	timer 65535
	sti
1:	pause
	jmp 1b
timer_handler
guest_end
