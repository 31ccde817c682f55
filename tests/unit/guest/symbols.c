/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables of kallsyms in memory, whole and broken; symbols by name and by address. */
#include "guest/symbols.h"

#include <errno.h>

#include "guest/symbols_table.h"
#include "tests/unit/guest/kallsyms.h"
#include "tests/unit/test.h"

#define TABLES UINT64_C(0xffffffff82000000)
#define TEXT   UINT64_C(0xffffffff81000000)
#define N      1000u

/* Text, tables, data. */
#define RANGES                                                                                     \
	"map ffffffff81000000 1000000 5000 x\n"                                                    \
	"map ffffffff82000000 2000000 10000 -\n"                                                   \
	"map ffffffff82800000 2800000 10000 w\n"

static int find_in(struct image *i, struct vh_symbols **out, char **why)
{
	struct vh_range ranges[64];
	size_t n = vh_space_ranges(
		i->space, VH_KERNEL_LOW, VH_KERNEL_HIGH, ranges, VH_ARRAY_SIZE(ranges));

	return vh_symbols_find(i->space, ranges, n, out, why);
}

/* An image with tables at gva, in which n bytes at a place are replaced. */
static struct image *image_with(enum kallsyms_layout layout, uint64_t gva, size_t at,
	const char *bytes, size_t n, struct kallsyms *parts)
{
	struct image *i = image_new(RANGES);
	struct vh_symbol *list = kallsyms_symbols(N, TEXT);
	struct kallsyms k = kallsyms_of(layout, gva, list, N);

	kallsyms_put(i, &k);
	if (n)
		image_put(i, gva + at, bytes, n);
	if (parts)
		*parts = k;
	vh_buf_free(&k.bytes);
	kallsyms_symbols_free(list, N);
	return image_done(i);
}

/* How many of the symbols are as they were made; the lowest index of one that is not. */
static size_t right_ones(const struct vh_symbols *y, size_t *wrong)
{
	struct vh_symbol *list = kallsyms_symbols(N, TEXT), s;
	size_t right = 0;

	*wrong = N;
	for (size_t i = N; i-- > 0;) {
		if (vh_symbols_get(y, i, &s) && vh_streq(s.name, list[i].name) &&
			s.type == list[i].type && s.gva == list[i].gva)
			right++;
		else
			*wrong = i;
	}
	kallsyms_symbols_free(list, N);
	return right;
}

static void test_layouts(void **state)
{
	static const char *const names[] = {"up to 4.19", "4.20 to 6.3", "4.20 to 6.3", "6.4 on",
		"6.4 on", "7.x, relative to its place"};

	(void)state;
	for (int layout = 0; layout < KALLSYMS_LAYOUTS; layout++) {
		struct vh_symbols *y;
		struct vh_symbol s;
		struct image *i;
		uint64_t gva;
		size_t wrong;
		char *why;

		/* What is relative without per-CPU symbols apart has none that are absolute. */
		i = image_new(RANGES);
		struct vh_symbol *list = kallsyms_symbols(N, TEXT);
		size_t skip = layout >= KALLSYMS_6_15 ? 8 : 0;
		struct kallsyms k = kallsyms_of(layout, TABLES, list + skip, N - skip);

		kallsyms_put(i, &k);
		vh_buf_free(&k.bytes);
		kallsyms_symbols_free(list, N);
		image_done(i);
		assert_int_equal(find_in(i, &y, &why), 0);
		assert_string_equal(vh_symbols_layout(y), names[layout]);
		assert_int_equal(vh_symbols_count(y), N - skip);
		if (!skip)
			assert_int_equal(right_ones(y, &wrong), N);
		assert_true(vh_symbols_address(y, "do_function_100", &gva));
		assert_int_equal(gva, TEXT + 1600);
		assert_true(vh_symbols_at(y, TEXT + 1605, &s));
		assert_string_equal(s.name, "do_function_100");
		assert_int_equal(s.size, 16);
		assert_int_equal(s.type, 'T');
		vh_symbols_free(y);
		image_free(i);
	}
}

/* Not yet write-protected, as early in the boot: found all the same. And behind a keyboard's table,
 * which has the digits too. */
