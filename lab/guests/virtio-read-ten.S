# SPDX-License-Identifier: LGPL-2.1-or-later
# Reads a sector of a virtio disk ten times, and is idle then; timer at 100 Hz.
	.include "machine.inc"
	.include "virtio.inc"
guest_begin
start:	cli
	stack
	timer 11932
	virtio_begin 0
	virtio_request 0, 512
	movw $10, %cx
again:	virtio_offer
	virtio_kick
wait:	sti
	hlt
	cli
	movw %es:AVAIL_IDX, %ax
	cmpw %es:USED_IDX, %ax
	jne wait
	loop again
1:	sti
	hlt
	jmp 1b
timer_handler
guest_end
