/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of modules, with type information and without; symbols, memory, tables. */
#include "guest/modules.h"

#include "tests/unit/guest/stackimage.h"
#include "tests/unit/test.h"

static struct image *image_of(const char *more)
{
	struct image *i = image_new(stack_memory);

	image_add(i, "map ffffffffc0010000 3010000 3000 w\n");
	image_add(i, more);
	return i;
}

static void assert_trouble(struct stack_kernel *s)
{
	struct vh_module_orc orc;
	struct vh_symbol y;
	size_t index;

	assert_true(vh_modules_at(s->k.modules, STACK_MODULE + 0x2fff, &index));
	assert_false(vh_modules_at(s->k.modules, STACK_MODULE + 0x3000, &index));
	assert_false(vh_modules_at(s->k.modules, STACK_MODULE - 1, &index));
	assert_true(vh_modules_is_text(s->k.modules, STACK_MODULE + 0xfff));
	assert_false(vh_modules_is_text(s->k.modules, STACK_MODULE + 0x1000));
	assert_string_equal(vh_modules_name(s->k.modules, index), "trouble");
	assert_true(vh_modules_orc(s->k.modules, index, &orc));
	assert_int_equal(orc.n, 2);
	assert_true(orc.ip_gva == STACK_MODULE + 0x1200 && orc.orc_gva == STACK_MODULE + 0x1280);
	assert_true(vh_modules_symbol(s->k.modules, s->k.space, STACK_MODULE + 0x1f, &y));
	assert_string_equal(y.name, "make");
	assert_int_equal(y.size, 0x20);
	assert_int_equal(y.type, 't');
	assert_true(vh_modules_symbol(s->k.modules, s->k.space, STACK_MODULE + 0x20, &y));
	assert_string_equal(y.name, "spin");
	assert_int_equal(y.size, 0xfe0); /* up to the end of text */
	assert_int_equal(y.type, 'T');
	assert_false(vh_modules_symbol(s->k.modules, s->k.space, STACK_MODULE + 0x1004, &y));
}

static struct image *two_modules(void)
{
	struct image *i = image_of("u64 ffffffff82000000 ffffffffc0002008\n");

	stack_module(i, STACK_STRUCT, STACK_MODULE, STACK_STRUCT + 0x10000);
	stack_module(i, STACK_STRUCT + 0x10000, STACK_MODULE + 0x10000, STACK_DATA - 8);
	image_add(i, "str ffffffffc0012018 virtio\n");
	return i;
}

static void test_list(void **state)
{
	static const char *const types[] = {NULL, STACK_TYPES};

	(void)state;
	for (size_t k = 0; k < VH_ARRAY_SIZE(types); k++) {
		struct image *i = two_modules();
		struct stack_kernel s;

		stack_open(&s, i, types[k]);
		assert_int_equal(s.in->n_notes, 0);
		vh_modules_list(s.k.modules, s.in);
		assert_int_equal(s.in->n_modules, 2);
		assert_string_equal(s.in->modules[0].name, "trouble");
		assert_true(s.in->modules[0].gva == STACK_MODULE);
		assert_int_equal(s.in->modules[0].bytes, 0x3000);
		assert_string_equal(s.in->modules[1].name, "virtio");
		assert_trouble(&s);
		stack_close(&s);
		image_free(i);
	}
}

/* Since 6.4 memory is in pieces by their use, numbered by an enum. */
static void test_pieces(void **state)
{
	struct image *i = image_of("u64 ffffffff82000000 ffffffffc0002008\n");
	struct stack_kernel s;

	(void)state;
	stack_module(i, STACK_STRUCT, STACK_MODULE, STACK_DATA - 8);
	image_add(i, "u64 ffffffffc0002140 ffffffffc0001000 2000 ffffffffc0000000 1000 0 0\n");
	stack_open(&s, i,
		"struct list_head 10\n0 next 8\n8 prev 8\n"
		"enum mod_mem_type MOD_DATA MOD_TEXT MOD_INIT_TEXT\n"
		"struct module_memory 10\n0 base 8\n8 size 4\n"
		"struct mod_kallsyms 20\n0 symtab 8\n8 num_symtab 4\n10 strtab 8\n"
		"struct mod_arch_specific 18\n0 num_orcs 4\n8 orc_unwind_ip 8\n10 orc_unwind 8\n"
		"struct module 300\n8 list @list_head\n18 name 1*38\nc0 kallsyms 8\n"
		"140 mem @module_memory*3\n200 arch @mod_arch_specific\n");
	assert_int_equal(s.in->n_notes, 0);
	assert_trouble(&s);
	stack_close(&s);
	image_free(i);
}

static void test_broken_lists(void **state)
{
	static const struct {
		const char *change;
		size_t modules;
		const char *why;
	} lists[] = {
		{"u64 ffffffffc0012008 ffffffffc0002008\n", 2,
			"the list of modules was read as far as the first 2: it leads back into "
			"itself"},
		{"u64 ffffffffc0012008 ffffffffc0012008\n", 2,
			"the list of modules was read as far as the first 2: it leads back into "
			"itself"},
		{"u64 ffffffffc0002008 123\n", 1,
			"the list of modules was read as far as the first 1: a module cannot be "
			"read"},
		{"u64 ffffffff82000000 fffffffffffffff8\n", 0,
			"the list of modules was read as far as the first 0: a module cannot be "
			"read"},
	};

	(void)state;
	for (size_t k = 0; k < VH_ARRAY_SIZE(lists); k++) {
		struct image *i = two_modules();
		struct stack_kernel s;

		image_add(i, lists[k].change);
		stack_open(&s, i, STACK_TYPES);
		vh_modules_list(s.k.modules, s.in);
		assert_int_equal(s.in->n_modules, lists[k].modules);
		assert_int_equal(s.in->n_notes, 1);
		assert_string_equal(s.in->notes[0], lists[k].why);
		stack_close(&s);
		image_free(i);
	}
}

static void test_lies(void **state)
{
	/* More symbols than there can be, a table that is nowhere, names behind its end, memory
	 * that is longer than all modules may be. */
	static const char *const lies[] = {
		"u32 ffffffffc00020d0 ffffffff\n",
		"u64 ffffffffc00020c8 ffffffffd0000000\n",
		"u64 ffffffffc00020d8 ffffffffd0000000\n",
		"u32 ffffffffc0001030 fffffff0\nu32 ffffffffc0001048 fffffff0\n",
		"u64 ffffffffc00020c0 0\n",
		"u32 ffffffffc0002148 ffffffff ffffffff\n",
	};

	(void)state;
	for (size_t k = 0; k < VH_ARRAY_SIZE(lies); k++) {
		struct image *i = two_modules();
		struct stack_kernel s;
		struct vh_symbol y;

		image_add(i, lies[k]);
		stack_open(&s, i, STACK_TYPES);
		assert_false(vh_modules_symbol(s.k.modules, s.k.space, STACK_MODULE + 0x30, &y));
		assert_true(vh_modules_symbol(s.k.modules, s.k.space, STACK_MODULE + 0x10030, &y));
		stack_close(&s);
		image_free(i);
	}
}

static void test_unknown_form(void **state)
{
	struct image *i = two_modules();
	struct stack_kernel s;

	(void)state;
	image_add(i, "u64 ffffffffc0002140 0\n");
	stack_open(&s, i, NULL);
	assert_int_equal(s.in->n_notes, 1);
	vh_modules_list(s.k.modules, s.in);
	assert_int_equal(s.in->n_modules, 0);
	stack_close(&s);
	image_free(i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_broken_lists),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_unknown_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
