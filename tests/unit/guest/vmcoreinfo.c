/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The note that a kernel keeps of itself: its lines, and where it lies in memory. */
#include "guest/vmcoreinfo.h"

#include "tests/unit/guest/image.h"
#include "tests/unit/test.h"

static const char text[] = "OSRELEASE=6.1.0-49-amd64\n"
			   "PAGESIZE=4096\n"
			   "SYMBOL(init_top_pgt)=ffffffff9a010000\n"
			   "OFFSET(list_head.next)=0\n"
			   "NUMBER(phys_base)=-251658240\n"
			   "NUMBER(KERNELPACMASK)=0x7f000000000000\n"
			   "KERNELOFFSET=17600000\n"
			   "PAGESIZE=8192\n"
			   "NOTHING\n"
			   "EMPTY=";

static void test_lines(void **state)
{
	struct vh_vmcoreinfo *v = vh_vmcoreinfo_parse((struct vh_str){text, sizeof(text)});
	struct vh_str s;
	int64_t n = 7;

	(void)state;
	assert_non_null(v);
	assert_int_equal(vh_vmcoreinfo_text(v).n, sizeof(text) - 1);
	assert_true(vh_vmcoreinfo_string(v, "OSRELEASE", &s));
	assert_true(vh_str_is(s, "6.1.0-49-amd64"));
	assert_true(vh_vmcoreinfo_number(v, "PAGESIZE", &n));
	assert_int_equal(n, 4096);
	assert_true(vh_vmcoreinfo_number(v, "SYMBOL(init_top_pgt)", &n));
	assert_int_equal((uint64_t)n, UINT64_C(0xffffffff9a010000));
	assert_true(vh_vmcoreinfo_number(v, "OFFSET(list_head.next)", &n));
	assert_int_equal(n, 0);
	assert_true(vh_vmcoreinfo_number(v, "NUMBER(phys_base)", &n));
	assert_int_equal(n, -251658240);
	assert_true(vh_vmcoreinfo_number(v, "NUMBER(KERNELPACMASK)", &n));
	assert_int_equal(n, 0x7f000000000000);
	assert_true(vh_vmcoreinfo_number(v, "KERNELOFFSET", &n));
	assert_int_equal(n, 0x17600000);
	assert_true(vh_vmcoreinfo_string(v, "EMPTY", &s));
	assert_int_equal(s.n, 0);
	assert_false(vh_vmcoreinfo_number(v, "EMPTY", &n));
	assert_false(vh_vmcoreinfo_number(v, "OSRELEASE", &n));
	assert_false(vh_vmcoreinfo_string(v, "NOTHING", &s));
	assert_false(vh_vmcoreinfo_string(v, "SIZE", &s));
	assert_false(vh_vmcoreinfo_string(v, "", &s));
	vh_vmcoreinfo_free(v);
	vh_vmcoreinfo_free(NULL);
}

static void test_none(void **state)
{
	(void)state;
	assert_null(vh_vmcoreinfo_parse((struct vh_str){NULL, 0}));
	assert_null(vh_vmcoreinfo_parse(vh_str("OSRELEASE")));
	assert_null(vh_vmcoreinfo_parse(vh_str("PAGESIZE=4096\nOSRELEASE=6.1\n")));
}

/* The text at the begin of a page; the note, whose text lies 24 bytes behind its begin; a page in
 * between that has the words elsewhere; and one that is not there. */
static void test_scan(void **state)
{
	struct image *i = image_done(image_new("map ffff888000001000 1000 4000 w\n"
					       "map ffff888000105000 105000 1000 w\n"
					       "str ffff888000001000 OSRELEASE=first\n"
					       "str ffff888000002100 OSRELEASE=not at the begin\n"
					       "u32 ffff888000105000 b 12 0\n"
					       "str ffff88800010500c VMCOREINFO\n"
					       "str ffff888000105018 OSRELEASE=second\n"));
	struct vh_vmcoreinfo *v;
	vh_gpa at = {0};

	(void)state;
	v = vh_vmcoreinfo_scan(i->memory, &at);
	assert_non_null(v);
	assert_true(vh_str_is(vh_vmcoreinfo_text(v), "OSRELEASE=first"));
	assert_int_equal(at.a, 0x2000);
	vh_vmcoreinfo_free(v);
	v = vh_vmcoreinfo_scan(i->memory, &at);
	assert_non_null(v);
	assert_true(vh_str_is(vh_vmcoreinfo_text(v), "OSRELEASE=second"));
	assert_int_equal(at.a, 0x106000);
	vh_vmcoreinfo_free(v);
	assert_null(vh_vmcoreinfo_scan(i->memory, &at));
	at.a = UINT64_MAX;
	assert_null(vh_vmcoreinfo_scan(i->memory, &at));
	image_free(i);
}

static void test_budget(void **state)
{
	struct image *i = image_done(image_new("map ffff888000001000 1000 8000 w\n"
					       "str ffff888000008000 OSRELEASE=far\n"));
	vh_gpa at = {0};

	(void)state;
	vh_memory_set_budget(i->memory, 100, (struct vh_deadline){INT64_MAX});
	assert_null(vh_vmcoreinfo_scan(i->memory, &at));
	assert_true(vh_memory_used(i->memory).out_of_bytes);
	image_free(i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
