# SPDX-License-Identifier: LGPL-2.1-or-later
# Offers more requests at once than the ring of a virtio disk can hold, which QEMU takes for a broken ring.
	.include "machine.inc"
	.include "virtio.inc"
guest_begin
start:	cli
	stack
	timer 11932
	virtio_begin 0
	virtio_request 0, 512
	movw $0x4000, %es:AVAIL_IDX
	virtio_kick
wait:	sti
	hlt
	cli
	movw %es:AVAIL_IDX, %ax
	cmpw %es:USED_IDX, %ax
	jne wait
1:	hlt
	jmp 1b
timer_handler
guest_end
