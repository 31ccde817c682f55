# SPDX-License-Identifier: LGPL-2.1-or-later
# Divides by zero; the handler returns to it, for ever. Interrupts off.
.include "machine.inc"
guest_begin
start:
	cli
	stack
	vector 0, again
	xorw %cx, %cx
	divw %cx
again:
	iret
guest_end
