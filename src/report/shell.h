/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands that people paste into a shell as root, with names in them that somebody else chose. */
#pragma once

#include "decode/model.h"

/* Appends s as one word of a shell: as it is where that is safe, else quoted; with bytes that a
 * terminal must not see as $'\xNN', which bash, ksh, zsh and POSIX.1-2024 understand. */
void vh_shell_quote(struct vh_buf *out, const char *s);
/* The command with {pid}, {name}, {log} (the VMM's log) and {socket} (its QMP socket) filled in;
 * anything else in braces stays. The caller frees it. */
char *vh_shell_command(const char *command, const struct vh_model *m);
