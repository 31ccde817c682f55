# SPDX-License-Identifier: LGPL-2.1-or-later
# Jumps into the VGA window: KVM cannot fetch instructions from a device and gives up.
.include "machine.inc"
guest_begin
start:
	cli
	ljmp $0xa000, $0
guest_end
