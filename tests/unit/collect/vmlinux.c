/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of frames, by the debug information of a little program at a kernel's addresses. */
#include "collect/vmlinux.h"

#include <errno.h>
#include <stdio.h>

#include "config.h"
#include "tests/unit/test.h"

#define BUILD_ID "00112233445566778899aabbccddeeff00112233"
#define KASLR    UINT64_C(0x1c000000)

static char *tiny(void)
{
	const char *root = getenv("VH_BUILD_ROOT");

	return vh_asprintf("%s/tests/unit/collect/tiny-vmlinux", root ? root : "build");
}

/* "ffffffff81000010 T name" lines of nm. */
static uint64_t address_of(const char *name)
{
	vh_auto_free char *path = tiny(), *command = vh_asprintf("nm '%s'", path);
	FILE *f = popen(command, "r");
	unsigned long long at, found = 0;
	char type, symbol[128];

	assert_non_null(f);
	while (fscanf(f, "%llx %c %127s", &at, &type, symbol) == 3)
		if (strcmp(symbol, name) == 0)
			found = at;
	assert_int_equal(pclose(f), 0);
	assert_true(found);
	return found;
}

static struct vh_inside *guest(const char *build_id)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_LINUX);
	struct vh_backtrace *b;

	in->kernel.build_id = vh_strdup(build_id);
	in->kernel.kaslr_offset = KASLR;
	in->kernel.has_kaslr_offset = true;
	in->n_vcpus = 1;
	in->vcpus = vh_alloc(sizeof(*in->vcpus));
	b = &in->vcpus[0].stack;
	b->n = 4;
	b->frames = vh_alloc(b->n * sizeof(*b->frames));
	b->frames[0] = (struct vh_frame){.kind = VH_FRAME_TOP,
		.ip = address_of("tiny_leaf") + KASLR,
		.symbol = vh_strdup("tiny_leaf")};
	/* A call's return address: behind the call, maybe of the next line already. */
	b->frames[1] = (struct vh_frame){.kind = VH_FRAME_CALL,
		.ip = address_of("after_call") + KASLR,
		.symbol = vh_strdup("_start")};
	b->frames[2] = (struct vh_frame){.kind = VH_FRAME_CALL,
		.ip = address_of("_start") + KASLR,
		.symbol = vh_strdup("other"),
		.module = vh_strdup("trouble")};
	b->frames[3] =
		(struct vh_frame){.kind = VH_FRAME_CALL, .ip = 0x1000, .symbol = vh_strdup("x")};
	return in;
}

#if HAVE_LIBDW
static void test_lines(void **state)
{
	struct vh_inside *in = guest(BUILD_ID);
	const struct vh_frame *f = in->vcpus[0].stack.frames;
	vh_auto_free char *path = tiny();
	struct vh_error *err = vh_vmlinux_add_lines(path, in);

	(void)state;
	assert_null(err);
	assert_non_null(f[0].line);
	assert_non_null(strstr(f[0].line, "tiny.c:8"));
	assert_non_null(f[1].line);
	assert_non_null(strstr(f[1].line, "tiny.c:15"));
	assert_null(f[2].line);
	assert_null(f[3].line);
	assert_int_equal(in->n_notes, 0);
	vh_inside_free(in);
}

static void test_another_kernel(void **state)
{
	struct vh_inside *in = guest("ff112233445566778899aabbccddeeff00112233");
	vh_auto_free char *path = tiny();
	struct vh_error *err = vh_vmlinux_add_lines(path, in);

	(void)state;
	assert_non_null(err);
	assert_non_null(strstr(err->message, "another kernel"));
	assert_null(in->vcpus[0].stack.frames[0].line);
	vh_error_free(err);
	vh_inside_free(in);
}

static void test_unknown_kernel(void **state)
{
	struct vh_inside *in = guest(NULL);
	vh_auto_free char *path = tiny();
	struct vh_error *err = vh_vmlinux_add_lines(path, in);

	(void)state;
	assert_null(err);
	assert_int_equal(in->n_notes, 1);
	assert_non_null(in->vcpus[0].stack.frames[0].line);
	vh_inside_free(in);
}

static void test_no_vmlinux(void **state)
{
	struct vh_inside *in = guest(BUILD_ID);
	struct vh_error *err = vh_vmlinux_add_lines("/nonexistent/vmlinux", in);

	(void)state;
	assert_non_null(err);
	assert_int_equal(err->code, ENOENT);
	vh_error_free(err);
	err = vh_vmlinux_add_lines("/etc/hostname", in);
	assert_non_null(err);
	assert_int_equal(err->code, 0);
	vh_error_free(err);
	vh_inside_free(in);
}
#endif

static void test_without_library(void **state)
{
	struct vh_inside *in = guest(BUILD_ID);
	struct vh_error *err = vh_vmlinux_add_lines("/nonexistent/vmlinux", in);

	(void)state;
	assert_non_null(err);
	assert_int_equal(err->code, HAVE_LIBDW ? ENOENT : ENOTSUP);
	vh_error_free(err);
	vh_inside_free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#if HAVE_LIBDW
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_another_kernel),
		cmocka_unit_test(test_unknown_kernel),
		cmocka_unit_test(test_no_vmlinux),
#endif
		cmocka_unit_test(test_without_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
