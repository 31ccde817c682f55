# SPDX-License-Identifier: LGPL-2.1-or-later
# The boot sector of a disk that has no system, as most partitioning tools write it.
.include "says.inc"
sector_begin
	say text
1:	hlt
	jmp 1b
text:
	.asciz "Missing operating system\r\n"
sector_end
