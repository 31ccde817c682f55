/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A screen that is redrawn in place, and keys, by ECMA-48 and xterm's private modes alone. However
 * the program ends (but for SIGKILL), the terminal is as it was: the alternate screen is left, the
 * cursor shown, the line discipline restored. There is one terminal, so there is one of these.
 */
#pragma once

#include "base/buf.h"
#include "base/clock.h"

/* What vh_terminal_wait returns besides the characters themselves. */
enum vh_press { VH_PRESS_NONE = 0, VH_PRESS_UP = 256, VH_PRESS_DOWN, VH_PRESS_REDRAW };

/* Whether stdout is a terminal that can be redrawn (TERM is set, and not "dumb"). */
bool vh_terminal_usable(void);
/* Keys are read where stdin is a terminal too. Signals that end the program end it with 128 + their
 * number from now on. */
void vh_terminal_open(void);
bool vh_terminal_has_keys(void);
void vh_terminal_close(void); /* any number of times */

/* Columns and lines that may be written, at least 20 and 4. */
void vh_terminal_size(unsigned *columns, unsigned *lines);
/* Draws lines that fit, and one at the bottom in reverse video. Returns a negative errno where the
 * terminal has gone. */
int vh_terminal_draw(const struct vh_buf *text, const char *bottom);
/* The next key, VH_PRESS_REDRAW where the size changed or the program was stopped and continued, or
 * VH_PRESS_NONE at the deadline. A terminal that hangs up gives 'q'. */
int vh_terminal_wait(struct vh_deadline deadline);

/* Takes a byte of what a terminal sends, *state being 0 at first; VH_PRESS_NONE while a key is not
 * complete. */
int vh_press_of_byte(int *state, unsigned char byte);
