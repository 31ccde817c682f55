# SPDX-License-Identifier: LGPL-2.1-or-later
# Halts with interrupts off: only an NMI or a reset could wake it.
.include "machine.inc"
guest_begin
start:
	cli
1:	hlt
	jmp 1b
guest_end
