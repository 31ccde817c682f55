/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Thin helpers over json-c: typed, tolerant of anything, bounded. */
#pragma once

#include <json-c/json.h>

#include "base/error.h"
#include "base/text.h"

#define VH_JSON_MAX_DEPTH 64

/* Parses one whole JSON text; the caller puts the object (json_object_put). NULL and *err where it
 * is not JSON, is nested deeper than VH_JSON_MAX_DEPTH or has anything behind it. */
struct json_object *vh_json_parse(struct vh_str text, struct vh_error **err);
/* The value at a path of keys, as vh_json_at(o, "inserted", "image", NULL); NULL where absent. */
struct json_object *vh_json_at(struct json_object *o, ...) __attribute__((sentinel));
/* Values by key; the fallback where absent or of another type. The string lives in o. */
const char *vh_json_string(struct json_object *o, const char *key, const char *fallback);
bool vh_json_bool(struct json_object *o, const char *key, bool fallback);
/* Whole numbers only; false where absent, of another type or out of range. */
bool vh_json_i64(struct json_object *o, const char *key, int64_t *value);
bool vh_json_u64(struct json_object *o, const char *key, uint64_t *value);

/* Adds key: s. Bytes that are not UTF-8 become U+FFFD; NULL adds null. */
void vh_json_put_text(struct json_object *o, const char *key, const char *s);
void vh_json_put_i64(struct json_object *o, const char *key, int64_t value);
void vh_json_put_u64(struct json_object *o, const char *key, uint64_t value);
void vh_json_put_bool(struct json_object *o, const char *key, bool value);
struct json_object *vh_json_text(struct vh_str s);

static inline void vh_json_pointer(struct json_object **o)
{
	json_object_put(*o);
}
#define vh_auto_json __attribute__((cleanup(vh_json_pointer)))
