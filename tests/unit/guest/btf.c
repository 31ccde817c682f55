/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The types of a guest's kernel. */
#include "guest/btf.h"

#include <errno.h>

#include "base/clock.h"
#include "tests/unit/guest/btfbuild.h"
#include "tests/unit/test.h"

#define TEXT                                                                                       \
	"struct thread_struct 40\n"                                                                \
	"8 sp 8\n"                                                                                 \
	"union - 8\n"                                                                              \
	"0 first 8\n"                                                                              \
	"4 second 2\n"                                                                             \
	"struct task_struct 400\n"                                                                 \
	"0 __state 4\n"                                                                            \
	"8 - @-\n"                                                                                 \
	"10 comm 1*10\n"                                                                           \
	"101 low :3\n"                                                                             \
	"104 over :6\n"                                                                            \
	"80 thread @thread_struct\n"                                                               \
	"typedef task_t task_struct\n"                                                             \
	"enum mod_mem_type MOD_TEXT MOD_DATA\n"                                                    \
	"enum - LOOSE\n"

static struct vh_btf *parse(const char *text)
{
	struct vh_buf section = btf_build(text);
	struct vh_btf *b;
	char *why;

	assert_int_equal(vh_guest_btf_size(section.data, section.len), section.len);
	assert_int_equal(vh_guest_btf_size(section.data, 24), section.len);
	assert_int_equal(vh_guest_btf_parse(section.data, section.len, &b, &why), 0);
	assert_null(why);
	vh_buf_free(&section);
	return b;
}

static void test_fields(void **state)
{
	struct vh_btf *b = parse(TEXT);
	struct vh_field f;

	(void)state;
	assert_true(vh_guest_btf_field(b, "task_struct", "__state", &f));
	assert_int_equal(f.offset, 0);
	assert_int_equal(f.size, 4);
	assert_int_equal(f.count, 1);
	assert_true(vh_guest_btf_field(b, "task_struct", "comm", &f));
	assert_int_equal(f.offset, 16);
	assert_int_equal(f.size, 16);
	assert_int_equal(f.count, 16);
	assert_true(vh_guest_btf_field(b, "task_struct", "thread.sp", &f));
	assert_int_equal(f.offset, 0x88);
	/* Through what has no name, and by another name of the whole. */
	assert_true(vh_guest_btf_field(b, "task_struct", "second", &f));
	assert_int_equal(f.offset, 12);
	assert_int_equal(f.size, 2);
	assert_true(vh_guest_btf_field(b, "task_t", "thread.sp", &f));
	assert_int_equal(f.offset, 0x88);
	assert_true(vh_guest_btf_field(b, "task_t", "thread", &f));
	assert_int_equal(f.size, 0x40);

	assert_false(vh_guest_btf_field(b, "task_struct", "thread.bp", &f));
	assert_false(vh_guest_btf_field(b, "task_struct", "comm.sp", &f));
	assert_false(vh_guest_btf_field(b, "task_struct", "com", &f));
	assert_false(vh_guest_btf_field(b, "task_struct", "comms", &f));
	assert_false(vh_guest_btf_field(b, "task", "comm", &f));
	assert_false(vh_guest_btf_field(b, "", "comm", &f));
	vh_guest_btf_free(b);
}

static void test_bits_and_values(void **state)
{
	struct vh_btf *b = parse(TEXT);
	struct vh_field f;
	uint32_t bytes;
	int64_t value;

	(void)state;
	assert_true(vh_guest_btf_field(b, "task_struct", "low", &f));
	assert_int_equal(f.offset, 0x20);
	assert_int_equal(f.bit_offset, 1);
	assert_int_equal(f.bits, 3);
	assert_int_equal(f.size, 1);
	/* Bits 4 to 9 lie in two bytes. */
	assert_true(vh_guest_btf_field(b, "task_struct", "over", &f));
	assert_int_equal(f.bit_offset, 4);
	assert_int_equal(f.size, 2);
	assert_false(vh_guest_btf_field(b, "task_struct", "low.more", &f));
	assert_true(vh_guest_btf_sizeof(b, "task_struct", &bytes));
	assert_int_equal(bytes, 0x400);
	assert_true(vh_guest_btf_sizeof(b, "task_t", &bytes));
	assert_int_equal(bytes, 0x400);
	assert_true(vh_guest_btf_enumerator(b, "MOD_DATA", &value));
	assert_int_equal(value, 1);
	assert_true(vh_guest_btf_enumerator(b, "LOOSE", &value));
	assert_int_equal(value, 0);
	assert_false(vh_guest_btf_enumerator(b, "MOD_BSS", &value));
	vh_guest_btf_free(b);
}

