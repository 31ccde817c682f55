/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Likely secrets of a command line are hidden wherever they stand. */
#include <stdio.h>

#include "guest/kernel_search.h"

#include "tests/unit/test.h"

static void hides(const char *command_line, const char *text, const char *expected)
{
	struct vh_secrets *s = vh_secrets_new();
	vh_auto_free char *masked = vh_kernel_masked(command_line, s);
	vh_auto_free char *data = vh_strdup(text);

	assert_non_null(masked);
	vh_secrets_hide(s, data, strlen(data));
	assert_string_equal(data, expected);
	vh_secrets_free(s);
}

static void test_hides_wherever_it_stands(void **state)
{
	(void)state;
	hides("quiet password=correct-horse x=y",
		"correct-horse, Command line: password=correct-horse x=y",
		"*************, Command line: password=************* x=y");
	hides("rootflags=vers=3.0,password=a,b,cdef", "password=a,b,cdef.", "password=********.");
	hides("root=iscsi:user:geheim@10.0.0.1::::iqn", "login user:geheim@10.0.0.1",
		"login ***********@10.0.0.1");
	hides("quiet", "quiet", "quiet");
}

static void test_short_ones_only_behind_an_equals_sign(void **state)
{
	(void)state;
	hides("pw=abc", "abc pw=abc abcabc", "abc pw=*** abcabc");
	hides("pw=", "pw= nothing", "pw= nothing");
}

static void test_at_the_end_and_over_and_over(void **state)
{
	(void)state;
	hides("token=aaaaaa", "aaaaaaaaaaaaa", "************a");
	hides("token=aaaaaa token2=bbbbbb token=aaaaaa", "bbbbbbaaaaaa", "************");
	vh_secrets_hide(NULL, NULL, 0);
	vh_secrets_free(NULL);
}

static void test_not_more_than_it_keeps(void **state)
{
	struct vh_secrets *s = vh_secrets_new();
	char text[] = "secret-000 secret-999";

	(void)state;
	for (int i = 0; i < 1000; i++) {
		char value[16];

		snprintf(value, sizeof(value), "secret-%03d", i);
		vh_secrets_add(s, vh_str(value));
	}
	vh_secrets_hide(s, text, strlen(text));
	assert_string_equal(text, "********** secret-999");
	vh_secrets_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hides_wherever_it_stands),
		cmocka_unit_test(test_short_ones_only_behind_an_equals_sign),
		cmocka_unit_test(test_at_the_end_and_over_and_over),
		cmocka_unit_test(test_not_more_than_it_keeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
