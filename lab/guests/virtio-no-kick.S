# SPDX-License-Identifier: LGPL-2.1-or-later
# Reads from a virtio disk three times, then puts a request into the ring and does not tell the device.
	.include "machine.inc"
	.include "virtio.inc"
guest_begin
start:	cli
	stack
	timer 11932
	virtio_begin 0
	virtio_request 0, 512
	movw $3, %cx
again:	virtio_offer
	jcxz wait
	virtio_kick
	decw %cx
wait:	sti
	hlt
	cli
	movw %es:AVAIL_IDX, %ax
	cmpw %es:USED_IDX, %ax
	jne wait
	jmp again
timer_handler
guest_end
