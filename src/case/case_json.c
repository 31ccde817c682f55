/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "case/case_json.h"

#include <errno.h>
#include <limits.h>

#include "case/archive.h"

#define SCHEMA_NAME  "vmhang.case/"
#define SCHEMA_MAJOR 1

/*
 * Names of files and subjects may hold any byte, JSON only UTF-8. So a byte that is not UTF-8, and
 * NUL, is written as \xNN, and a backslash as two.
 */
static struct json_object *escaped(struct vh_str s)
{
	vh_auto_buf struct vh_buf out = {0};

	while (s.n) {
		size_t n = vh_utf8_length(s, NULL);

		if (!n || !s.s[0])
			vh_buf_printf(&out, "\\x%02x", (unsigned char)s.s[0]);
		else if (s.s[0] == '\\')
			vh_buf_puts(&out, "\\\\");
		else
			vh_buf_add(&out, s.s, n);
		s.s += n ? n : 1;
		s.n -= n ? n : 1;
	}
	return json_object_new_string_len(vh_buf_str(&out), (int)out.len);
}

static bool unescape(struct vh_str s, struct vh_buf *out)
{
	while (s.n) {
		size_t used = 1;
		uint64_t byte;

		if (s.s[0] != '\\') {
			vh_buf_putc(out, s.s[0]);
		} else if (s.n >= 2 && s.s[1] == '\\') {
			vh_buf_putc(out, '\\');
			used = 2;
		} else if (s.n >= 4 && s.s[1] == 'x' &&
			   vh_parse_u64((struct vh_str){s.s + 2, 2}, 16, &byte)) {
			vh_buf_putc(out, (char)byte);
			used = 4;
		} else {
			return false;
		}
		s.s += used;
		s.n -= used;
	}
	return true;
}

bool vh_evidence_is_inline(const struct vh_evidence *e)
{
	return e->size <= VH_CASE_MAX_TEXT && vh_is_utf8(vh_evidence_text(e));
}

static struct json_object *evidence_write(const struct vh_evidence *e, const char *name)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "source", escaped(vh_str(e->source)));
	json_object_object_add(o, "subject", escaped(vh_str(e->subject)));
	json_object_object_add(o, "where", escaped(vh_str(e->where)));
	vh_json_put_text(o, "round", vh_round_name(e->round));
	vh_json_put_text(o, "status", vh_status_name(e->status));
	if (e->err)
		vh_json_put_i64(o, "errno", e->err);
	if (e->detail)
		json_object_object_add(o, "detail", escaped(vh_str(e->detail)));
	vh_json_put_i64(o, "at_ns", e->at_ns);
	vh_json_put_i64(o, "took_ns", e->took_ns);
	if (e->meta)
		json_object_object_add(o, "meta", json_object_get(e->meta));
	if (e->attachment)
		json_object_object_add(o, "file_name", escaped(vh_str(e->attachment)));
	if (name)
		vh_json_put_text(o, "attachment", name);
	else if (e->data && vh_is_utf8(vh_evidence_text(e)))
		json_object_object_add(
			o, "text", json_object_new_string_len(e->data, (int)e->size));
	else if (e->data)
		json_object_object_add(o, "escaped", escaped(vh_evidence_text(e)));
	return o;
}

struct json_object *vh_case_json_write(const struct vh_case *c, char *const names[])
{
	struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array_ext((int)VH_MIN(c->n_evidence, INT_MAX));

	vh_json_put_text(o, "schema", VH_CASE_SCHEMA);
	vh_json_put_text(o, "tool", c->tool);
	vh_json_put_i64(o, "began_wall_ns", c->began_wall_ns);
	vh_json_put_i64(o, "window_ns", c->window_ns);
	vh_json_put_bool(o, "passive", c->passive);
	json_object_object_add(o, "vm", vh_vm_to_json(c->vm));
	for (size_t i = 0; i < c->n_evidence; i++)
		json_object_array_add(
			list, evidence_write(c->evidence[i], names ? names[i] : NULL));
	json_object_object_add(o, "evidence", list);
	return o;
}

struct json_object *vh_case_to_json(const struct vh_case *c)
{
	return vh_case_json_write(c, NULL);
}

/* An absent key leaves *value alone, one of another type is an error. */
static struct vh_error *get_i64(
	struct json_object *o, const char *key, int64_t min, int64_t max, int64_t *value)
{
	int64_t number;

	if (!vh_json_at(o, key, NULL))
		return NULL;
	if (!vh_json_i64(o, key, &number) || number < min || number > max)
		return vh_error_new(0, "\"%s\" is not a number in its range", key);
	*value = number;
	return NULL;
}

