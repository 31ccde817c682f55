/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VGA memory as text, what is needed of a register dump, and reading a process's memory. */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "collect/guestview.h"
#include "collect/session.h"
#include "tests/unit/test.h"

/* Text mode as the firmware leaves it: a font in the third plane, blanks with attribute 7. */
static uint8_t *text_screen(void)
{
	uint8_t *vram = vh_alloc(VH_VGATEXT_BYTES);

	for (unsigned c = '!'; c < 256; c++)
		for (unsigned row = 2; row < 12; row++)
			vram[(c * 32 + row) * 4 + 2] = (uint8_t)(c ^ row << 3 ^ 0x81);
	for (unsigned cell = 0; cell < VH_VGATEXT_BYTES / 4; cell++) {
		vram[cell * 4] = ' ';
		vram[cell * 4 + 1] = 7;
	}
	return vram;
}

static void put(uint8_t *vram, unsigned row, unsigned column, const char *text)
{
	for (unsigned i = 0; text[i]; i++)
		vram[(row * VH_VGATEXT_COLUMNS + column + i) * 4] = (uint8_t)text[i];
}

static void rows_become_text(void **state VH_UNUSED)
{
	vh_auto_free uint8_t *vram = text_screen();
	vh_auto_buf struct vh_buf out = {0};

	put(vram, 0, 0, "No bootable device.");
	put(vram, 2, 3, "\xb3 A\x01\x1b[31m \xdb\xfc");
	assert_true(vh_vgatext_decode(vram, VH_VGATEXT_BYTES, &out));
	/* Control bytes never get through; box drawing becomes UTF-8. */
	assert_string_equal(vh_buf_str(&out),
		"No bootable device.\n\n   \xe2\x94\x82 A  [31m \xe2\x96\x88\xe2\x81\xbf\n");
	assert_true(vh_is_utf8((struct vh_str){out.data, out.len}));
}

static void a_blank_screen_is_text_without_rows(void **state VH_UNUSED)
{
	vh_auto_free uint8_t *vram = text_screen();
	vh_auto_buf struct vh_buf out = {0};

	assert_true(vh_vgatext_decode(vram, VH_VGATEXT_BYTES, &out));
	assert_int_equal(out.len, 0);
}

static void rows_that_were_never_drawn_end_it(void **state VH_UNUSED)
{
	vh_auto_free uint8_t *vram = text_screen();
	vh_auto_buf struct vh_buf out = {0};

	put(vram, 0, 0, "here");
	put(vram, 30, 0, "stale");
	for (unsigned cell = 0; cell < VH_VGATEXT_COLUMNS; cell++)
		vram[(25 * VH_VGATEXT_COLUMNS + cell) * 4 + 1] = 0;
	assert_true(vh_vgatext_decode(vram, VH_VGATEXT_BYTES, &out));
	assert_string_equal(vh_buf_str(&out), "here\n");
}

static void pictures_are_no_text(void **state VH_UNUSED)
{
	vh_auto_free uint8_t *vram = vh_alloc(VH_VGATEXT_BYTES);
	vh_auto_buf struct vh_buf out = {0};
	uint32_t seed = 1;

	assert_false(vh_vgatext_decode(vram, VH_VGATEXT_BYTES, &out));
	memset(vram, 0x20, VH_VGATEXT_BYTES);
	assert_false(vh_vgatext_decode(vram, VH_VGATEXT_BYTES, &out));
	for (unsigned i = 0; i < VH_VGATEXT_BYTES; i++)
		vram[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
	assert_false(vh_vgatext_decode(vram, VH_VGATEXT_BYTES, &out));
	vh_auto_free uint8_t *text = text_screen();

	assert_false(vh_vgatext_decode(text, VH_VGATEXT_BYTES - 1, &out));
	assert_int_equal(out.len, 0);
}

#define REAL_MODE                                                                                  \
	"\r\nCPU#0\r\nEIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\r\n"        \
	"ES =0000 00000000 0000ffff 00009300\r\nCS =f000 ffff0000 0000ffff 00009b00\r\n"           \
	"CR0=60000010 CR2=00000000 CR3=00000000 CR4=00000000\r\n"
#define LONG_MODE                                                                                  \
	"\r\nCPU#0\r\nRIP=ffffffff81a00010 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 "         \
	"HLT=1\r\n"                                                                                \
	"CS =0010 0000000000000000 ffffffff 00af9b00 DPL=0 CS64 [-RA]\r\n"                         \
	"CR0=80050033 CR2=0000000000000000 CR3=0000000002c10000 CR4=000006f0\r\n"

static void what_is_needed_of_a_register_dump(void **state VH_UNUSED)
{
	struct vh_vcpu_view v = {0};

	vh_vcpu_view_take(&v, vh_str(REAL_MODE));
	assert_true(v.known);
	assert_false(v.halted);
	assert_true(v.address == 0xfffffff0);
	vh_vcpu_view_take(&v, vh_str(REAL_MODE));
	assert_false(v.moved);
	vh_vcpu_view_take(&v, vh_str(LONG_MODE));
	assert_true(v.halted && v.moved);
	assert_true(v.address == UINT64_C(0xffffffff81a00010));
	assert_true(v.cr3 == 0x2c10000);
	assert_int_equal(v.dumps, 3);
}

static void dumps_of_nothing_known(void **state VH_UNUSED)
{
	static const char *const texts[] = {"", "EIP=", "EIP=zz CS =", "EIP=1\n",
		"EIP=1\nCS =", "EIP=1\nCS =f000", "PC=ffff000008081000 X00=0",
		"EIP=11112222333344445 HLT=1\nCS =0 0"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(texts); i++) {
		struct vh_vcpu_view v = {0};

		vh_vcpu_view_take(&v, vh_str(texts[i]));
		assert_false(v.known);
		assert_int_equal(v.dumps, 0);
	}
}

/* Of a page that is not in memory nothing is read, and it does not come into memory by that. */
static void absent_pages_stay_absent(void **state VH_UNUSED)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vh_guard *guard = vh_guard_create();
	struct vh_deadline d = vh_deadline_in(10 * VH_NS_PER_S);
	unsigned char present[2];
	char bytes[8];

	assert_ptr_not_equal(map, MAP_FAILED);
	madvise(map, 2 * page, MADV_NOHUGEPAGE);
	strcpy(map + page - 8, "abcdefg");
	assert_int_equal(
		vh_process_memory_read(guard, getpid(), (uintptr_t)map + page - 8, bytes, 8, d), 0);
	assert_string_equal(bytes, "abcdefg");
	/* Half of it lies in the second page. */
	assert_int_equal(
		vh_process_memory_read(guard, getpid(), (uintptr_t)map + page - 4, bytes, 8, d),
		-ENODATA);
	assert_int_equal(mincore(map, 2 * page, present), 0);
	assert_false(present[1] & 1);
	assert_int_equal(vh_process_memory_read(guard, getpid(), 0, bytes, 8, d), -ENODATA);
	vh_guard_destroy(guard);
	munmap(map, 2 * page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_become_text),
		cmocka_unit_test(a_blank_screen_is_text_without_rows),
		cmocka_unit_test(rows_that_were_never_drawn_end_it),
		cmocka_unit_test(pictures_are_no_text),
		cmocka_unit_test(what_is_needed_of_a_register_dump),
		cmocka_unit_test(dumps_of_nothing_known),
		cmocka_unit_test(absent_pages_stay_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
