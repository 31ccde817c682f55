/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of frames, by the debug information of a little program at a kernel's addresses. */
#include "collect/vmlinux.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

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
	b->n = 5;
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
	b->frames[4] = (struct vh_frame){.kind = VH_FRAME_INTERRUPT,
		.ip = address_of("in_inlined") + KASLR,
		.symbol = vh_strdup("tiny_outermost")};
	return in;
}

/* What objcopy makes of the little program, in a file of its own. */
static char *changed(const char *options)
{
	vh_auto_free char *from = tiny();
	char *to = vh_strdup("/tmp/vmhang-vmlinux.XXXXXX");
	int fd = mkstemp(to);

	assert_true(fd >= 0);
	close(fd);
	vh_auto_free char *command = vh_asprintf("objcopy %s '%s' '%s'", options, from, to);

	assert_int_equal(system(command), 0);
	return to;
}

/* The line without the folder that the sources are in. */
static const char *in_tiny(const char *line)
{
	const char *found = line ? strstr(line, "tiny.c:") : NULL;

	return found ? found : "no line";
}

#if HAVE_LIBDW
static void expect_lines(const char *path)
{
	struct vh_inside *in = guest(BUILD_ID);
	const struct vh_frame *f = in->vcpus[0].stack.frames;
	struct vh_error *err = vh_vmlinux_add_lines(path, in);
	const char *inner;

	if (err)
		fail_msg("%s", err->message);
	assert_string_equal(in_tiny(f[0].line), "tiny.c:8");
	assert_string_equal(in_tiny(f[1].line), "tiny.c:15");
	assert_null(f[2].line);
	assert_null(f[3].line);
	/* The function of the symbol, and then what is inlined in it. */
	inner = in_tiny(f[4].line);
	assert_true(vh_prefix(inner, "tiny.c:35 > tiny_around "));
	inner = in_tiny(inner + 1);
	assert_true(vh_prefix(inner, "tiny.c:29 > tiny_inlined "));
	inner = in_tiny(inner + 1);
	assert_string_equal(inner, "tiny.c:24");
	assert_int_equal(in->n_notes, 0);
	vh_inside_free(in);
}

static void test_lines(void **state VH_UNUSED)
{
	vh_auto_free char *path = tiny();

	expect_lines(path);
}

/* A debug package's file: no code, compressed sections, no index of addresses. */
static void test_debug_files(void **state VH_UNUSED)
{
	static const char *const options[] = {"--only-keep-debug", "--compress-debug-sections=zlib",
		"--compress-debug-sections=zlib-gnu", "--remove-section=.debug_aranges",
		"--only-keep-debug --compress-debug-sections=zlib"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(options); i++) {
		vh_auto_free char *path = changed(options[i]);

		expect_lines(path);
		unlink(path);
	}
}

static void expect_refused(const char *path, const char *what)
{
	struct vh_inside *in = guest(BUILD_ID);
	struct vh_error *err = vh_vmlinux_add_lines(path, in);

	assert_non_null(err);
	if (!strstr(err->message, what))
		fail_msg("%s", err->message);
	assert_null(in->vcpus[0].stack.frames[0].line);
	vh_error_free(err);
	vh_inside_free(in);
}

static void test_no_debug_information(void **state VH_UNUSED)
{
	vh_auto_free char *path = changed("--strip-debug");

	expect_refused(path, "no debug information");
	unlink(path);
}

/* Nobody writes to the FIFO: it is not waited for. */
static void test_no_file(void **state VH_UNUSED)
{
	vh_auto_free char *path = changed("--strip-debug");

	expect_refused("/", "no regular file");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_refused(path, "no regular file");
	unlink(path);
}

static void test_moved_by_how_much(void **state VH_UNUSED)
{
	struct vh_inside *in = guest(BUILD_ID);
	vh_auto_free char *path = tiny();

	in->kernel.has_kaslr_offset = false;
	assert_null(vh_vmlinux_add_lines(path, in));
	assert_null(in->vcpus[0].stack.frames[0].line);
	assert_int_equal(in->n_notes, 1);
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
		cmocka_unit_test(test_debug_files),
		cmocka_unit_test(test_no_debug_information),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_moved_by_how_much),
		cmocka_unit_test(test_another_kernel),
		cmocka_unit_test(test_unknown_kernel),
		cmocka_unit_test(test_no_vmlinux),
#endif
		cmocka_unit_test(test_without_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
