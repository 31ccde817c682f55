/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source lines of a guest kernel's frames, by the debug information that somebody has of it. */
#pragma once

#include "base/error.h"
#include "guest/inside.h"

/*
 * Sets `line` of the frames of in that are of the kernel itself, by an ELF file with DWARF: a
 * vmlinux, or the file of a debug package. The file must be of that very kernel: another build id
 * is an error (code 0), for its lines would be wrong. ENOTSUP: this vmhang was built without libdw,
 * or it is not installed; else an errno value, or 0 where the file is none of that kind.
 */
struct vh_error *vh_vmlinux_add_lines(const char *path, struct vh_inside *in);
