/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small looks into the guest's memory, through QEMU's address space. */
#pragma once

#include "base/guard.h"
#include "base/host.h"

/*
 * Copies n bytes from address hva of process pid. Pages that are not in memory are not faulted in:
 * -ENODATA then. Else 0, -EPERM (no ptrace rights), -ESRCH, -EFAULT, -ETIMEDOUT.
 */
int vh_process_memory_read(struct vh_guard *guard, pid_t pid, uint64_t hva, void *to, size_t n,
	struct vh_deadline deadline);

/*
 * VGA text memory as QEMU keeps it: 4 bytes a cell, one from each plane (character, attribute,
 * font, unused). Appends the rows up to the last one that is not blank, as UTF-8, without trailing
 * blanks, 80 columns wide. False where the memory does not hold a text screen: the font that text
 * mode needs in the third plane tells. At least VH_VGATEXT_BYTES are wanted.
 */
bool vh_vgatext_decode(const uint8_t *vram, size_t n, struct vh_buf *out);
#define VH_VGATEXT_BYTES   65536u
#define VH_VGATEXT_COLUMNS 80u
