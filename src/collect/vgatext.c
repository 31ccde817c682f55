/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "collect/guestview.h"

#define CELL       4u
#define PLANE_CHAR 0u
#define PLANE_ATTR 1u
#define PLANE_FONT 2u
#define ROW_BYTES  (VH_VGATEXT_COLUMNS * CELL)
#define MAX_ROWS   (VH_VGATEXT_BYTES / ROW_BYTES)
/* The VGA keeps 32 bytes a glyph, of which text mode draws 16 at most. */
#define GLYPH      32u
#define GLYPH_ROWS 16u

/* Code page 437 from 0x80: what firmware and text consoles draw. */
static const uint16_t cp437[128] = {0xc7, 0xfc, 0xe9, 0xe2, 0xe4, 0xe0, 0xe5, 0xe7, 0xea, 0xeb,
	0xe8, 0xef, 0xee, 0xec, 0xc4, 0xc5, 0xc9, 0xe6, 0xc6, 0xf4, 0xf6, 0xf2, 0xfb, 0xf9, 0xff,
	0xd6, 0xdc, 0xa2, 0xa3, 0xa5, 0x20a7, 0x192, 0xe1, 0xed, 0xf3, 0xfa, 0xf1, 0xd1, 0xaa, 0xba,
	0xbf, 0x2310, 0xac, 0xbd, 0xbc, 0xa1, 0xab, 0xbb, 0x2591, 0x2592, 0x2593, 0x2502, 0x2524,
	0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510,
	0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569,
	0x2566, 0x2560, 0x2550, 0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552,
	0x2553, 0x256b, 0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580, 0x3b1, 0xdf,
	0x393, 0x3c0, 0x3a3, 0x3c3, 0xb5, 0x3c4, 0x3a6, 0x398, 0x3a9, 0x3b4, 0x221e, 0x3c6, 0x3b5,
	0x2229, 0x2261, 0xb1, 0x2265, 0x2264, 0x2320, 0x2321, 0xf7, 0x2248, 0xb0, 0x2219, 0xb7,
	0x221a, 0x207f, 0xb2, 0x25a0, 0x20};

static bool glyph_is_letter(const uint8_t *vram, unsigned c)
{
	unsigned drawn = 0;

	for (unsigned row = 0; row < GLYPH; row++) {
		uint8_t bits = vram[(c * GLYPH + row) * CELL + PLANE_FONT];

		if (row >= GLYPH_ROWS && bits)
			return false;
		drawn += bits != 0;
	}
	return drawn >= 4;
}

/* Letters are drawn, a blank is not, and nothing lies below the rows of a glyph: a picture in the
 * same memory would not look so. */
static bool has_font(const uint8_t *vram)
{
	for (unsigned c = 'A'; c <= 'Z'; c++)
		if (!glyph_is_letter(vram, c) || !glyph_is_letter(vram, c - 'A' + 'a'))
			return false;
	for (unsigned row = 0; row < GLYPH; row++)
		if (vram[(' ' * GLYPH + row) * CELL + PLANE_FONT])
			return false;
	return true;
}

static void put_utf8(struct vh_buf *out, uint32_t point)
{
	if (point < 0x80) {
		vh_buf_putc(out, (char)point);
	} else if (point < 0x800) {
		vh_buf_putc(out, (char)(0xc0 | point >> 6));
		vh_buf_putc(out, (char)(0x80 | (point & 0x3f)));
	} else {
		vh_buf_putc(out, (char)(0xe0 | point >> 12));
		vh_buf_putc(out, (char)(0x80 | (point >> 6 & 0x3f)));
		vh_buf_putc(out, (char)(0x80 | (point & 0x3f)));
	}
}

static uint32_t point_of(uint8_t c)
{
	if (c >= 0x80)
		return cp437[c - 0x80];
	return c < 0x20 || c == 0x7f ? ' ' : c;
}

/* One row; false where no cell has an attribute: nothing has been drawn there yet. */
static bool put_row(struct vh_buf *out, const uint8_t *row)
{
	unsigned width = 0;
	bool drawn = false;

	for (unsigned i = 0; i < VH_VGATEXT_COLUMNS; i++) {
		drawn |= row[i * CELL + PLANE_ATTR] != 0;
		if (point_of(row[i * CELL + PLANE_CHAR]) != ' ')
			width = i + 1;
	}
	for (unsigned i = 0; i < width; i++)
		put_utf8(out, point_of(row[i * CELL + PLANE_CHAR]));
	vh_buf_putc(out, '\n');
	return drawn;
}

bool vh_vgatext_decode(const uint8_t *vram, size_t n, struct vh_buf *out)
{
	if (n < VH_VGATEXT_BYTES || !has_font(vram))
		return false;
	vh_auto_buf struct vh_buf rows = {0};
	size_t end = 0;

	for (unsigned row = 0; row < MAX_ROWS; row++) {
		size_t begin = rows.len;

		if (!put_row(&rows, vram + row * ROW_BYTES))
			break;
		if (rows.len - begin > 1)
			end = rows.len;
	}
	vh_buf_add(out, rows.data, end);
	return true;
}
