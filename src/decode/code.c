/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be said of the instructions at RIP without a disassembler. */
#include "decode/decoder.h"

/* Above this, code is not in real mode: an E9 has a 32-bit displacement. */
#define REAL_MODE_END 0x110000

static bool bytes_are(const struct vh_code *c, size_t at, const char *bytes, size_t n)
{
	return at + n <= c->n && memcmp(c->bytes + at, bytes, n) == 0;
}

/* The offset of the instruction behind the one at `at`; -1 for any that is not in the set. */
static int64_t step(const struct vh_code *c, int64_t at, uint64_t rip)
{
	size_t i = (size_t)at;
	int32_t far;

	switch (c->bytes[i]) {
	case 0x90: /* nop */
	case 0xf4: /* hlt */
	case 0xfa: /* cli */
	case 0xfb: /* sti */
		return at + 1;
	case 0xeb: /* jmp rel8 */
		return i + 1 < c->n ? at + 2 + (int8_t)c->bytes[i + 1] : -1;
	case 0xe9: /* jmp rel32 */
		if (rip < REAL_MODE_END || i + 4 >= c->n)
			return -1;
		memcpy(&far, c->bytes + i + 1, sizeof(far));
		return at + 5 + far;
	default:
		break;
	}
	if (bytes_are(c, i, "\xf3\x90", 2) || bytes_are(c, i, "\x66\x90", 2))
		return at + 2;
	if (bytes_are(c, i, "\x0f\x1f\x00", 3))
		return at + 3;
	if (bytes_are(c, i, "\xf3\x0f\x1e\xfa", 4) || bytes_are(c, i, "\x0f\x1f\x40\x00", 4))
		return at + 4;
	return -1;
}

bool vh_code_is_closed_loop(const struct vh_code *code, uint64_t rip)
{
	bool visited[sizeof(code->bytes)] = {0};

	if (!code->seen || rip < code->address || rip - code->address >= code->n)
		return false;
	int64_t at = (int64_t)(rip - code->address);

	while (at >= 0 && (size_t)at < code->n) {
		if (visited[at])
			return true;
		visited[at] = true;
		at = step(code, at, rip);
	}
	return false;
}

bool vh_code_has_pause(const struct vh_code *code, uint64_t rip)
{
	if (!code->seen)
		return false;
	for (size_t i = 0; i + 1 < code->n; i++) {
		uint64_t at = code->address + i;
		uint64_t distance = at > rip ? at - rip : rip - at;

		if (distance <= 16 && bytes_are(code, i, "\xf3\x90", 2))
			return true;
	}
	return false;
}
