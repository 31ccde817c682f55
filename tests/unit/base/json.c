/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"
#include "tests/unit/test.h"

static void parses_whole_texts_only(void **state VH_UNUSED)
{
	static const char *const bad[] = {"", "{", "{\"a\":1} x", "[1,", "nul", "{\"a\":\"\\ud8"};
	struct vh_error *err = NULL;
	struct json_object *o = vh_json_parse(vh_str(" {\"a\": {\"b\": 7}} \n"), &err);
	int64_t v = 0;

	assert_null(err);
	assert_true(vh_json_i64(vh_json_at(o, "a", NULL), "b", &v));
	assert_int_equal(v, 7);
	assert_null(vh_json_at(o, "a", "b", "c", NULL));
	assert_string_equal(vh_json_string(o, "a", "fallback"), "fallback");
	json_object_put(o);
	/* A bare number ends where the text does. */
	o = vh_json_parse(vh_str("42"), &err);
	assert_null(err);
	assert_int_equal(json_object_get_int64(o), 42);
	json_object_put(o);
	for (size_t i = 0; i < VH_ARRAY_SIZE(bad); i++) {
		err = NULL;
		assert_null(vh_json_parse(vh_str(bad[i]), &err));
		assert_non_null(err);
		vh_error_free(err);
	}
}

static void depth_is_bounded(void **state VH_UNUSED)
{
	struct vh_error *err = NULL;
	char deep[2001];

	memset(deep, '[', 2000);
	deep[2000] = 0;
	assert_null(vh_json_parse(vh_str(deep), &err));
	assert_non_null(err);
	vh_error_free(err);
}

static void negative_is_not_unsigned(void **state VH_UNUSED)
{
	struct vh_error *err = NULL;
	struct json_object *o =
		vh_json_parse(vh_str("{\"n\":-1,\"big\":18446744073709551615}"), &err);
	uint64_t v = 5;

	assert_false(vh_json_u64(o, "n", &v));
	assert_int_equal(v, 5);
	assert_true(vh_json_u64(o, "big", &v));
	assert_true(v == UINT64_MAX);
	json_object_put(o);
}

static void text_is_always_utf8(void **state VH_UNUSED)
{
	struct json_object *o = vh_json_text((struct vh_str){"a\xff"
							     "b\0c",
		5});

	assert_int_equal(json_object_get_string_len(o), 7);
	assert_memory_equal(json_object_get_string(o),
		"a\xef\xbf\xbd"
		"b\0c",
		7);
	json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_whole_texts_only),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(negative_is_not_unsigned),
		cmocka_unit_test(text_is_always_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
