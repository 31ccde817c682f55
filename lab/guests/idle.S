# SPDX-License-Identifier: LGPL-2.1-or-later
# Waits for work, woken by a timer at 18 Hz: a healthy guest that has nothing to do.
.include "machine.inc"
guest_begin
start:
	cli
	stack
	timer 65535
	sti
1:	hlt
	jmp 1b
timer_handler
guest_end
