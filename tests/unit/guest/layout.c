/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where members are: of BTF, of VMCOREINFO, of what was inferred. */
#include "guest/layout.h"

#include "tests/unit/guest/btfbuild.h"
#include "tests/unit/test.h"

#define NOTE                                                                                       \
	"OSRELEASE=6.1.0\n"                                                                        \
	"SIZE(list_head)=16\n"                                                                     \
	"OFFSET(list_head.next)=8\n"                                                               \
	"OFFSET(page.flags)=24\n"                                                                  \
	"SIZE(page)=64\n"                                                                          \
	"OFFSET(zone.free_area)=192\n"                                                             \
	"LENGTH(zone.free_area)=11\n"                                                              \
	"OFFSET(page.mapping)=-1\n"

struct both {
	struct vh_btf *btf;
	struct vh_vmcoreinfo *note;
	struct vh_layout *layout;
};

static struct both both_open(void)
{
	struct vh_buf section = btf_build("struct list_head 10\n0 next 8\n8 prev 8\n");
	struct both b = {.note = vh_vmcoreinfo_parse(vh_str(NOTE))};
	char *why;

	assert_int_equal(vh_guest_btf_parse(section.data, section.len, &b.btf, &why), 0);
	assert_non_null(b.note);
	b.layout = vh_layout_new(b.btf, b.note);
	vh_buf_free(&section);
	return b;
}

static void both_close(struct both *b)
{
	vh_layout_free(b->layout);
	vh_vmcoreinfo_free(b->note);
	vh_guest_btf_free(b->btf);
}

static void test_order(void **state)
{
	struct both b = both_open();
	struct vh_field f;
	uint32_t bytes;

	(void)state;
	assert_true(vh_layout_has_btf(b.layout));
	vh_layout_add(b.layout, "list_head", "next", 4, 4);
	vh_layout_add(b.layout, "page", "flags", 4, 4);
	vh_layout_add(b.layout, "task_struct", "comm", 0x100, 16);
	vh_layout_add(b.layout, "task_struct", "", 0, 0x200);
	/* Of the types; of the note; of what was inferred. */
	assert_true(vh_layout_field(b.layout, "list_head", "next", &f));
	assert_int_equal(f.offset, 0);
	assert_true(vh_layout_field(b.layout, "page", "flags", &f));
	assert_int_equal(f.offset, 24);
	assert_int_equal(f.size, 0);
	assert_int_equal(f.count, 1);
	assert_true(vh_layout_field(b.layout, "zone", "free_area", &f));
	assert_int_equal(f.count, 11);
	assert_true(vh_layout_field(b.layout, "task_struct", "comm", &f));
	assert_int_equal(f.offset, 0x100);
	assert_int_equal(f.size, 16);
	assert_true(vh_layout_sizeof(b.layout, "page", &bytes));
	assert_int_equal(bytes, 64);
	assert_true(vh_layout_sizeof(b.layout, "task_struct", &bytes));
	assert_int_equal(bytes, 0x200);
	both_close(&b);
}

static void test_unknown(void **state)
{
	static const char *const paths[] = {"before", "prev", NULL}, *const none[] = {"a", NULL};
	struct both b = both_open();
	struct vh_field f;
	uint32_t bytes;

	(void)state;
	assert_false(vh_layout_field(b.layout, "page", "mapping", &f)); /* negative */
	assert_false(vh_layout_field(b.layout, "task_struct", "comm", &f));
	assert_false(vh_layout_sizeof(b.layout, "task_struct", &bytes));
	assert_int_equal(vh_layout_offset(b.layout, "task_struct", "comm", 77), 77);
	assert_int_equal(vh_layout_offset(b.layout, "list_head", "prev", 77), 8);
	assert_true(vh_layout_first(b.layout, "list_head", paths, &f));
	assert_int_equal(f.offset, 8);
	assert_false(vh_layout_first(b.layout, "list_head", none, &f));
	both_close(&b);

	struct vh_layout *nothing = vh_layout_new(NULL, NULL);

	assert_false(vh_layout_has_btf(nothing));
	assert_false(vh_layout_field(nothing, "page", "flags", &f));
	vh_layout_free(nothing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