/* Words of types behind a header, and "a\0b\0c\0" as strings at 1, 3, 5. */
static struct vh_btf *parse_words(const uint32_t *words, size_t n)
{
	static const char strings[] = "\0a\0b\0c";
	uint32_t bytes = (uint32_t)(n * 4);
	uint32_t header[] = {0x0001eb9f, 24, 0, bytes, bytes, sizeof(strings)};
	struct vh_buf section = {0};
	struct vh_btf *b;
	char *why;

	vh_buf_add(&section, header, sizeof(header));
	vh_buf_add(&section, words, bytes);
	vh_buf_add(&section, strings, sizeof(strings));
	vh_guest_btf_parse(section.data, section.len, &b, &why);
	vh_buf_free(&section);
	free(why);
	return b;
}

#define KIND(kind, n) ((kind) << 24 | (n))

static void test_hostile_chains(void **state)
{
	const uint32_t words[] = {
		1, KIND(4u, 1), 8, 3, 2, 0, /* 1: struct a { typedef b; } */
		3, KIND(8u, 0), 2,          /* 2: typedef b b */
		0, KIND(3u, 0), 0, 3, 3, 5, /* 3: an array of itself */
		5, KIND(4u, 2), 8,          /* 4: struct c, which holds itself twice, unnamed */
		0, 4, 0, 0, 4, 0, 0, KIND(25u, 0), 0, /* 5: a kind that does not exist yet */
		3, KIND(4u, 0), 4,                    /* not reached */
	};
	struct vh_btf *b = parse_words(words, VH_ARRAY_SIZE(words));
	int64_t began = vh_now_ns();
	struct vh_field f;
	uint32_t bytes;

	(void)state;
	assert_non_null(b);
	assert_int_equal(vh_guest_btf_types(b), 4);
	assert_true(vh_guest_btf_sizeof(b, "a", &bytes));
	assert_int_equal(bytes, 8);
	assert_false(vh_guest_btf_sizeof(b, "b", &bytes));
	assert_false(vh_guest_btf_field(b, "a", "b", &f));
	assert_false(vh_guest_btf_field(b, "a", "b.c", &f));
	assert_false(vh_guest_btf_field(b, "c", "a", &f));
	assert_true(vh_now_ns() - began < VH_NS_PER_S);
	vh_guest_btf_free(b);
}

static void test_array_overflow(void **state)
{
	/* 1: int; 2: 65536 of it; 3: 65536 of that; 4: struct a { b; } */
	const uint32_t words[] = {0, KIND(1u, 0), 4, 32, 0, KIND(3u, 0), 0, 1, 1, 65536, 0,
		KIND(3u, 0), 0, 2, 1, 65536, 1, KIND(4u, 1), 8, 3, 3, 0};
	struct vh_btf *b = parse_words(words, VH_ARRAY_SIZE(words));
	struct vh_field f;

	(void)state;
	assert_non_null(b);
	assert_false(vh_guest_btf_field(b, "a", "b", &f));
	vh_guest_btf_free(b);
}

static void test_old_bit_field(void **state)
{
	/* An int of 4 bytes, of which 2 bits from bit 3 on; in a struct at bit 32. */
	const uint32_t words[] = {0, KIND(1u, 0), 4, 3 << 16 | 2, 1, KIND(4u, 1), 8, 3, 1, 32};
	struct vh_btf *b = parse_words(words, VH_ARRAY_SIZE(words));
	struct vh_field f;

	(void)state;
	assert_true(vh_guest_btf_field(b, "a", "b", &f));
	assert_int_equal(f.offset, 4);
	assert_int_equal(f.bit_offset, 3);
	assert_int_equal(f.bits, 2);
	vh_guest_btf_free(b);
}

static void test_structure_before_typedef(void **state)
{
	/* 1: int; 2: typedef a int; 3: struct a of 8 bytes; 4: another of 12; 5: enum64 with b. */
	const uint32_t words[] = {0, KIND(1u, 0), 4, 32, 1, KIND(8u, 0), 1, 1, KIND(4u, 0), 8, 1,
		KIND(4u, 0), 12, 0, KIND(19u, 1), 8, 3, 5, 1};
	struct vh_btf *b = parse_words(words, VH_ARRAY_SIZE(words));
	uint32_t bytes;
	int64_t value;

	(void)state;
	assert_true(vh_guest_btf_sizeof(b, "a", &bytes));
	assert_int_equal(bytes, 8);
	assert_true(vh_guest_btf_enumerator(b, "b", &value));
	assert_true(value == 0x100000005);
	vh_guest_btf_free(b);
}

static void test_truncated(void **state)
{
	struct vh_buf section = btf_build(TEXT);

	(void)state;
	for (size_t n = 0; n < section.len; n++) {
		struct vh_btf *b;
		char *why;

		assert_int_equal(vh_guest_btf_parse(section.data, n, &b, &why), -EBADMSG);
		assert_null(b);
		assert_non_null(why);
		free(why);
	}
	vh_buf_free(&section);
}

