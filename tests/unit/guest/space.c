/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Physical memory, page tables, address spaces. */
#include "guest/space.h"

#include <errno.h>
#include <fcntl.h>

#include "tests/unit/guest/image.h"
#include "tests/unit/test.h"

#define TEXT                                                                                       \
	"map ffffffff81000000 1000000 2000 x\n"                                                    \
	"map ffffffff81002000 7000 1000 w\n"                                                       \
	"map ffffffff81003000 1003000 1000 -\n"                                                    \
	"map 400000 9000 1000 wu\n"

static void test_walk(void **state)
{
	struct image *i = image_done(image_new(TEXT));
	struct vh_mapping m;

	(void)state;
	assert_int_equal(vh_space_translate(i->space, 0xffffffff81002123, &m), 0);
	assert_int_equal(m.gpa.a, 0x7123);
	assert_int_equal(m.page_bytes, 4096);
	assert_true(m.writable && !m.executable && !m.user);
	assert_int_equal(vh_space_translate(i->space, 0x400fff, &m), 0);
	assert_int_equal(m.gpa.a, 0x9fff);
	assert_true(m.writable && m.user && !m.executable);
	assert_int_equal(vh_space_translate(i->space, 0xffffffff81004000, &m), -ENXIO);
	/* Bits 48 to 63 are those of bit 47, or there is no such address. */
	assert_int_equal(vh_space_translate(i->space, 0x0000ffff81000000, &m), -ENXIO);
	image_free(i);
}

static void test_large_pages(void **state)
{
	struct image *i = image_new(TEXT);
	struct vh_mapping m;

	(void)state;
	/* A PMD and a PUD entry with bit 7. */
	uint64_t pud = image_entry(i, i->root.table.a, 0xffffffff81000000, 39) & ~UINT64_C(0xfff);
	uint64_t pmd = image_entry(i, pud, 0xffffffff81000000, 30) & ~UINT64_C(0xfff);

	image_set_entry(i, pmd, 0xffffffff90000000, 21, 0x200000 | 0x83);
	image_set_entry(i, pud, 0xffffffffc0000000, 30, 0x80000000 | 0x81);
	image_done(i);
	assert_int_equal(vh_space_translate(i->space, 0xffffffff90012345, &m), 0);
	assert_int_equal(m.gpa.a, 0x212345);
	assert_int_equal(m.page_bytes, 2 << 20);
	assert_int_equal(vh_space_translate(i->space, 0xffffffffd2345678, &m), 0);
	assert_int_equal(m.gpa.a, 0x92345678);
	assert_int_equal(m.page_bytes, 1 << 30);
	assert_false(m.writable);
	image_free(i);
}

static void test_read(void **state)
{
	struct image *i = image_new(TEXT);
	char text[16];
	uint64_t value;

	(void)state;
	image_add(i, "str ffffffff81001ffc across\nu64 ffffffff81000008 1122334455667788\n");
	image_done(i);
	/* Over a page border, to another place in physical memory. */
	assert_int_equal(vh_space_string(i->space, 0xffffffff81001ffc, text, sizeof(text)), 6);
	assert_string_equal(text, "across");
	assert_int_equal(vh_space_string(i->space, 0xffffffff81001ffc, text, 4), 3);
	assert_string_equal(text, "acr");
	assert_int_equal(vh_space_u64(i->space, 0xffffffff81000008, &value), 0);
	assert_true(value == 0x1122334455667788);
	assert_int_equal(vh_space_u64(i->space, 0xffffffff81003ffc, &value), -ENXIO);
	assert_int_equal(vh_space_read(i->space, UINT64_MAX - 3, text, 8), -ENXIO);
	image_free(i);
}

