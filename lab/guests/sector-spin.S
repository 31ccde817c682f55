# SPDX-License-Identifier: LGPL-2.1-or-later
# Boot sector, after SeaBIOS has counted and parked the other CPUs: spins with interrupts off.
	.code16
	.globl _start
_start:
	cli
1:	pause
	jmp 1b
	.org 510
	.word 0xaa55
