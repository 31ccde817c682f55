/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "base/clock.h"
#include "cli/command.h"
#include "tests/unit/test.h"

static void durations(void **state VH_UNUSED)
{
	static const struct {
		const char *text;
		int64_t ns; /* -1: refused */
	} rows[] = {
		{"500ms", 500 * VH_NS_PER_MS},
		{"2s", 2 * VH_NS_PER_S},
		{"1m", 60 * VH_NS_PER_S},
		{"1h", 3600 * VH_NS_PER_S},
		{"24h", 86400 * VH_NS_PER_S},
		{"0.5s", VH_NS_PER_S / 2},
		{"90", 90 * VH_NS_PER_S},
		{"10us", 10000},
		{"7ns", 7},
		{"0", 0},
		{"", -1},
		{"s", -1},
		{"ms", -1},
		{"1d", -1},
		{"-1s", -1},
		{"1 s", -1},
		{"1s ", -1},
		{"25h", -1},
		{"1e30s", -1},
		{"nan", -1},
		{"inf", -1},
		{"nans", -1},
		{"0x10", 16 * VH_NS_PER_S},
		{"1,5s", -1},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		int64_t ns = -1;

		assert_int_equal(vh_duration_parse(vh_str(rows[i].text), &ns), rows[i].ns >= 0);
		assert_int_equal(ns, rows[i].ns);
	}
}

static void commands_are_found_by_their_whole_name(void **state VH_UNUSED)
{
	assert_ptr_equal(vh_command_find("explain")->run, vh_cmd_explain);
	assert_null(vh_command_find("expl"));
	assert_null(vh_command_find(""));
	for (const struct vh_command *c = vh_commands; c->name; c++)
		assert_true(c->run && c->help && strlen(c->help) < 70);
}

static void errors_have_the_status_of_sysexits(void **state VH_UNUSED)
{
	assert_int_equal(vh_cli_status_of_errno(ESRCH), EX_NOHOST);
	assert_int_equal(vh_cli_status_of_errno(ENOTUNIQ), EX_NOHOST);
	assert_int_equal(vh_cli_status_of_errno(ENOENT), EX_NOINPUT);
	assert_int_equal(vh_cli_status_of_errno(EACCES), EX_NOPERM);
	assert_int_equal(vh_cli_status_of_errno(ENOSPC), EX_IOERR);
	assert_int_equal(vh_cli_status_of_errno(0), EX_DATAERR);
	/* None of them is one of the verdict's. */
	for (int code = 0; code < 140; code++)
		assert_true(vh_cli_status_of_errno(code) >= EX__BASE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(commands_are_found_by_their_whole_name),
		cmocka_unit_test(errors_have_the_status_of_sysexits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