static void test_freeze(void **state)
{
	struct image *i = image_done(image_new(TEXT));
	uint64_t value;

	(void)state;
	/* Three pages are mapped from there on, and one more behind them. */
	assert_int_equal(vh_space_freeze(i->space, 0xffffffff81001800, 0x4000), 0x2800);
	memset(i->data, 0xff, i->n * VH_GUEST_PAGE);
	assert_int_equal(vh_space_u64(i->space, 0xffffffff81002000, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(vh_space_freeze(i->space, 0, 0), 0);
	assert_int_equal(vh_space_u64(i->space, 0xffffffff81002000, &value), 0);
	assert_true(value == UINT64_MAX);
	image_free(i);
}

static void test_ranges(void **state)
{
	struct image *i = image_done(image_new(TEXT));
	struct vh_range r[8];

	(void)state;
	assert_int_equal(
		vh_space_ranges(i->space, VH_KERNEL_LOW, VH_KERNEL_HIGH, r, VH_ARRAY_SIZE(r)), 3);
	assert_true(r[0].gva == 0xffffffff81000000 && r[0].bytes == 0x2000 && r[0].executable);
	assert_true(r[1].gva == 0xffffffff81002000 && r[1].bytes == 0x1000 && r[1].writable);
	assert_true(r[2].gva == 0xffffffff81003000 && !r[2].writable && !r[2].executable);
	assert_int_equal(vh_space_ranges(i->space, VH_KERNEL_LOW, VH_KERNEL_HIGH, r, 2), 2);
	image_free(i);
}

/* Tables that lead to themselves, to each other and to nowhere. */
static void test_hostile_tables(void **state)
{
	struct image *i = image_new(TEXT);
	struct vh_range r[64];
	struct vh_mapping m;

	(void)state;
	for (unsigned k = 0; k < 512; k++)
		image_set_entry(i, i->root.table.a, (uint64_t)k << 39, 39,
			k % 2 ? i->root.table.a | 3 : 0xffffffff000 | 3);
	image_done(i);
	assert_int_equal(vh_space_translate(i->space, 0xfffffffffffff123, &m), 0);
	assert_int_equal(vh_space_translate(i->space, 0x0, &m), -EFAULT);
	assert_true(vh_space_ranges(i->space, VH_KERNEL_LOW, VH_KERNEL_HIGH, r, VH_ARRAY_SIZE(r)) <=
		    VH_ARRAY_SIZE(r));
	image_free(i);
}

/* A table whose entries all lead to itself would be gone through 512^3 times: that ends soon. */
static void test_ranges_in_a_circle(void **state)
{
	struct image *i = image_new("");
	struct vh_range r[8];

	(void)state;
	for (unsigned k = 0; k < 512; k++)
		image_set_entry(i, IMAGE_TABLES, (uint64_t)k << 12, 12, IMAGE_TABLES | 7);
	image_done(i);
	assert_int_equal(vh_space_ranges(i->space, 0, UINT64_MAX, r, VH_ARRAY_SIZE(r)), 1);
	assert_true(r[0].gva == 0 && r[0].bytes < UINT64_C(1) << 40);
	image_free(i);
}

/* A map that lies: of pieces one over the other, what is read stays within one. */
static void test_pieces_overlap(void **state)
{
	static uint8_t of[3][4096];
	struct vh_ram ram[] = {{{0x2000}, 4096, {(uint64_t)(uintptr_t)of}},
		{{0x1000}, 3 * 4096, {(uint64_t)(uintptr_t)of}}};
	vh_auto_close int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC),
			  pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	struct vh_memory *m = vh_memory_of_process(mem, pagemap, ram, 2);
	uint8_t page[8192];

	(void)state;
	memset(of, 1, sizeof(of));
	assert_int_equal(vh_memory_read(m, (vh_gpa){0x2000}, page, 4096), 0);
	assert_int_equal(vh_memory_read(m, (vh_gpa){0x2000}, page, 8192), -EFAULT);
	vh_memory_free(m);
}

static void test_budget(void **state)
{
	struct image *i = image_done(image_new(TEXT));
	uint8_t page[4096];

	(void)state;
	vh_memory_set_budget(i->memory, 5000, (struct vh_deadline){INT64_MAX});
	assert_int_equal(vh_memory_read(i->memory, (vh_gpa){0x7000}, page, 4096), 0);
	assert_int_equal(vh_memory_read(i->memory, (vh_gpa){0x7000}, page, 4096), -EDQUOT);
	assert_true(vh_memory_used(i->memory).out_of_bytes);
	vh_memory_set_budget(i->memory, 50000, vh_deadline_in(-1));
	assert_int_equal(vh_memory_read(i->memory, (vh_gpa){0x7000}, page, 16), -ETIME);
	assert_true(vh_memory_used(i->memory).out_of_time);
	image_free(i);
}

static void test_memory(void **state)
{
	struct image *i = image_done(image_new(TEXT));
	uint8_t page[8192];
	struct vh_run run;
	struct vh_pages kept;

	(void)state;
	assert_int_equal(vh_memory_read(i->memory, (vh_gpa){0x8000}, page, 16), -EFAULT);
	assert_int_equal(vh_memory_read(i->memory, (vh_gpa){UINT64_MAX}, page, 16), -EFAULT);
	assert_true(vh_memory_next(i->memory, (vh_gpa){0}, 1 << 20, &run));
	assert_true(run.gpa.a == 0x7000 && run.bytes == 0x1000);
	assert_true(vh_memory_next(i->memory, (vh_gpa){0xa000}, 0x1000, &run));
	assert_true(run.gpa.a == 0x1000000 && run.bytes == 0x1000);
	assert_false(vh_memory_next(i->memory, (vh_gpa){0x80000000}, 1 << 20, &run));

	vh_memory_keep_pages(i->memory, 2);
	i->data[0] = 0x55; /* of page 7000 */
	assert_int_equal(vh_memory_read(i->memory, (vh_gpa){0x1000ffc}, page, 8), 0);
	assert_int_equal(vh_memory_read(i->memory, (vh_gpa){0x7000}, page, 8), 0);
	assert_int_equal(page[0], 0x55);
	vh_memory_take_kept(i->memory, &kept);
	assert_int_equal(kept.n, 2);
	assert_true(kept.gpa[0].a == 0x1000000 && kept.gpa[1].a == 0x1001000);
	vh_pages_free(&kept);
	image_free(i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_large_pages),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_freeze),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_hostile_tables),
		cmocka_unit_test(test_ranges_in_a_circle),
		cmocka_unit_test(test_pieces_overlap),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
