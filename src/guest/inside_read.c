/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading: what comes from a sandbox that a guest may have taken over, or from a file. */
#include "guest/inside_keys.h"

static struct vh_error *read_shape(
	struct json_object *o, const struct vh_inside_shape *shape, char *base);

static struct vh_error *wrong(const char *what)
{
	return vh_error_new(0, "%s", what);
}

static struct vh_error *read_text(
	struct json_object *o, const struct vh_inside_key *key, char *base)
{
	if (!json_object_is_type(o, json_type_string))
		return wrong("is no string");

	const char *s = json_object_get_string(o);
	size_t n = (size_t)json_object_get_string_len(o);

	if (n > key->most)
		return wrong("is too long");
	if (key->type == VH_KEY_TEXT && memchr(s, 0, n))
		return wrong("holds a NUL");
	if (key->type == VH_KEY_BYTES)
		memcpy(base + key->extra, &n, sizeof(n));

	char *copy = vh_alloc(n + 1);

	memcpy(copy, s, n);
	memcpy(base + key->at, &copy, sizeof(copy));
	return NULL;
}

static struct vh_error *read_letter(
	struct json_object *o, const struct vh_inside_key *key, char *base)
{
	const char *s = json_object_is_type(o, json_type_string) ? json_object_get_string(o) : "";

	if (strlen(s) != 1 || *s <= ' ' || *s > '~')
		return wrong("is no letter");
	base[key->at] = *s;
	return NULL;
}

static struct vh_error *read_hex(struct json_object *o, const struct vh_inside_key *key, char *base)
{
	struct vh_str text = {0};
	uint64_t value;

	if (json_object_is_type(o, json_type_string))
		text = vh_str(json_object_get_string(o));
	if (!vh_str_starts(text, "0x") ||
		!vh_parse_u64((struct vh_str){text.s + 2, text.n - 2}, 16, &value))
		return wrong("is no hexadecimal number of 64 bits");
	memcpy(base + key->at, &value, sizeof(value));
	if (key->type == VH_KEY_HEX_HAS)
		memcpy(base + key->extra, &(bool){true}, sizeof(bool));
	return NULL;
}

static struct vh_error *read_number(
	struct json_object *o, const struct vh_inside_key *key, char *base)
{
	uint64_t value;

	if (!json_object_is_type(o, json_type_int) || json_object_get_int64(o) < 0)
		return wrong("is no whole number from 0 on");
	value = json_object_get_uint64(o);
	if (value > key->most)
		return wrong("is too large");
	if (key->type == VH_KEY_INT || key->type == VH_KEY_UINT)
		memcpy(base + key->at, &(unsigned){(unsigned)value}, sizeof(unsigned));
	else
		memcpy(base + key->at, &value, sizeof(value));
	return NULL;
}

static struct vh_error *read_enum(
	struct json_object *o, const struct vh_inside_key *key, char *base)
{
	int value = -1;

	if (json_object_is_type(o, json_type_string))
		value = key->parse(json_object_get_string(o));
	if (value < 0)
		return wrong("is no name that is known");
	memcpy(base + key->at, &value, sizeof(value));
	return NULL;
}

static struct vh_error *read_array(
	struct json_object *o, const struct vh_inside_key *key, char *base)
{
	if (!json_object_is_type(o, json_type_array))
		return wrong("is no list");

	size_t n = json_object_array_length(o);
	void *rows = NULL;

	if (n > key->most)
		return wrong("is too long");
	for (size_t i = 0; i < n; i++) {
		size_t now = i + 1;

		rows = vh_grow(rows, i, key->shape->size);
		/* At once, so that what was read so far is freed if the rest is refused. */
		memcpy(base + key->at, &rows, sizeof(rows));
		memcpy(base + key->extra, &now, sizeof(now));

		struct vh_error *err = read_shape(json_object_array_get_idx(o, i), key->shape,
			(char *)rows + i * key->shape->size);

		if (err)
			return vh_error_prefix(err, "[%zu]", i);
	}
	return NULL;
}

