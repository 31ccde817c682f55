# SPDX-License-Identifier: LGPL-2.1-or-later
# The boot sector of a Windows disk whose boot manager is gone: it waits for a key.
.include "says.inc"
sector_begin
	say text
	xorw %ax, %ax
	int $0x16
1:	hlt
	jmp 1b
text:
	.asciz "BOOTMGR is missing\r\nPress Ctrl+Alt+Del to restart\r\n"
sector_end