static void test_writable(void **state)
{
	struct image *i = image_with(KALLSYMS_5_4, 0xffffffff82801000, 0, NULL, 0, NULL);
	struct vh_symbols *y;
	size_t wrong;
	char *why;

	(void)state;
	image_add(i, "hex ffffffff82000100 3000310032003300340035003600370038003900\n");
	image_add(i, "hex ffffffff82800100 3000310032003300340035003600370038003900\n");
	assert_int_equal(find_in(i, &y, &why), 0);
	assert_int_equal(right_ones(y, &wrong), N);
	vh_symbols_free(y);
	image_free(i);
}

static void test_broken_length(void **state)
{
	struct kallsyms k;
	struct image *i = image_with(KALLSYMS_5_4, TABLES, 0, NULL, 0, &k);
	struct vh_symbols *y;
	struct vh_symbol s;
	size_t wrong;
	uint64_t gva;
	char *why;

	(void)state;
	/* The length of the first name is one more than it is. */
	image_put(i, TABLES + k.names, "\x0a", 1);
	assert_int_equal(find_in(i, &y, &why), 0);
	assert_int_equal(right_ones(y, &wrong), N - 256);
	assert_int_equal(wrong, 0);
	/* A symbol whose name is lost still has its address, and does not lend it to others. */
	assert_true(vh_symbols_get(y, 30, &s));
	assert_string_equal(s.name, "");
	assert_int_equal(s.gva, TEXT + 480);
	assert_false(vh_symbols_at(y, TEXT + 481, &s));
	assert_false(vh_symbols_address(y, "function_30", &gva));
	vh_symbols_free(y);
	image_free(i);
}

/* Each of these is no table at all, or one without names or addresses. */
static void test_lies(void **state)
{
	struct kallsyms k;
	struct image *i = image_with(KALLSYMS_5_4, TABLES, 0, NULL, 0, &k);
	struct vh_symbols *y;
	char *why;

	(void)state;
	image_free(i);
	const struct {
		size_t at;
		const char *bytes;
		size_t n;
	} lies[] = {
		{k.num_syms, "\xff\xff\xff\xff", 4}, {k.num_syms, "\0\0\0\0", 4},
		{k.num_syms, "\x10\0\0\0", 4}, {k.token_index + 2, "\xff\xff", 2},
		{k.token_index + 0x60, "\0\0", 2}, {k.token_index + 510, "\xff\xff", 2},
		{k.tokens + 0x22, "x", 1}, /* the NUL behind "!" */ {k.markers, "\1", 1},
		{k.markers + 4, "\xff\xff\xff\xff", 4}, {k.markers + 12, "\xff\xff\xff\x7f", 4},
		{k.num_syms - 8, "\0\0\0\0\0\0\0\0", 8}, /* the base of the addresses */
	};
	for (size_t l = 0; l < VH_ARRAY_SIZE(lies); l++) {
		i = image_with(KALLSYMS_5_4, TABLES, lies[l].at, lies[l].bytes, lies[l].n, NULL);
		assert_int_equal(find_in(i, &y, &why), -ENOENT);
		assert_null(y);
		assert_non_null(why);
		free(why);
		image_free(i);
	}
}

/* Pages that are not in the host's memory cost what is in them. */
static void test_absent_page(void **state)
{
	struct image *i = image_new(RANGES);
	struct vh_symbol *list = kallsyms_symbols(N, TEXT);
	struct kallsyms k = kallsyms_of(KALLSYMS_6_4, TABLES, list, N);
	uint64_t lost = (k.names + 4096) & ~UINT64_C(4095);
	struct vh_symbols *y;
	size_t wrong, n;
	char *why;

	(void)state;
	kallsyms_put(i, &k);
	assert_true(lost + 4096 < k.markers);
	for (n = 0; i->gpa[n].a != 0x2000000 + lost; n++)
		;
	i->n--;
	memmove(i->gpa + n, i->gpa + n + 1, (i->n - n) * sizeof(*i->gpa));
	memmove(i->data + n * 4096, i->data + (n + 1) * 4096, (i->n - n) * 4096);
	image_done(i);
	assert_int_equal(find_in(i, &y, &why), 0);
	n = right_ones(y, &wrong);
	assert_true(n >= N - 3 * 256 && n < N);
	vh_symbols_free(y);
	vh_buf_free(&k.bytes);
	kallsyms_symbols_free(list, N);
	image_free(i);
}