static struct vh_error *read_value(
	struct json_object *o, const struct vh_inside_key *key, char *base)
{
	switch (key->type) {
	case VH_KEY_TEXT:
	case VH_KEY_BYTES:
		return read_text(o, key, base);
	case VH_KEY_LETTER:
		return read_letter(o, key, base);
	case VH_KEY_HEX:
	case VH_KEY_HEX_HAS:
		return read_hex(o, key, base);
	case VH_KEY_BOOL:
	case VH_KEY_BOOL_UNLESS:
		if (!json_object_is_type(o, json_type_boolean))
			return wrong("is neither true nor false");
		memcpy(base + key->at, &(bool){json_object_get_boolean(o)}, sizeof(bool));
		if (key->type == VH_KEY_BOOL_UNLESS)
			memcpy(base + key->extra, &(bool){false}, sizeof(bool));
		return NULL;
	case VH_KEY_ENUM:
		return read_enum(o, key, base);
	case VH_KEY_OBJECT:
		return read_shape(o, key->shape, base + key->at);
	case VH_KEY_ARRAY:
		return read_array(o, key, base);
	default:
		return read_number(o, key, base);
	}
}

/* What stands there where a key is left out or null. */
static void read_nothing(const struct vh_inside_key *key, char *base)
{
	if (key->type == VH_KEY_SIGNED)
		memcpy(base + key->at, &(int64_t){-1}, sizeof(int64_t));
	else if (key->type == VH_KEY_INT)
		memcpy(base + key->at, &(int){-1}, sizeof(int));
	else if (key->type == VH_KEY_LETTER)
		base[key->at] = '?';
	else if (key->type == VH_KEY_BOOL_UNLESS)
		memcpy(base + key->extra, &(bool){true}, sizeof(bool));
	else if (key->type == VH_KEY_OBJECT)
		for (size_t i = 0; i < key->shape->n; i++)
			read_nothing(&key->shape->keys[i], base + key->at);
}

static struct vh_error *read_shape(
	struct json_object *o, const struct vh_inside_shape *shape, char *base)
{
	if (!shape->keys[0].name)
		return read_value(o, &shape->keys[0], base);
	if (!json_object_is_type(o, json_type_object))
		return wrong("is no object");
	for (size_t i = 0; i < shape->n; i++)
		read_nothing(&shape->keys[i], base);
	for (size_t i = 0; i < shape->n; i++) {
		const struct vh_inside_key *key = &shape->keys[i];
		struct json_object *value = vh_json_at(o, key->name, NULL);
		struct vh_error *err = value       ? read_value(value, key, base)
				       : key->must ? wrong("is not there")
						   : NULL;

		if (err)
			return vh_error_prefix(err, "%s", key->name);
	}
	return NULL;
}

struct vh_inside *vh_inside_from_json(struct json_object *o, struct vh_error **err)
{
	const char *schema = vh_json_string(o, "schema", NULL);

	if (!vh_streq(schema, VH_INSIDE_SCHEMA)) {
		*err = vh_error_new(0, "the schema is not " VH_INSIDE_SCHEMA);
		return NULL;
	}

	struct vh_inside *in = vh_inside_new(VH_INSIDE_LINUX);

	*err = read_shape(o, &vh_inside_shape_root, (char *)in);
	if (!*err)
		return in;
	vh_inside_free(in);
	return NULL;
}

/* Objects and lists, and all that commas part, outside of strings. */
static bool has_too_many(struct vh_str text)
{
	size_t objects = 0, values = 0;
	bool quoted = false;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.s[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '['))
			objects++;
		else if (!quoted && c == ',')
			values++;
	}
	return objects > VH_INSIDE_MAX_OBJECTS || values > VH_INSIDE_MAX_VALUES;
}

struct vh_inside *vh_inside_parse(struct vh_str text, struct vh_error **err)
{
	if (text.n > VH_INSIDE_MAX_JSON || has_too_many(text)) {
		*err = wrong("holds more than a guest can fill");
		return NULL;
	}
	vh_auto_json struct json_object *o = vh_json_parse(text, err);

	return *err ? NULL : vh_inside_from_json(o, err);
}
