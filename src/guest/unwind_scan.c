/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where no table and no frame pointer leads on: what on the stack looks like a return address. */
#include "guest/unwind_parts.h"

#define MAX_TRIED 256u /* words of the stack that point into text */
#define BEFORE    8u   /* no call is longer than 7 bytes */

/* Bytes of an indirect call's ModR/M, SIB and displacement; 0: it is another instruction
 * (Intel SDM vol. 2, table 2-2: FF /2). */
static unsigned indirect(const uint8_t *modrm, unsigned n)
{
	unsigned mod = *modrm >> 6, rm = *modrm & 7, bytes = 1;

	if ((*modrm >> 3 & 7) != 2)
		return 0;
	if (mod != 3 && rm == 4) {
		if (n < 2)
			return 0;
		bytes++;
		if (mod == 0 && (modrm[1] & 7) == 5)
			bytes += 4;
	}
	if (mod == 0 && rm == 5)
		bytes += 4;
	return bytes + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

/* A call ends at the end of code. */
static bool ends_with_call(const uint8_t code[BEFORE])
{
	if (code[BEFORE - 5] == 0xe8)
		return true;
	for (unsigned n = 2; n <= 7; n++)
		if (code[BEFORE - n] == 0xff && indirect(code + BEFORE - n + 1, n - 1) == n - 1)
			return true;
	return false;
}

static bool is_behind_call(struct vh_space *s, uint64_t ip)
{
	uint8_t code[BEFORE];

	return vh_space_read(s, ip - BEFORE, code, BEFORE) == 0 && ends_with_call(code);
}

size_t vh_stack_scan(struct vh_walk *w, struct vh_frame *out, size_t most)
{
	uint64_t stack[VH_STACK_BYTES / 8], sp = (w->sp + 7) & ~UINT64_C(7);
	size_t n = 0, words, tried = 0;
	bool is_arm = vh_kernel_is_arm(w->k);

	if (!(sp >> 63))
		return 0;
	words = (size_t)(VH_STACK_BYTES - sp % VH_STACK_BYTES) / 8;
	/* Whole, or as far as its first page goes. */
	if (vh_space_read(w->s, sp, stack, words * 8) < 0) {
		words = (size_t)(VH_GUEST_PAGE - sp % VH_GUEST_PAGE) / 8;
		if (vh_space_read(w->s, sp, stack, words * 8) < 0)
			return 0;
	}
	for (size_t i = 0; i < words && n < most && tried < MAX_TRIED; i++) {
		uint64_t ip = is_arm ? vh_arm_unsigned(w->k->unwinder, stack[i]) : stack[i];

		/* Most words are no address of the kernel's half, which is seen at once. */
		if (!(ip >> 63) || !vh_kernel_is_text(w->k, ip))
			continue;
		tried++;
		if (is_arm ? vh_arm_behind_call(w->s, ip) : is_behind_call(w->s, ip))
			out[n++] = (struct vh_frame){
				.kind = VH_FRAME_GUESS, .ip = ip, .sp = sp + i * 8 + 8};
	}
	return n;
}