/* The bytes of a string in escape form; NULL, and no error, where the key is absent. */
static struct vh_error *get_escaped(
	struct json_object *o, const char *key, char **value, size_t *size)
{
	struct json_object *v = vh_json_at(o, key, NULL);
	struct vh_buf out = {0};

	*value = NULL;
	if (!v)
		return NULL;
	if (!json_object_is_type(v, json_type_string))
		return vh_error_new(0, "\"%s\" is not a string", key);
	if (!unescape((struct vh_str){json_object_get_string(v), json_object_get_string_len(v)},
		    &out)) {
		vh_buf_free(&out);
		return vh_error_new(0, "\"%s\" has a backslash that escapes nothing", key);
	}
	if (!size && memchr(vh_buf_str(&out), 0, out.len)) {
		vh_buf_free(&out);
		return vh_error_new(0, "\"%s\" has a NUL in it", key);
	}
	if (size)
		*size = out.len;
	*value = vh_buf_steal(&out);
	return NULL;
}

static struct vh_error *read_data(
	struct json_object *o, struct vh_evidence *e, struct vh_attachments *from)
{
	struct json_object *text = vh_json_at(o, "text", NULL);
	struct json_object *name = vh_json_at(o, "attachment", NULL);

	if (!!text + !!name + !!vh_json_at(o, "escaped", NULL) > 1)
		return vh_error_new(0, "more than one of \"text\", \"escaped\" and \"attachment\"");
	if (text && !json_object_is_type(text, json_type_string))
		return vh_error_new(0, "\"text\" is not a string");
	if (name && !json_object_is_type(name, json_type_string))
		return vh_error_new(0, "\"attachment\" is not a string");
	if (text)
		vh_evidence_set_data(
			e, json_object_get_string(text), json_object_get_string_len(text));
	if (name)
		return from->take(from, json_object_get_string(name), &e->data, &e->size);
	if (!text)
		return get_escaped(o, "escaped", &e->data, &e->size);
	return NULL;
}

/* A name that this version does not know keeps the piece, but nothing is concluded from it. */
static struct vh_error *read_names(struct json_object *o, struct vh_evidence *e)
{
	const char *round = vh_json_string(o, "round", NULL);
	const char *status = vh_json_string(o, "status", NULL);
	int round_value = vh_round_parse(round), status_value = vh_status_parse(status);

	if (!round)
		return vh_error_new(0, "\"round\" is not a string");
	if (!status)
		return vh_error_new(0, "\"status\" is not a string");
	e->round = round_value < 0 ? VH_ONCE : (enum vh_round)round_value;
	e->status = status_value < 0 ? VH_FAILED : (enum vh_status)status_value;
	if (round_value >= 0 && status_value >= 0)
		return NULL;
	char *was = e->detail;

	e->status = VH_FAILED;
	e->detail = vh_asprintf("this vmhang does not know the %s \"%s\"%s%s",
		round_value < 0 ? "round" : "status", round_value < 0 ? round : status,
		was ? ": " : "", was ? was : "");
	free(was);
	return NULL;
}

static struct vh_error *read_evidence(
	struct json_object *o, struct vh_evidence *e, struct vh_attachments *from)
{
	struct json_object *meta = vh_json_at(o, "meta", NULL);
	const struct {
		const char *key;
		char **value;
	} strings[] = {
		{"source", &e->source},
		{"subject", &e->subject},
		{"where", &e->where},
		{"detail", &e->detail},
		{"file_name", &e->attachment},
	};
	struct vh_error *err = NULL;
	int64_t number = 0;

	if (!json_object_is_type(o, json_type_object))
		return vh_error_new(0, "not an object");
	for (size_t i = 0; !err && i < VH_ARRAY_SIZE(strings); i++)
		err = get_escaped(o, strings[i].key, strings[i].value, NULL);
	if (!err && (!e->source || !e->source[0]))
		err = vh_error_new(0, "no \"source\"");
	if (!err && meta && !json_object_is_type(meta, json_type_object))
		err = vh_error_new(0, "\"meta\" is not an object");
	if (!err)
		err = get_i64(o, "errno", 0, INT_MAX, &number);
	e->err = (int)number;
	if (!err)
		err = get_i64(o, "at_ns", INT64_MIN, INT64_MAX, &e->at_ns);
	if (!err)
		err = get_i64(o, "took_ns", 0, INT64_MAX, &e->took_ns);
	if (!err)
		err = read_names(o, e);
	if (!err)
		err = read_data(o, e, from);
	if (err)
		return err;
	e->meta = meta ? json_object_get(meta) : NULL;
	e->subject = e->subject ? e->subject : vh_strdup("");
	e->where = e->where ? e->where : vh_strdup("");
	return NULL;
}

