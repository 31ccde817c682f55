# SPDX-License-Identifier: LGPL-2.1-or-later
# Reads from a virtio disk three times, and says each time how far it has looked (used_event). The fourth
# answer it never looks at, as a guest whose interrupt was lost.
	.include "machine.inc"
	.include "virtio.inc"
guest_begin
start:	cli
	stack
	timer 11932
	virtio_begin 0x20000000         # VIRTIO_RING_F_EVENT_IDX
	virtio_request 0, 512
	movw $3, %cx
again:	virtio_offer
	virtio_kick
	jcxz deaf
	decw %cx
wait:	sti
	hlt
	cli
	movw %es:AVAIL_IDX, %ax
	cmpw %es:USED_IDX, %ax
	jne wait
	movw %ax, %es:USED_EVENT
	jmp again
deaf:	sti
	hlt
	jmp deaf
timer_handler
guest_end
