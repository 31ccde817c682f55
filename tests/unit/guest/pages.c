/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pages that are kept, and the vCPUs of one text. */
#include "guest/pages.h"

#include "guest/cpus.h"
#include "tests/unit/test.h"

static const char registers[] =
	"\r\nCPU#0\r\n"
	"RAX=0000000000000001 RBX=0000000000000000 RCX=0000000000000000 RDX=0000000000000000\r\n"
	"RSI=0000000000000000 RDI=0000000000000000 RBP=0000000000000000 RSP=ffffffff82003e90\r\n"
	"RIP=ffffffff8105e8cb RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n"
	"CR0=80050033 CR2=0000000000000000 CR3=000000000260a000 CR4=000006f0\r\n"
	"\r\nCPU#7\r\n"
	"RIP=ffffffff8105e8cc RFL=00000002 [-------] CPL=3 II=0 A20=1 SMM=0 HLT=0\r\n"
	"CR0=80050033 CR2=0000000000000000 CR3=000000000260b000 CR4=000006f0\r\n";

static struct vh_buf written(void)
{
	vh_gpa gpa[] = {{0x1000}, {0x5000}, {0x100000000}};
	uint8_t *data = vh_alloc(3 * VH_GUEST_PAGE);
	struct vh_pages pages = {gpa, data, 3};
	struct vh_buf out = {0};
	size_t left_out = 9;

	for (size_t i = 0; i < 3; i++)
		memset(data + i * VH_GUEST_PAGE, (int)i + 1, VH_GUEST_PAGE);
	vh_pages_write(&pages, vh_str(registers), &out, &left_out);
	assert_int_equal(left_out, 0);
	free(data);
	return out;
}

static void there_and_back(void **state VH_UNUSED)
{
	vh_auto_buf struct vh_buf b = written();
	struct vh_pages_view v;
	const char *why = "?";
	uint8_t byte = 0;

	assert_true(vh_pages_parse((struct vh_str){b.data, b.len}, &v, &why));
	assert_null(why);
	assert_int_equal(v.n, 3);
	assert_int_equal(v.gpa[2].a, 0x100000000);
	assert_true(vh_str_is(v.registers, registers));
	struct vh_memory *m = vh_memory_of_pages(v.gpa, v.n, v.data);

	assert_int_equal(vh_memory_read(m, (vh_gpa){0x5fff}, &byte, 1), 0);
	assert_int_equal(byte, 2);
	vh_memory_free(m);
	vh_pages_view_free(&v);
}

static void expect_broken(struct vh_buf *b, const char *told)
{
	struct vh_pages_view v;
	const char *why = NULL;

	assert_false(vh_pages_parse((struct vh_str){b->data, b->len}, &v, &why));
	assert_non_null(why);
	if (!strstr(why, told))
		fail_msg("%s", why);
}

static void put_u32(struct vh_buf *b, size_t at, uint32_t value)
{
	memcpy(b->data + at, &value, sizeof(value));
}

static void what_is_broken(void **state VH_UNUSED)
{
	size_t first = 16 + strlen(registers);

	for (size_t cut = 1; cut < 70; cut++) {
		vh_auto_buf struct vh_buf b = written();

		b.len -= cut * 180;
		expect_broken(&b, b.len < 16 ? "begin" : "length");
	}
	for (int i = 0; i < 6; i++) {
		vh_auto_buf struct vh_buf b = written();
		const char *told = i < 3 ? "length" : "disorder";

		if (i == 0)
			put_u32(&b, 8, UINT32_MAX);
		if (i == 1)
			put_u32(&b, 12, UINT32_MAX);
		if (i == 2)
			put_u32(&b, 8, 2);
		if (i == 3)
			put_u32(&b, first, 0x1001);
		if (i == 4)
			put_u32(&b, first, 0x5000);
		if (i == 5)
			memset(b.data + first + 16, 0xf0, 8);
		expect_broken(&b, told);
	}
	vh_auto_buf struct vh_buf b = written();

	b.data[0] = 'v';
	expect_broken(&b, "begin");
}

static void too_many_pages(void **state VH_UNUSED)
{
	struct vh_pages pages = {.n = 17000};
	vh_auto_buf struct vh_buf b = {0};
	struct vh_pages_view v;
	const char *why;
	size_t left_out = 0;

	pages.gpa = vh_alloc(pages.n * sizeof(*pages.gpa));
	pages.data = vh_alloc(pages.n * VH_GUEST_PAGE);
	for (size_t i = 0; i < pages.n; i++)
		pages.gpa[i].a = i * VH_GUEST_PAGE;
	vh_pages_write(&pages, vh_str(""), &b, &left_out);
	assert_true(left_out > 600 && left_out < 700);
	assert_true(b.len <= VH_PAGES_MAX_BYTES);
	assert_true(vh_pages_parse((struct vh_str){b.data, b.len}, &v, &why));
	assert_int_equal(v.n, pages.n - left_out);
	vh_pages_view_free(&v);
	vh_pages_free(&pages);
}

/* --- vCPUs -------------------------------------------------------------------------------------
 */

static void vcpus_of_one_text(void **state VH_UNUSED)
{
	struct vh_cpu cpus[4];

	assert_int_equal(vh_cpus_parse(vh_str(registers), cpus, 4), 2);
	assert_int_equal(cpus[0].index, 0);
	assert_true(vh_cpu_valid(&cpus[0]));
	assert_int_equal(cpus[0].x86.cr3, 0x260a000);
	assert_true(cpus[0].x86.hlt);
	assert_int_equal(cpus[1].index, 7);
	assert_int_equal(vh_cpu_place(&cpus[1]).ip, 0xffffffff8105e8cc);
	assert_int_equal(cpus[1].x86.cpl, 3);
	/* As many as there is room for, each with its own registers. */
	assert_int_equal(vh_cpus_parse(vh_str(registers), cpus, 1), 1);
	assert_int_equal(cpus[0].x86.cr3, 0x260a000);
}

static void texts_without_vcpus(void **state VH_UNUSED)
{
	static const char *const texts[] = {"", "CPU#\n", "CPU#x\n", "CPU#99999999999\n",
		"RIP=ffffffff8105e8cc RFL=00000002\n", "xCPU#0\n"};
	struct vh_cpu cpus[4];

	for (size_t i = 0; i < VH_ARRAY_SIZE(texts); i++)
		assert_int_equal(vh_cpus_parse(vh_str(texts[i]), cpus, 4), 0);
	assert_int_equal(vh_cpus_parse(vh_str("CPU#0\nCPU#1\nnothing\n"), cpus, 4), 2);
	assert_false(vh_cpu_valid(&cpus[0]) || vh_cpu_valid(&cpus[1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(what_is_broken),
		cmocka_unit_test(too_many_pages),
		cmocka_unit_test(vcpus_of_one_text),
		cmocka_unit_test(texts_without_vcpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