static struct vh_error *read_all_evidence(
	struct json_object *list, struct vh_attachments *from, struct vh_case *c)
{
	if (!json_object_is_type(list, json_type_array))
		return vh_error_new(0, "\"evidence\" is not a list");
	size_t n = json_object_array_length(list);

	if (n > VH_CASE_MAX_EVIDENCE)
		return vh_error_new(0,
			"%zu pieces of evidence are more than the %d that a case may have", n,
			VH_CASE_MAX_EVIDENCE);
	for (size_t i = 0; i < n; i++) {
		struct vh_evidence *e = vh_alloc(sizeof(*e));
		struct vh_error *err = read_evidence(json_object_array_get_idx(list, i), e, from);

		if (!err) {
			vh_case_take(c, e);
			continue;
		}
		err = vh_error_prefix(err, "evidence %zu%s%s%s", i, e->source ? " (" : "",
			e->source ? e->source : "", e->source ? ")" : "");
		vh_evidence_free(e);
		return err;
	}
	return NULL;
}

/* "vmhang.case/1" or, from a newer vmhang that only added to it, "vmhang.case/1.4". */
static struct vh_error *check_schema(struct json_object *o)
{
	const char *schema = vh_json_string(o, "schema", NULL);
	struct vh_str version, major;
	uint64_t number;

	if (!schema || !vh_prefix(schema, SCHEMA_NAME))
		return vh_error_new(0, "no \"schema\" that says " SCHEMA_NAME "N");
	version = vh_str(schema + strlen(SCHEMA_NAME));
	if (!vh_next_part(&version, '.', &major) || !vh_parse_u64(major, 10, &number))
		return vh_error_new(0, "\"%.40s\" is no schema of a case", schema);
	if (number == SCHEMA_MAJOR)
		return NULL;
	struct vh_error *err = vh_error_new(0,
		"its schema is %.40s, this vmhang reads " SCHEMA_NAME
		"%d: use the vmhang that wrote it",
		schema, SCHEMA_MAJOR);

	err->code = ENOTSUP;
	return err;
}

/* Counts what becomes an object in memory, before it does: a few bytes of text become a hundred.
 * json-c also takes strings in single quotes, and comments, in which a quote would hide all that
 * follows from the count: no case has them. */
static struct vh_error *check_values(struct vh_str text)
{
	size_t n = 0;
	bool in_string = false;

	for (size_t i = 0; i < text.n; i++) {
		char ch = text.s[i];

		if (in_string && ch == '\\')
			i++;
		else if (ch == '"')
			in_string = !in_string;
		else if (!in_string && (ch == '\'' || ch == '/'))
			return vh_error_new(0, "not JSON at byte %zu", i);
		else if (!in_string && (ch == ',' || ch == '[' || ch == '{'))
			n++;
	}
	return n > VH_CASE_MAX_VALUES ? vh_error_new(0, "more than %d values", VH_CASE_MAX_VALUES)
				      : NULL;
}

static struct vh_error *read_case(
	struct json_object *o, struct vh_attachments *from, struct vh_case *c)
{
	struct json_object *tool = vh_json_at(o, "tool", NULL);
	struct vh_error *err = NULL;

	c->vm = vh_vm_from_json(vh_json_at(o, "vm", NULL), &err);
	if (!err && tool && !json_object_is_type(tool, json_type_string))
		err = vh_error_new(0, "\"tool\" is not a string");
	if (!err)
		err = get_i64(o, "began_wall_ns", INT64_MIN, INT64_MAX, &c->began_wall_ns);
	if (!err)
		err = get_i64(o, "window_ns", 0, INT64_MAX, &c->window_ns);
	if (err)
		return err;
	c->tool = vh_strdup(vh_json_string(o, "tool", "?"));
	c->passive = vh_json_bool(o, "passive", false);
	return read_all_evidence(vh_json_at(o, "evidence", NULL), from, c);
}

struct vh_error *vh_case_json_read(
	struct vh_str text, struct vh_attachments *from, struct vh_case **out)
{
	struct vh_error *err = check_values(text);

	if (err)
		return err;
	vh_auto_json struct json_object *o = vh_json_parse(text, &err);

	if (err)
		return err;
	if (!json_object_is_type(o, json_type_object))
		return vh_error_new(0, "not an object");
	err = check_schema(o);
	if (err)
		return err;
	struct vh_case *c = vh_alloc(sizeof(*c));

	err = read_case(o, from, c);
	if (err)
		vh_case_free(c);
	else
		*out = c;
	return err;
}
