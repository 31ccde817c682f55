/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing: whatever is in the structures, the result is one that reading takes. */
#include <stdio.h>

#include "guest/inside_keys.h"

/* More than one row of any list can take. */
#define RESERVE (1u << 20)
/* Of it the log may have half, so that tasks find room behind it. */
#define LOG_MOST (VH_INSIDE_MAX_JSON / 2)

struct writer {
	size_t left; /* bytes of JSON that may still be written */
	bool cut;
};

static struct json_object *write_shape(
	struct writer *w, const struct vh_inside_shape *shape, const char *base);

/* At most how long a text is in JSON, without its quotes. */
static size_t json_length(const char *s, size_t n)
{
	size_t length = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		length += c < 0x20 ? 6 : c == '"' || c == '\\' || c == '/' ? 2 : c >= 0x80 ? 3 : 1;
	}
	return length;
}

static void charge(struct writer *w, size_t bytes)
{
	w->left -= VH_MIN(bytes, w->left);
}

/* How many bytes of a text fit, whole characters only: one that is not UTF-8 becomes three. */
static size_t fitting(struct vh_str s, uint64_t most)
{
	size_t at = 0;

	for (size_t out = 0; at < s.n;) {
		size_t n = vh_utf8_length((struct vh_str){s.s + at, s.n - at}, NULL);

		out += n ? n : 3;
		if (out > most)
			break;
		at += n ? n : 1;
	}
	return at;
}

static struct json_object *write_text(struct writer *w, const char *s, size_t n, uint64_t most)
{
	size_t keep = fitting((struct vh_str){s, n}, most);

	w->cut |= keep < n;
	charge(w, json_length(s, keep));
	return vh_json_text((struct vh_str){s, keep});
}

static struct json_object *write_hex(uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	return json_object_new_string(text);
}

/* Of a log that is too long its newest records count. */
static size_t first_row(const struct vh_inside_key *key, const char *rows, size_t n)
{
	size_t at = n, room = LOG_MOST;

	if (strcmp(key->name, "dmesg") != 0)
		return 0;
	while (at > 0 && n - at < key->most) {
		const struct vh_inside_record *r = &((const struct vh_inside_record *)rows)[at - 1];
		size_t bytes = json_length(r->text, r->n) + 160;

		if (bytes > room)
			break;
		room -= bytes;
		at--;
	}
	return at;
}

static struct json_object *write_array(
	struct writer *w, const struct vh_inside_key *key, const char *base)
{
	struct json_object *list = json_object_new_array();
	const char *rows;
	size_t n, i;

	memcpy(&rows, base + key->at, sizeof(rows));
	memcpy(&n, base + key->extra, sizeof(n));
	i = first_row(key, rows, n);
	w->cut |= i > 0;
	for (size_t taken = 0; i < n; i++, taken++) {
		if (taken >= key->most || w->left <= RESERVE) {
			w->cut = true;
			break;
		}
		json_object_array_add(
			list, write_shape(w, key->shape, rows + i * key->shape->size));
	}
	return list;
}

static struct json_object *write_number(const struct vh_inside_key *key, const char *base)
{
	uint64_t value = 0;

	if (key->type == VH_KEY_SIGNED) {
		int64_t i;

		memcpy(&i, base + key->at, sizeof(i));
		return i < 0 ? NULL : json_object_new_int64(i);
	}
	if (key->type == VH_KEY_INT) {
		int i;

		memcpy(&i, base + key->at, sizeof(i));
		return i < 0 ? NULL : json_object_new_int64(i);
	}
	if (key->type == VH_KEY_UINT) {
		unsigned u;

		memcpy(&u, base + key->at, sizeof(u));
		value = u;
	} else {
		memcpy(&value, base + key->at, sizeof(value));
	}
	value = VH_MIN(value, key->most);
	return key->type == VH_KEY_HEX ? write_hex(value) : json_object_new_uint64(value);
}

static struct json_object *write_string(
	struct writer *w, const struct vh_inside_key *key, const char *base)
{
	const char *s;
	size_t n;

	memcpy(&s, base + key->at, sizeof(s));
	if (key->type == VH_KEY_TEXT)
		return s ? write_text(w, s, strlen(s), key->most) : NULL;
	memcpy(&n, base + key->extra, sizeof(n));
	return write_text(w, s ? s : "", s ? n : 0, key->most);
}

static struct json_object *write_enum(const struct vh_inside_key *key, const char *base)
{
	unsigned value;

	memcpy(&value, base + key->at, sizeof(value));
	return json_object_new_string(key->name_of(value <= key->most ? (int)value : 0));
}

static struct json_object *write_value(
	struct writer *w, const struct vh_inside_key *key, const char *base)
{
	char letter;
	bool flag;

	switch (key->type) {
	case VH_KEY_TEXT:
	case VH_KEY_BYTES:
		return write_string(w, key, base);
	case VH_KEY_LETTER:
		letter = base[key->at];
		if (letter <= ' ' || letter > '~')
			letter = '?';
		return json_object_new_string_len(&letter, 1);
	case VH_KEY_BOOL:
		memcpy(&flag, base + key->at, sizeof(flag));
		return json_object_new_boolean(flag);
	case VH_KEY_BOOL_UNLESS: {
		bool unknown;

		memcpy(&unknown, base + key->extra, sizeof(unknown));
		memcpy(&flag, base + key->at, sizeof(flag));
		return unknown ? NULL : json_object_new_boolean(flag);
	}
	case VH_KEY_HEX_HAS: {
		uint64_t value;

		memcpy(&flag, base + key->extra, sizeof(flag));
		memcpy(&value, base + key->at, sizeof(value));
		return flag ? write_hex(value) : NULL;
	}
	case VH_KEY_ENUM:
		return write_enum(key, base);
	case VH_KEY_OBJECT:
		return write_shape(w, key->shape, base + key->at);
	case VH_KEY_ARRAY:
		return write_array(w, key, base);
	default:
		return write_number(key, base);
	}
}

static struct json_object *write_shape(
	struct writer *w, const struct vh_inside_shape *shape, const char *base)
{
	struct json_object *o;

	if (!shape->keys[0].name)
		return write_value(w, &shape->keys[0], base);
	o = json_object_new_object();
	for (size_t i = 0; i < shape->n; i++) {
		const struct vh_inside_key *key = &shape->keys[i];

		/* The name, its quotes, a number. */
		charge(w, strlen(key->name) + 24);
		json_object_object_add_ex(o, key->name, write_value(w, key, base),
			JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY);
	}
	return o;
}

struct json_object *vh_inside_to_json(const struct vh_inside *in)
{
	struct writer w = {.left = VH_INSIDE_MAX_JSON};
	struct json_object *o = write_shape(&w, &vh_inside_shape_root, (const char *)in);
	struct json_object *notes = vh_json_at(o, "notes", NULL);

	vh_json_put_text(o, "schema", VH_INSIDE_SCHEMA);
	if (w.cut && json_object_array_length(notes) < VH_INSIDE_MAX_NOTES)
		json_object_array_add(
			notes, json_object_new_string("it was more than is kept: the rest is cut"));
	return o;
}
