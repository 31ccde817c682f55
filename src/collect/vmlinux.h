/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source lines of a guest kernel's frames, by the debug information that somebody has of it. */
#pragma once

#include "base/error.h"
#include "guest/inside.h"

/*
 * Sets `line` of the frames of in that are of the kernel itself, by an ELF file with DWARF: a
 * vmlinux, or the file of a debug package, which may have no code in it. What was inlined there is
 * told behind the line: "fs/read_write.c:470 > call_read_iter include/linux/fs.h:2259". The file
 * must be of that very kernel: another build id is an error (code 0), for its lines would be wrong,
 * and so is a file without debug information. ENOTSUP: this vmhang was built without libdw, or it
 * is not installed; else an errno value, or 0 where the file is none of that kind.
 */
struct vh_error *vh_vmlinux_add_lines(const char *path, struct vh_inside *in);
