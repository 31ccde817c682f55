# SPDX-License-Identifier: LGPL-2.1-or-later
# Executes CPUID for ever, interrupts off.
.include "machine.inc"
guest_begin
start:
	cli
1:	xorl %eax, %eax
	cpuid
	jmp 1b
guest_end
