# SPDX-License-Identifier: LGPL-2.1-or-later
# Writes to the debug console (port e9) for ever.
.include "machine.inc"
guest_begin
start:
	cli
	movb $0x2e, %al
1:	outb %al, $0xe9
	jmp 1b
guest_end
