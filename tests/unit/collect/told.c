/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a log that is found once more is the one that was told, by its last record. */
#include "collect/look.h"
#include "tests/unit/test.h"

#define RECORD(at, ns, of) .seq = (at), .ts_ns = (ns), .text = (char *)(of), .n = sizeof(of) - 1

static void check(const struct vh_told *told, struct vh_inside_record *records, size_t n,
	bool goes_on, size_t from)
{
	struct vh_inside in = {.dmesg = records, .n_dmesg = n};
	size_t got = 99;

	assert_int_equal(vh_told_goes_on(told, &in, &got), goes_on);
	assert_int_equal(got, from);
}

static void test_told(void **state VH_UNUSED)
{
	struct vh_inside_record log[] = {
		{RECORD(0, 0, "Linux")}, {RECORD(1, 70, "b")}, {RECORD(2, 90, "c")}};
	struct vh_inside_record other_text[] = {{RECORD(0, 0, "Linux")}, {RECORD(1, 70, "x")}};
	struct vh_inside_record other_time[] = {{RECORD(0, 0, "Linux")}, {RECORD(1, 71, "b")}};
	struct vh_inside_record later[] = {{RECORD(7, 700, "h")}};
	struct vh_inside_record earlier[] = {{RECORD(7, 7, "h")}};
	struct vh_told told = {0};

	check(&told, log, 3, true, 0);
	vh_told_take(&told, &(struct vh_inside){.dmesg = log, .n_dmesg = 2});
	check(&told, log, 3, true, 2);
	check(&told, log, 2, true, 2);
	check(&told, other_text, 2, false, 0);
	check(&told, other_time, 2, false, 0);
	/* A shorter log is of another boot; one that has lost its begin goes on, in time. */
	check(&told, log, 1, false, 0);
	check(&told, later, 1, true, 0);
	check(&told, earlier, 1, false, 0);
	/* Nothing new takes nothing away. */
	vh_told_take(&told, &(struct vh_inside){0});
	check(&told, log, 3, true, 2);
	vh_told_free(&told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_told)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
