# SPDX-License-Identifier: LGPL-2.1-or-later
# Reads IA32_APIC_BASE for ever, interrupts off.
.include "machine.inc"
guest_begin
start:
	cli
	movl $0x1b, %ecx
1:	rdmsr
	jmp 1b
guest_end
