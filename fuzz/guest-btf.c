/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * BTF that a guest wrote. The first byte chooses: a small section that is right, into which the
 * rest of the input is aimed, eight bytes a time (where, and what is written there); or the input
 * as types, behind a header and in front of strings that are right; or the input as it is. What
 * must hold: nothing crashes; a question ends soon; what is told lies within what there can be.
 */
#include <assert.h>

#include "fuzz.h"
#include "guest/btf.h"
#include "tests/unit/guest/btfbuild.h"

static const char text[] = "struct list_head 10\n"
			   "0 next 8\n"
			   "8 prev 8\n"
			   "union - 8\n"
			   "0 first 8\n"
			   "4 second 2\n"
			   "struct task 100\n"
			   "0 state 4\n"
			   "8 - @-\n"
			   "10 comm 1*10\n"
			   "101 low :3\n"
			   "104 over :6\n"
			   "80 tasks @list_head\n"
			   "typedef task_t task\n"
			   "enum kinds MOD_TEXT MOD_DATA\n";

static const char strings[] = "\0task\0tasks\0next\0comm\0first\0low\0task_t\0MOD_DATA\0list_head";

static void aim(struct vh_buf *section, const uint8_t *data, size_t size)
{
	for (; size >= 8; data += 8, size -= 8) {
		uint32_t where, what;

		memcpy(&where, data, sizeof(where));
		memcpy(&what, data + 4, sizeof(what));
		/* A word mostly, a byte sometimes. */
		if (where >> 31)
			section->data[where % section->len] = (char)what;
		else
			memcpy(section->data + where % (section->len / 4) * 4, &what, 4);
	}
}

static struct vh_buf around(const uint8_t *data, size_t size)
{
	uint32_t bytes = (uint32_t)size & ~3u;
	uint32_t header[] = {0x0001eb9f, 24, 0, bytes, bytes, sizeof(strings)};
	struct vh_buf section = {0};

	vh_buf_add(&section, header, sizeof(header));
	vh_buf_add(&section, data, bytes);
	vh_buf_add(&section, strings, sizeof(strings));
	return section;
}

static void ask(const struct vh_btf *b)
{
	static const char *const types[] = {"task", "task_t", "list_head", "kinds", "no", ""};
	static const char *const paths[] = {"state", "first", "second", "comm", "low", "over",
		"tasks.next", "tasks.next.prev", "tasks", "next", "", ".", "tasks."};

	for (size_t i = 0; i < VH_ARRAY_SIZE(types); i++) {
		uint32_t bytes;

		vh_guest_btf_sizeof(b, types[i], &bytes);
		for (size_t k = 0; k < VH_ARRAY_SIZE(paths); k++) {
			struct vh_field f;

			if (!vh_guest_btf_field(b, types[i], paths[k], &f))
				continue;
			assert(f.bit_offset < 8);
			assert(!f.bits || f.size == (f.bit_offset + f.bits + 7) / 8);
		}
	}
	int64_t value;

	vh_guest_btf_enumerator(b, "MOD_DATA", &value);
	vh_guest_btf_enumerator(b, "none", &value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vh_buf section = {0};
	struct vh_btf *b;
	char *why;

	if (!size)
		return 0;
	switch (data[0] % 4) {
	case 0:
		vh_buf_add(&section, data + 1, size - 1);
		break;
	case 1:
		section = around(data + 1, size - 1);
		break;
	default:
		section = btf_build(text);
		aim(&section, data + 1, size - 1);
		break;
	}
	int err = vh_guest_btf_parse(section.data, section.len, &b, &why);

	assert(!err == !!b && !err == !why);
	if (b) {
		assert(vh_guest_btf_types(b) <= section.len / 12);
		assert(vh_guest_btf_size(section.data, section.len) <= section.len);
		ask(b);
	}
	vh_guest_btf_free(b);
	free(why);
	vh_buf_free(&section);
	return 0;
}
