/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"

#include <limits.h>
#include <stdarg.h>

struct json_object *vh_json_parse(struct vh_str text, struct vh_error **err)
{
	struct json_tokener *tok = json_tokener_new_ex(VH_JSON_MAX_DEPTH);

	if (text.n > INT_MAX - 1) {
		json_tokener_free(tok);
		*err = vh_error_new(0, "JSON text of %zu bytes is too long", text.n);
		return NULL;
	}
	struct json_object *o = json_tokener_parse_ex(tok, text.s ? text.s : "", (int)text.n);
	enum json_tokener_error code = json_tokener_get_error(tok);

	size_t end = json_tokener_get_parse_end(tok);

	/* A bare number is only complete once something ends it. */
	if (code == json_tokener_continue) {
		o = json_tokener_parse_ex(tok, "\n", 1);
		code = json_tokener_get_error(tok);
		end = text.n;
	}

	if (code == json_tokener_success && end < text.n &&
		vh_str_trim((struct vh_str){text.s + end, text.n - end}).n)
		*err = vh_error_new(
			0, "JSON ends at byte %zu, but %zu more follow", end, text.n - end);
	else if (code != json_tokener_success)
		*err = vh_error_new(
			0, "not JSON at byte %zu: %s", end, json_tokener_error_desc(code));
	json_tokener_free(tok);
	if (!*err)
		return o;
	json_object_put(o);
	return NULL;
}

struct json_object *vh_json_at(struct json_object *o, ...)
{
	va_list args;

	va_start(args, o);
	for (const char *key; o && (key = va_arg(args, const char *));) {
		struct json_object *next = NULL;

		if (!json_object_is_type(o, json_type_object) ||
			!json_object_object_get_ex(o, key, &next))
			next = NULL;
		o = next;
	}
	va_end(args);
	return o;
}

const char *vh_json_string(struct json_object *o, const char *key, const char *fallback)
{
	struct json_object *v = vh_json_at(o, key, NULL);

	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : fallback;
}

bool vh_json_bool(struct json_object *o, const char *key, bool fallback)
{
	struct json_object *v = vh_json_at(o, key, NULL);

	return json_object_is_type(v, json_type_boolean) ? json_object_get_boolean(v) : fallback;
}

bool vh_json_i64(struct json_object *o, const char *key, int64_t *value)
{
	struct json_object *v = vh_json_at(o, key, NULL);

	if (!json_object_is_type(v, json_type_int))
		return false;
	*value = json_object_get_int64(v);
	return true;
}

bool vh_json_u64(struct json_object *o, const char *key, uint64_t *value)
{
	struct json_object *v = vh_json_at(o, key, NULL);

	/* json-c turns a negative number into 0 here: refuse it instead. */
	if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 0)
		return false;
	*value = json_object_get_uint64(v);
	return true;
}

struct json_object *vh_json_text(struct vh_str s)
{
	struct vh_buf out = {0};

	while (s.n) {
		size_t n = vh_utf8_length(s, NULL);

		if (n)
			vh_buf_add(&out, s.s, n);
		else
			vh_buf_puts(&out, "\xef\xbf\xbd");
		s.s += n ? n : 1;
		s.n -= n ? n : 1;
	}
	struct json_object *o = json_object_new_string_len(vh_buf_str(&out), (int)out.len);

	vh_buf_free(&out);
	return o;
}

void vh_json_put_text(struct json_object *o, const char *key, const char *s)
{
	json_object_object_add(o, key, s ? vh_json_text(vh_str(s)) : NULL);
}

void vh_json_put_i64(struct json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

void vh_json_put_u64(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

void vh_json_put_bool(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}
