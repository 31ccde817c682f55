/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/session.h"

/* A RIP that stays within a block of this size looks like one loop. */
#define LOOP_BYTES 4096u

/* The hexadecimal number behind "KEY" in the text; false without one. */
static bool number_after(struct vh_str text, const char *key, uint64_t *value)
{
	ssize_t at = vh_str_find(text, key);
	struct vh_str rest, word;

	if (at < 0)
		return false;
	rest = (struct vh_str){text.s + at + strlen(key), text.n - at - strlen(key)};
	return vh_next_word(&rest, &word) && vh_parse_u64(word, 16, value);
}

/* "CS =f000 000f0000 0000ffff 00009b00": selector, base, limit, flags. */
static bool segment_base(struct vh_str text, const char *key, uint64_t *base)
{
	ssize_t at = vh_str_find(text, key);
	struct vh_str rest, word;

	if (at < 0)
		return false;
	rest = (struct vh_str){text.s + at + strlen(key), text.n - at - strlen(key)};
	return vh_next_word(&rest, &word) && vh_next_word(&rest, &word) &&
	       vh_parse_u64(word, 16, base);
}

void vh_vcpu_view_take(struct vh_vcpu_view *v, struct vh_str text)
{
	uint64_t rip, base, halted = 0;
	bool wide = number_after(text, "RIP=", &rip);

	if ((!wide && !number_after(text, "EIP=", &rip)) || !segment_base(text, "\nCS =", &base))
		return;
	if (v->known && rip / LOOP_BYTES != v->rip / LOOP_BYTES)
		v->moved = true;
	number_after(text, "HLT=", &halted);
	number_after(text, "CR3=", &v->cr3);
	v->known = true;
	v->halted = halted == 1;
	v->rip = rip;
	/* In 64-bit mode the base of CS does not count. */
	v->address = wide ? rip : (uint32_t)(base + rip);
	v->dumps++;
}
