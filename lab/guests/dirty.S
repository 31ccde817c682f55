# SPDX-License-Identifier: LGPL-2.1-or-later
# Writes a word of each page from 1 MiB to 17 MiB, round and round for ever, with a timer at 100 Hz: a
# healthy guest at work, whose memory changes faster than a slow migration can follow. Its memory must be
# 20 MiB or more.
.include "machine.inc"
	.set first, 0x100000
	.set last, 0x1100000
guest_begin
start:
	cli
	stack
	timer 11932                 # opens DS for 4 GiB on its way
	sti
	xorl %eax, %eax
round:
	movl $first, %edi
	# Sixteen pieces of code, a kilobyte apart, so that RIP moves as a real workload's does.
1:	.rept 16
	.balign 1024
	incl %eax
	movl %eax, %ds:(%edi)
	addl $4096, %edi
	.endr
	cmpl $last, %edi
	jb 1b
	jmp round
timer_handler
guest_end
