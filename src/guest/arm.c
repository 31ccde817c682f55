/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/arm.h"

#include <ctype.h>

struct seen {
	bool pc, pstate;
};

/* "X07" and the like: its number; -1: another name. */
static int x_of(struct vh_str name)
{
	uint64_t n;

	if (name.n < 2 || name.n > 3 || name.s[0] != 'X' || !isdigit((unsigned char)name.s[1]) ||
		!vh_parse_u64((struct vh_str){name.s + 1, name.n - 1}, 10, &n) || n >= VH_ARM_X)
		return -1;
	return (int)n;
}

/* Takes "NAME=HEX"; other words are none of its business. False where a second dump begins. */
static bool take_word(struct vh_str word, struct vh_arm_registers *r, struct seen *seen)
{
	struct vh_str name;
	uint64_t value;

	if (!vh_next_part(&word, '=', &name) || !vh_parse_u64(word, 16, &value))
		return true;
	int x = x_of(name);

	if (x >= 0 && !(r->x_seen >> x & 1)) {
		r->x[x] = value;
		r->x_seen |= UINT32_C(1) << x;
	} else if (vh_str_is(name, "PC")) {
		if (seen->pc)
			return false;
		r->pc = value;
		seen->pc = true;
	} else if (vh_str_is(name, "SP") && !r->has_sp) {
		r->sp = value;
		r->has_sp = true;
	} else if (vh_str_is(name, "PSTATE") && !seen->pstate) {
		r->pstate = value;
		seen->pstate = true;
	}
	return true;
}

bool vh_arm_registers_parse(struct vh_str text, struct vh_arm_registers *out)
{
	struct vh_arm_registers r = {0};
	struct seen seen = {0};
	struct vh_str line, word;
	bool more = true;

	while (more && vh_next_line(&text, &line))
		while (more && vh_next_word(&line, &word))
			more = take_word(word, &r, &seen);
	r.valid = seen.pc && seen.pstate && !(r.pstate & VH_PSTATE_RW);
	*out = r;
	return r.valid;
}

const char *vh_arm_el_title(unsigned el)
{
	static const char *const titles[] = {"EL0, a program", "EL1, a kernel or firmware",
		"EL2, a hypervisor or firmware", "EL3, secure firmware"};

	return titles[el & 3];
}

static void bits_text(uint64_t value, unsigned top, const char *names, struct vh_buf *out)
{
	for (unsigned i = 0; i < 4; i++)
		if (value >> (top - i) & 1)
			vh_buf_add(out, &names[i], 1);
}

void vh_arm_masked_text(uint64_t pstate, struct vh_buf *out)
{
	bits_text(pstate, 9, "DAIF", out);
}

void vh_arm_flags_text(uint64_t pstate, struct vh_buf *out)
{
	bits_text(pstate, 31, "NZCV", out);
}