static void test_lying_header(void **state)
{
	static const uint32_t lies[] = {
		0, 1, 23, 24, 0x7fffffff, 0x80000000, 0xffffffff, 0xffffffe8};
	struct vh_buf section = btf_build(TEXT);

	(void)state;
	for (size_t at = 0; at < 24; at += 4)
		for (size_t i = 0; i < VH_ARRAY_SIZE(lies); i++) {
			struct vh_buf copy = {0};
			struct vh_btf *b;
			struct vh_field f;
			char *why;

			vh_buf_add(&copy, section.data, section.len);
			memcpy(copy.data + at, &lies[i], 4);
			if (!vh_guest_btf_parse(copy.data, copy.len, &b, &why))
				vh_guest_btf_field(b, "task_struct", "thread.sp", &f);
			vh_guest_btf_free(b);
			free(why);
			vh_buf_free(&copy);
		}
	vh_buf_free(&section);
}

/* Since 7.x a type has up to 2^24 rows: what follows one of more than 65535 is found nevertheless.
 */
static void test_many_rows(void **state)
{
	const uint32_t n = 70000, section[3] = {0, 15u << 24 | n, 0};
	const uint32_t later[] = {1, 4u << 24 | 1, 8, 7, 3, 0}, number[] = {0, 1u << 24, 8, 64};
	const char strings[] = "\0later\0member";
	struct vh_buf types = {0}, all = {0};
	uint32_t header[] = {0x0001eb9f, 24, 0, 0, 0, sizeof(strings)};
	struct vh_btf *b;
	struct vh_field f;
	char *why;

	(void)state;
	vh_buf_add(&types, section, sizeof(section));
	for (uint32_t i = 0; i < n * 3; i++)
		vh_buf_add(&types, (uint32_t[]){0}, 4);
	vh_buf_add(&types, later, sizeof(later));
	vh_buf_add(&types, number, sizeof(number));
	header[3] = header[4] = (uint32_t)types.len;
	vh_buf_add(&all, header, sizeof(header));
	vh_buf_add(&all, types.data, types.len);
	vh_buf_add(&all, strings, sizeof(strings));
	assert_int_equal(vh_guest_btf_parse(all.data, all.len, &b, &why), 0);
	assert_int_equal(vh_guest_btf_types(b), 3);
	assert_true(vh_guest_btf_field(b, "later", "member", &f));
	assert_int_equal(f.size, 8);
	vh_guest_btf_free(b);
	vh_buf_free(&types);
	vh_buf_free(&all);
}

/* Newer headers lead to a section that tells how long types of each kind are: one that is not known
 * is stepped over. */
static void test_unknown_kind(void **state)
{
	const uint32_t unknown[] = {0, 25u << 24 | 2, 0, 1, 2, 3, 4};
	const uint32_t later[] = {1, 4u << 24 | 1, 8, 7, 3, 0}, number[] = {0, 1u << 24, 8, 64};
	const char strings[12] = "\0later\0memb";
	uint8_t layout[26][4] = {[25] = {8, 4}};
	uint32_t types = sizeof(unknown) + sizeof(later) + sizeof(number);
	uint32_t header[] = {0x0001eb9f, 32, 0, types, types, sizeof(strings),
		types + sizeof(strings), sizeof(layout)};

	(void)state;
	/* Told; not told; a section that lies outside of all. */
	for (unsigned round = 0; round < 3; round++) {
		struct vh_buf all = {0};
		struct vh_btf *b;
		struct vh_field f;
		char *why;

		layout[25][0] = round == 1 ? 0 : 8;
		layout[25][1] = round == 1 ? 0 : 4;
		header[6] = round == 2 ? UINT32_MAX : types + (uint32_t)sizeof(strings);
		vh_buf_add(&all, header, sizeof(header));
		vh_buf_add(&all, later, sizeof(later));
		vh_buf_add(&all, unknown, sizeof(unknown));
		vh_buf_add(&all, number, sizeof(number));
		vh_buf_add(&all, strings, sizeof(strings));
		vh_buf_add(&all, layout, sizeof(layout));
		assert_int_equal(
			vh_guest_btf_parse(all.data, all.len, &b, &why), round == 2 ? -EBADMSG : 0);
		if (round < 2) {
			assert_int_equal(vh_guest_btf_types(b), round ? 1 : 3);
			assert_int_equal(vh_guest_btf_field(b, "later", "memb", &f), !round);
		}
		vh_guest_btf_free(b);
		free(why);
		vh_buf_free(&all);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_bits_and_values),
		cmocka_unit_test(test_hostile_chains),
		cmocka_unit_test(test_array_overflow),
		cmocka_unit_test(test_old_bit_field),
		cmocka_unit_test(test_structure_before_typedef),
		cmocka_unit_test(test_many_rows),
		cmocka_unit_test(test_unknown_kind),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_lying_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
