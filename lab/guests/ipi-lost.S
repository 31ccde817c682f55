# SPDX-License-Identifier: LGPL-2.1-or-later
# The boot CPU calls a CPU that is not there, again and again, and waits for its answer.
.include "machine.inc"
.include "smp.inc"
guest_begin
start:
	cli
	start_other sleeps
1:	call_cpu 5
	movl $1000, %eax
2:	pause
	cmpb $0, 0x501
	jne sleeps
	decl %eax
	jnz 2b
	jmp 1b
sleeps:
	sti
	hlt
	jmp sleeps
guest_end
