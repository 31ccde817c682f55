/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discover/qemu_option.h"

#include "base/json.h"

static void add(struct qemu_option *o, const char *key, const char *value)
{
	if (o->n >= QEMU_OPTION_PAIRS)
		return;
	struct qemu_pair *pair = &VH_PUSH(o->pairs, o->n);

	pair->key = vh_strdup(key);
	pair->value = vh_strdup(value);
}

static void add_json(struct qemu_option *o, const char *key, struct json_object *value)
{
	if (o->n >= QEMU_OPTION_PAIRS)
		return;
	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach (value, name, member) {
			vh_auto_free char *path =
				key[0] ? vh_asprintf("%s.%s", key, name) : vh_strdup(name);

			/* Its length grows with the depth: neither is worth more than this. */
			if (strlen(path) < 1024)
				add_json(o, path, member);
		}
		return;
	}
	if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value) && i < QEMU_OPTION_PAIRS;
			i++) {
			vh_auto_free char *path = vh_asprintf("%s.%zu", key, i);

			add_json(o, path, json_object_array_get_idx(value, i));
		}
		return;
	}
	if (json_object_is_type(value, json_type_boolean))
		add(o, key, json_object_get_boolean(value) ? "on" : "off");
	else if (value)
		add(o, key, json_object_get_string(value));
}

/* Cuts one element off *rest, ",," made a comma; *equals is the place of its first "=", or -1. */
static char *next_element(struct vh_str *rest, ssize_t *equals)
{
	struct vh_buf element = {0};
	size_t i = 0;

	*equals = -1;
	for (; i < rest->n; i++) {
		if (rest->s[i] == ',' && (i + 1 == rest->n || rest->s[i + 1] != ','))
			break;
		if (rest->s[i] == ',')
			i++;
		else if (rest->s[i] == '=' && *equals < 0)
			*equals = element.len;
		vh_buf_putc(&element, rest->s[i]);
	}
	i = VH_MIN(i + 1, rest->n);
	rest->s += i;
	rest->n -= i;
	return vh_buf_steal(&element);
}

static void parse_pairs(struct vh_str text, const char *implied, struct qemu_option *out)
{
	for (bool first = true; text.n && out->n < QEMU_OPTION_PAIRS; first = false) {
		ssize_t equals;
		vh_auto_free char *element = next_element(&text, &equals);

		if (equals >= 0) {
			element[equals] = 0;
			add(out, element, element + equals + 1);
		} else if (first && implied) {
			add(out, implied, element);
		} else if (vh_prefix(element, "no")) {
			add(out, element + 2, "off");
		} else if (element[0]) {
			add(out, element, "on");
		}
	}
}

void qemu_option_parse(struct vh_str text, const char *implied, struct qemu_option *out)
{
	*out = (struct qemu_option){0};
	text.n = VH_MIN(text.n, (size_t)QEMU_OPTION_BYTES);
	if (!text.n || text.s[0] != '{') {
		parse_pairs(text, implied, out);
		return;
	}
	vh_auto_error struct vh_error *err = NULL;
	vh_auto_json struct json_object *o = vh_json_parse(text, &err);

	if (o)
		add_json(out, "", o);
}

void qemu_option_free(struct qemu_option *o)
{
	for (size_t i = 0; i < o->n; i++) {
		free(o->pairs[i].key);
		free(o->pairs[i].value);
	}
	free(o->pairs);
	*o = (struct qemu_option){0};
}

const char *qemu_option_get(const struct qemu_option *o, const char *key)
{
	for (size_t i = o->n; i--;)
		if (strcmp(o->pairs[i].key, key) == 0)
			return o->pairs[i].value;
	return NULL;
}

bool qemu_option_is(const struct qemu_option *o, const char *key, const char *value)
{
	return vh_streq(qemu_option_get(o, key), value);
}

bool qemu_option_bool(const struct qemu_option *o, const char *key, bool fallback)
{
	const char *value = qemu_option_get(o, key);

	if (!value)
		return fallback;
	return vh_streq(value, "on") || vh_streq(value, "yes") || vh_streq(value, "true") ||
	       vh_streq(value, "y");
}
