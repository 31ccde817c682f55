/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/text.h"
#include "base/procstat.h"
#include "base/units.h"
#include "tests/unit/test.h"

static void numbers_are_strict(void **state VH_UNUSED)
{
	uint64_t u = 7;
	int64_t i = 7;

	assert_true(vh_parse_u64(vh_str("18446744073709551615"), 10, &u));
	assert_int_equal(u, UINT64_MAX);
	assert_false(vh_parse_u64(vh_str("18446744073709551616"), 10, &u));
	assert_false(vh_parse_u64(vh_str("-1"), 10, &u));
	assert_false(vh_parse_u64(vh_str(" 1"), 10, &u));
	assert_false(vh_parse_u64(vh_str("1x"), 10, &u));
	assert_false(vh_parse_u64(vh_str(""), 10, &u));
	assert_int_equal(u, UINT64_MAX);
	assert_true(vh_parse_u64(vh_str("fee00900"), 16, &u));
	assert_int_equal(u, 0xfee00900);
	assert_true(vh_parse_i64(vh_str("-9223372036854775808"), 10, &i));
	assert_true(i == INT64_MIN);
	assert_false(vh_parse_i64(vh_str("9223372036854775808"), 10, &i));
}

static void escapes_what_a_terminal_obeys(void **state VH_UNUSED)
{
	static const char *const pairs[][2] = {
		{"plain \xc3\xa9", "plain \xc3\xa9"},
		{"\x1b[31mred", "\\x1b[31mred"},
		{"a\nb\tc", "a\\x0ab\\x09c"},
		{"\xff\xfe", "\\xff\\xfe"},
		{"\xc2\x9b"
		 "1m",
			"\\u{9b}1m"},
		{"\xe2\x80\xae"
		 "x",
			"\\u{202e}x"},
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},
		{"\x7f", "\\x7f"},
	};

	for (size_t n = 0; n < VH_ARRAY_SIZE(pairs); n++) {
		vh_auto_free char *got = vh_escaped(pairs[n][0]);

		assert_string_equal(got, pairs[n][1]);
	}
}

static void lines_and_words(void **state VH_UNUSED)
{
	struct vh_str rest = vh_str("one\r\n\ntwo words"), line, word = {0};

	assert_true(vh_next_line(&rest, &line) && vh_str_is(line, "one"));
	assert_true(vh_next_line(&rest, &line) && line.n == 0);
	assert_true(vh_next_line(&rest, &line) && vh_next_word(&line, &word));
	assert_true(vh_str_is(word, "two"));
	assert_false(vh_next_line(&rest, &line));
}

static void fields(void **state VH_UNUSED)
{
	struct vh_str value;
	uint64_t number;

	assert_true(
		vh_status_field(vh_str("Name:\tCPU 0/KVM\nTracerPid:\t12\n"), "TracerPid", &value));
	assert_true(vh_str_is(value, "12"));
	assert_false(vh_status_field(vh_str("NameX:\ta\n"), "Name", &value));
	assert_true(
		vh_keyed_u64(vh_str("usage_usec 1\nnr_throttled 42\n"), "nr_throttled", &number));
	assert_int_equal(number, 42);
}

static void stat_with_a_name_like_a_vcpu(void **state VH_UNUSED)
{
	static const char *const text =
		"2707 (CPU 0/KVM) R 2696 2703 2703 0 -1 138412224 6 0 3 0 11 199 0 0 20 0 6 0 "
		"22129 "
		"374603776 8403 18446744073709551615 94850776129536 94850781989973 140723708758416 "
		"0 0 "
		"0 2147219511 4100 16963 0 0 0 -1 1 50 1 0 7 0 94850785102072 94850790306224 "
		"94851306405888 140723708762559 140723708762759 140723708762759 140723708764124 "
		"0\n";
	struct vh_procstat p;

	assert_true(vh_procstat_parse(vh_str(text), &p));
	assert_string_equal(p.name, "CPU 0/KVM");
	assert_int_equal(p.state, 'R');
	assert_int_equal(p.major_faults, 3);
	assert_int_equal(p.user_ticks, 11);
	assert_int_equal(p.system_ticks, 199);
	assert_int_equal(p.start_ticks, 22129);
	assert_int_equal(p.cpu, 1);
	assert_int_equal(p.rt_priority, 50);
	assert_int_equal(p.policy, 1);
	assert_int_equal(p.guest_ticks, 7);
	assert_true(vh_procstat_parse(
		vh_str("1 (a) b) (c) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 99 1 1"), &p));
	assert_string_equal(p.name, "a) b) (c");
	assert_false(vh_procstat_parse(vh_str("1 (short) S 1 2 3"), &p));
	assert_false(vh_procstat_parse(vh_str(")("), &p));
	assert_false(vh_procstat_parse(vh_str(""), &p));
}

static void quantities(void **state VH_UNUSED)
{
	assert_string_equal(vh_bytes_text(2 << 20).s, "2.0 MiB");
	assert_string_equal(vh_bytes_text(512).s, "512 B");
	assert_string_equal(vh_duration_text(INT64_C(404) * 60 * 1000000000).s, "6 h 44 min");
	assert_string_equal(vh_duration_text(12000000).s, "12.0 ms");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_strict),
		cmocka_unit_test(escapes_what_a_terminal_obeys),
		cmocka_unit_test(lines_and_words),
		cmocka_unit_test(fields),
		cmocka_unit_test(stat_with_a_name_like_a_vcpu),
		cmocka_unit_test(quantities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
