/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A console's text as lines, and the boots that it shows. */
#include "decode/console.h"

#include <math.h>

#include "tests/unit/test.h"

static void expect_lines(const char *text, size_t n, const char *lines)
{
	vh_auto_buf struct vh_buf out = {0};

	vh_console_lines((struct vh_str){text, n}, &out);
	assert_string_equal(vh_buf_str(&out), lines);
}
#define LINES(text, lines) expect_lines((text), sizeof(text) - 1, (lines))

static void escapes_are_gone(void **state VH_UNUSED)
{
	LINES("plain\ntext\n", "plain\ntext\n");
	LINES("a\r\nb\n\rc", "a\nb\nc");
	/* What is written over a line is another line. */
	LINES("in 5s.\rin 4s.", "in 5s.\nin 4s.");
	LINES("\033[1m\033[33mShell> \033[0m", "Shell> ");
	LINES("\033[2J\033[1;1HA\033[4;2HB\033[5CC", "\n\nA\nBC");
	LINES("x\033(By\033=z", "xyz");
	/* Cut off, and without an end. */
	LINES("x\033", "x\033");
	LINES("x\033[12", "x");
	LINES("", "");
}

static struct vh_boots boots(const char *text)
{
	return vh_boots_of(vh_str(text));
}

#define BOOT  "[    0.000000] Linux version 6.1.0\n[    1.5] Freeing memory\n"
#define PANIC "[    3.42] Kernel panic - not syncing: VFS: Unable to mount root fs on (0,0)\n"
#define AGAIN "[    3.60] ---[ end Kernel panic ]---\n[    3.70] Rebooting in 1 seconds..\n"

static void boots_that_end_alike(void **state VH_UNUSED)
{
	struct vh_boots b = boots(BOOT PANIC AGAIN BOOT PANIC AGAIN BOOT);

	assert_int_equal(b.begun, 3);
	assert_int_equal(b.alike, 2);
	assert_true(b.fatal);
	assert_true(b.lasted_s > 3.6 && b.lasted_s < 3.8);
	assert_true(b.now_s > 1 && b.now_s < 2);
	assert_string_equal(
		b.last_words, "Kernel panic - not syncing: VFS: Unable to mount root fs on (0,0)");
	free(b.last_words);
	/* One panic, and then it came up. */
	b = boots(BOOT PANIC AGAIN BOOT "[ 9.0] systemd[1]: up\nweb login: ");
	assert_int_equal(b.alike, 1);
	free(b.last_words);
	/* It ended otherwise each time. */
	b = boots(BOOT PANIC BOOT "[ 5000.0] reboot: Restarting system\n" BOOT);
	assert_int_equal(b.begun, 3);
	assert_int_equal(b.alike, 1);
	assert_false(b.fatal);
	free(b.last_words);
	/* A quiet kernel: only its clock tells. */
	b = boots(PANIC AGAIN "[    0.03] early\n" PANIC AGAIN "[    0.03] early\n");
	assert_int_equal(b.begun, 2);
	assert_int_equal(b.alike, 2);
	free(b.last_words);
	b = boots(PANIC AGAIN PANIC AGAIN PANIC);
	assert_int_equal(b.begun, 2);
	assert_int_equal(b.alike, 2);
	free(b.last_words);
	b = boots("no boot at all\n");
	assert_int_equal(b.begun, 0);
	assert_null(b.last_words);
	assert_true(isnan(b.lasted_s));
	/* Hostile: nothing but banners. */
	b = boots("Linux version \nLinux version \nLinux version \nLinux version \n");
	assert_int_equal(b.begun, 4);
	free(b.last_words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes_are_gone),
		cmocka_unit_test(boots_that_end_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
