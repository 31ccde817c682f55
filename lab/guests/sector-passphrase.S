# SPDX-License-Identifier: LGPL-2.1-or-later
# A boot loader that asks for the passphrase of an encrypted disk.
.include "says.inc"
sector_begin
	say text
	xorw %ax, %ax
	int $0x16
1:	hlt
	jmp 1b
text:
	.asciz "Attempting to decrypt master key...\r\nEnter passphrase for hd0,gpt2 (5e0c1f0a9b7d4c3e): "
sector_end
