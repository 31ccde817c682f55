# SPDX-License-Identifier: LGPL-2.1-or-later
# Spins with interrupts off: what a deadlock on a spinlock looks like.
.include "machine.inc"
guest_begin
start:
	cli
1:	pause
	jmp 1b
guest_end
