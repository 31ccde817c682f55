/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* arm64's page tables: every granule and width, blocks, what is no part of an address, rights. */
#include "guest/paging.h"

#include <errno.h>

#include "tests/unit/guest/image.h"
#include "tests/unit/test.h"

#define TABLE      3 /* bits of an entry: valid, and a table or a page */
#define BLOCK      1
#define USER       0x40
#define RO         0x80
#define CONTIGUOUS (UINT64_C(1) << 52)
#define DBM        (UINT64_C(1) << 51)
#define GUARDED    (UINT64_C(1) << 50)
#define PXN        (UINT64_C(1) << 53)

#define AT IMAGE_TABLES

/* A table of the root's granule, all of which can be read. */
static uint64_t table(struct image *i, unsigned nth)
{
	uint64_t bytes = UINT64_C(1) << i->root.page_bits, gpa = AT + nth * bytes;

	for (uint64_t at = 0; at < bytes; at += VH_GUEST_PAGE)
		image_page(i, gpa + at);
	return gpa;
}

static void set(struct image *i, uint64_t gpa, unsigned index, uint64_t entry)
{
	uint64_t at = gpa + index * sizeof(entry);

	memcpy(image_page(i, at & ~(VH_GUEST_PAGE - 1)) + at % VH_GUEST_PAGE, &entry,
		sizeof(entry));
}

static struct image *arm(unsigned page_bits, unsigned va_bits)
{
	struct image *i = image_paged(VH_PAGING_ARM64, "");

	i->root.page_bits = page_bits;
	i->root.va_bits = va_bits;
	return i;
}

static struct vh_mapping mapping(struct image *i, uint64_t gva)
{
	struct vh_mapping m = {0};

	assert_int_equal(vh_space_translate(i->space, gva, &m), 0);
	return m;
}

static void assert_unmapped(struct image *i, uint64_t gva)
{
	struct vh_mapping m;

	assert_int_equal(vh_space_translate(i->space, gva, &m), -ENXIO);
}

/* Four levels: a page, a contiguous run, blocks of 2 MiB and 1 GiB. */
static void test_48(void **state)
{
	struct image *i = arm(12, 48);
	uint64_t l0 = table(i, 0), l1 = table(i, 1), l2 = table(i, 2), l3 = table(i, 3);
	struct vh_mapping m;

	(void)state;
	set(i, l0, 256, l1 | TABLE);
	set(i, l1, 0, l2 | TABLE);
	set(i, l1, 3, 0xc0000000 | BLOCK | PXN);
	set(i, l2, 4, l3 | TABLE);
	set(i, l2, 5, 0x60200000 | BLOCK | RO | CONTIGUOUS | GUARDED);
	set(i, l3, 1, 0x41234000 | TABLE | RO | GUARDED);
	for (unsigned k = 16; k < 32; k++)
		set(i, l3, k, (0x50000000 + k * 0x1000) | TABLE | PXN | DBM | CONTIGUOUS);
	set(i, l3, 40, 0x50100000 | TABLE | PXN | RO | DBM); /* clean, and may be written */
	set(i, l3, 41, 0x50101000 | TABLE | PXN | RO | USER);
	set(i, l3, 42, 0x50102000 | BLOCK);    /* of the last level: no entry */
	set(i, l0, 257, 0x8000000000 | BLOCK); /* of the first: nor this */
	image_done(i);

	m = mapping(i, 0xffff800000801abc);
	assert_true(m.gpa.a == 0x41234abc && m.page_bytes == 0x1000);
	assert_true(m.executable && !m.writable && !m.user);
	for (unsigned k = 16; k < 32; k++)
		assert_true(mapping(i, 0xffff800000800000 + k * 0x1000 + 8).gpa.a ==
			    0x50000008 + k * 0x1000);
	m = mapping(i, 0xffff800000810000);
	assert_true(m.writable && !m.executable);
	assert_true(mapping(i, 0xffff800000828000).writable);
	m = mapping(i, 0xffff800000829000);
	assert_true(m.user && !m.writable);
	m = mapping(i, 0xffff800000a12345);
	assert_true(m.gpa.a == 0x60212345 && m.page_bytes == 2 << 20);
	assert_true(m.executable && !m.writable);
	m = mapping(i, 0xffff8000d2345678);
	assert_true(m.gpa.a == 0xd2345678 && m.page_bytes == 1 << 30);
	assert_true(m.writable && !m.executable);
	assert_unmapped(i, 0xffff80000082a000);
	assert_unmapped(i, 0xffff808000000000);
	assert_unmapped(i, 0xffff800000802000);
	/* TTBR1 has the upper half alone. */
	assert_unmapped(i, 0x0000800000801000);
	assert_unmapped(i, 0xfff7800000801000);
	image_free(i);
}

