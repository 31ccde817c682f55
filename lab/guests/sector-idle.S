# SPDX-License-Identifier: LGPL-2.1-or-later
# A boot sector that has nothing to do: it halts with interrupts on, and the firmware's timer wakes it.
	.code16
	.globl _start
_start:
	sti
1:	hlt
	jmp 1b
	.org 510
	.word 0xaa55