static void test_budget(void **state)
{
	struct image *i = image_with(KALLSYMS_5_4, TABLES, 0, NULL, 0, NULL);
	struct vh_symbols *y;
	char *why;

	(void)state;
	vh_memory_set_budget(i->memory, 0x8000, (struct vh_deadline){INT64_MAX});
	assert_int_equal(find_in(i, &y, &why), -EDQUOT);
	assert_null(y);
	assert_null(why);
	image_free(i);
}

static void test_nothing_mapped(void **state)
{
	struct image *i = image_done(image_new("map 400000 9000 1000 wu\n"));
	struct vh_symbols *y;
	char *why;

	(void)state;
	assert_int_equal(find_in(i, &y, &why), -ENOENT);
	assert_string_equal(why, "no table of kernel symbols in 0.0 MiB that are mapped");
	free(why);
	image_free(i);
}

static void test_lookup(void **state)
{
	static const struct vh_symbol list[] = {
		{"last", 'T', 0xffffffff81002000, 0},
		{"percpu", 'A', 0x1000, 0},
		{"alias_of_first", 't', 0xffffffff81000000, 0},
		{"first", 'T', 0xffffffff81000000, 0},
		{"twice", 't', 0xffffffff81001000, 0},
		{"twice", 't', 0xffffffff81001800, 0},
	};
	struct vh_symbols *y = vh_symbols_of(list, VH_ARRAY_SIZE(list));
	struct vh_symbol s;
	uint64_t gva;

	(void)state;
	assert_int_equal(vh_symbols_count(y), VH_ARRAY_SIZE(list));
	assert_false(vh_symbols_get(y, VH_ARRAY_SIZE(list), &s));
	assert_true(vh_symbols_address(y, "twice", &gva));
	assert_int_equal(gva, 0xffffffff81001000);
	assert_true(vh_symbols_address(y, "percpu", &gva));
	assert_int_equal(gva, 0x1000);
	assert_false(vh_symbols_address(y, "", &gva));
	assert_false(vh_symbols_address(y, "?", &gva));
	/* The lowest index of those that share it. */
	assert_true(vh_symbols_at(y, 0xffffffff81000fff, &s));
	assert_string_equal(s.name, "alias_of_first");
	assert_int_equal(s.size, 0x1000);
	/* An offset of a per-CPU variable covers no address. */
	assert_false(vh_symbols_at(y, 0x1000, &s));
	assert_false(vh_symbols_at(y, 0xffffffff80ffffff, &s));
	assert_true(vh_symbols_at(y, 0xffffffff81002fff, &s));
	assert_string_equal(s.name, "last");
	assert_int_equal(s.size, 0);
	assert_false(vh_symbols_at(y, 0xffffffff81003000, &s));
	vh_symbols_free(y);
	vh_symbols_free(NULL);
	y = vh_symbols_of(NULL, 0);
	assert_false(vh_symbols_at(y, 0xffffffff81003000, &s));
	vh_symbols_free(y);
}

/* A length that leads into the next block: what lies there is not taken for names of this one. */
static void test_overlong_name(void **state)
{
	uint8_t data[1024 + 512] = {0};
	struct vh_kallsyms k = {.copy = {data, sizeof(data), TABLES},
		.markers = 1024,
		.tokens = 1024 + 16,
		.marker_bytes = 4,
		.n_markers = 2,
		.n = 300};
	uint32_t second = 512;
	struct vh_symbols *y = vh_symbols_room(k.n);

	(void)state;
	memcpy(data + k.markers + 4, &second, sizeof(second));
	memcpy(data + k.tokens, "ab", 3);
	k.token[1] = (struct vh_kallsyms_token){0, 2};
	/* 200 codes, 500 codes that reach over the end, and three. */
	memset(data, 1, 1024);
	data[0] = 0x80 | (200 & 0x7f);
	data[1] = 200 >> 7;
	data[202] = 0x80 | (500 & 0x7f);
	data[203] = 500 >> 7;
	data[704] = 3;
	assert_false(vh_kallsyms_block(&k, 0, y));
	assert_int_not_equal(y->name[0], 0);
	assert_int_equal(y->name[1], 0);
	assert_int_equal(y->name[2], 0);
	vh_symbols_free(y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_writable),
		cmocka_unit_test(test_broken_length),
		cmocka_unit_test(test_overlong_name),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_absent_page),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_nothing_mapped),
		cmocka_unit_test(test_lookup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