/* What a table forbids is forbidden below it. */
static void test_table_rights(void **state)
{
	struct image *i = arm(12, 39);
	uint64_t l1 = table(i, 0), l2 = table(i, 1);
	struct vh_mapping m;

	(void)state;
	set(i, l1, 0, l2 | TABLE | UINT64_C(1) << 59);
	set(i, l1, 1, l2 | TABLE | UINT64_C(1) << 61);
	set(i, l1, 2, l2 | TABLE | UINT64_C(1) << 62);
	set(i, l2, 0, 0x40000000 | BLOCK | USER);
	image_done(i);
	m = mapping(i, 0xffffff8000000000);
	assert_true(!m.executable && m.writable && m.user);
	m = mapping(i, 0xffffff8040000000);
	assert_true(m.executable && m.writable && !m.user);
	m = mapping(i, 0xffffff8080000000);
	assert_true(m.executable && !m.writable && m.user);
	image_free(i);
}

/* Three levels; the sweep finds each range once. */
static void test_39(void **state)
{
	struct image *i = arm(12, 39);
	uint64_t l1 = table(i, 0), l2 = table(i, 1), l3 = table(i, 2), low, high;
	struct vh_range r[8];

	(void)state;
	set(i, l1, 256, l2 | TABLE);
	set(i, l2, 0, l3 | TABLE);
	set(i, l2, 1, 0x48200000 | BLOCK | RO | PXN);
	set(i, l3, 0, 0x48000000 | TABLE | RO);
	set(i, l3, 1, 0x49000000 | TABLE | RO);
	image_done(i);
	assert_true(mapping(i, 0xffffffc000001010).gpa.a == 0x49000010);
	assert_true(mapping(i, 0xffffffc000212345).gpa.a == 0x48212345);
	vh_kernel_window(&i->root, &low, &high);
	assert_true(low == 0xffffffc000000000);
	assert_int_equal(vh_space_ranges(i->space, low, high, r, VH_ARRAY_SIZE(r)), 2);
	assert_true(r[0].gva == 0xffffffc000000000 && r[0].bytes == 0x2000 && r[0].executable);
	assert_true(r[1].gva == 0xffffffc000200000 && r[1].bytes == 2 << 20 && !r[1].executable);
	image_free(i);
}

