# SPDX-License-Identifier: LGPL-2.1-or-later
# A boot loader that stopped at an error and asks for a key.
.include "says.inc"
sector_begin
	say text
	xorw %ax, %ax
	int $0x16
1:	hlt
	jmp 1b
text:
	.asciz "error: no such device: 4f1d2a7e-root.\r\n\r\nPress any key to continue..."
sector_end