/* Five levels, sixteen entries in the topmost, addresses of 52 bits (LPA2). */
static void test_52(void **state)
{
	struct image *i = arm(12, 52);
	uint64_t t[5], low, high;
	struct vh_range r[4];

	(void)state;
	for (unsigned n = 0; n < 5; n++)
		t[n] = table(i, n);
	set(i, t[0], 15, t[1] | TABLE);
	set(i, t[0], 31, t[1] | TABLE); /* behind its end */
	set(i, t[1], 256, t[2] | TABLE);
	set(i, t[1], 300, 0x8000000000 | BLOCK); /* 512 GiB, which LPA2 brought */
	set(i, t[2], 2, t[3] | TABLE);
	set(i, t[3], 0, t[4] | TABLE);
	set(i, t[4], 3, 0x45678000 | TABLE | RO);
	/* Bits 49 and 48 where they are, 51 and 50 in 9 and 8. */
	set(i, t[4], 4, 0x0003000045679000 | TABLE | 0x300);
	image_done(i);
	assert_true(mapping(i, 0xffff800080003123).gpa.a == 0x45678123);
	assert_true(mapping(i, 0xffff800080004fff).gpa.a == 0x000f000045679fff);
	assert_true(mapping(i, 0xffff960123456789).gpa.a == 0x8123456789);
	assert_unmapped(i, 0xffef800080003123);
	vh_kernel_window(&i->root, &low, &high);
	assert_true(low == 0xffff800000000000);
	assert_int_equal(vh_space_ranges(i->space, low, high, r, VH_ARRAY_SIZE(r)), 3);
	assert_true(r[0].gva == 0xffff800080003000 && r[0].bytes == 0x1000);
	assert_true(r[2].gva == 0xffff960000000000 && r[2].bytes == UINT64_C(1) << 39);
	assert_int_equal(vh_paging_form(&i->root).levels, 5);
	image_free(i);
}

/* 16 KiB pages: 47 bits, three levels; blocks of 32 MiB. */
static void test_16k(void **state)
{
	struct image *i = arm(14, 47);
	uint64_t l1 = table(i, 0), l2 = table(i, 1), l3 = table(i, 2);

	(void)state;
	set(i, l1, 1024, l2 | TABLE);
	set(i, l1, 1025, 0x1000000000 | BLOCK); /* none so large */
	set(i, l2, 0, l3 | TABLE);
	set(i, l2, 1, 0x42000000 | BLOCK);
	set(i, l3, 2, 0x45678000 | TABLE);
	image_done(i);
	assert_true(mapping(i, 0xffffc0000000b123).gpa.a == 0x4567b123);
	assert_true(mapping(i, 0xffffc00002345678).gpa.a == 0x42345678);
	assert_unmapped(i, 0xffffc01000000000);
	image_free(i);
}

/* 64 KiB pages; the root is one of 52 bits, the CPU may have 48. */
static void test_64k(void **state)
{
	struct image *i = arm(16, 52);
	uint64_t l1 = table(i, 0), l2 = table(i, 1), l3 = table(i, 2);

	(void)state;
	set(i, l1, 992, l2 | TABLE); /* of ffff800000000000 */
	set(i, l2, 0, l3 | TABLE);
	set(i, l2, 1, 0x60000000 | BLOCK);
	set(i, l3, 1, 0x45670000 | TABLE);
	set(i, l3, 2, 0x45680000 | TABLE | 0xa000); /* bits 51 to 48 of the address */
	image_done(i);
	assert_true(mapping(i, 0xffff800000012345).gpa.a == 0x45672345);
	assert_true(mapping(i, 0xffff800000020001).gpa.a == 0x000a000045680001);
	assert_true(mapping(i, 0xffff800023456789).gpa.a == 0x63456789);
	assert_int_equal(vh_paging_form(&i->root).levels, 3);
	image_free(i);
}

/* Tables that lead to themselves and to nowhere. */
static void test_hostile(void **state)
{
	struct image *i = arm(12, 52);
	uint64_t top = table(i, 0), low, high;
	struct vh_range r[64];
	struct vh_mapping m;

	(void)state;
	for (unsigned k = 0; k < 512; k++)
		set(i, top, k, k % 2 ? top | TABLE : UINT64_MAX);
	image_done(i);
	vh_kernel_window(&i->root, &low, &high);
	assert_true(vh_space_ranges(i->space, low, high, r, VH_ARRAY_SIZE(r)) <= VH_ARRAY_SIZE(r));
	assert_int_equal(vh_space_translate(i->space, 0xfffe000000000000, &m), -EFAULT);
	image_free(i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_48),
		cmocka_unit_test(test_table_rights),
		cmocka_unit_test(test_39),
		cmocka_unit_test(test_52),
		cmocka_unit_test(test_16k),
		cmocka_unit_test(test_64k),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
