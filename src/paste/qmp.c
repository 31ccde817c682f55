/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QMP: greetings, answers and events, on one line or pretty-printed, as qmp-shell, socat, virsh
 * qemu-monitor-command and libvirt's log show them. Which question an answer belongs to is known
 * from its id, else from what was typed or executed before it, else from its shape.
 */
#include <ctype.h>

#include "paste/recogniser.h"

#define MAX_JSON  (4U << 20)
#define MAX_LINES 200000
/* Of a text in all: one of nothing but open braces would be read from each of them to the end. */
#define MAX_SCANNED (128U << 20)

/* Where JSON begins in the line: behind "-> ", "<- ", a prompt; NULL: nowhere. */
static const char *json_begin(struct vh_str line)
{
	static const char *const before[] = {"-> ", "<- ", "QMP> ", "(QEMU) ", "< ", "S: ", "C: "};

	for (size_t i = 0; i < VH_ARRAY_SIZE(before); i++)
		if (vh_str_starts(line, before[i])) {
			line.s += strlen(before[i]);
			line.n -= strlen(before[i]);
			break;
		}
	line = vh_str_trim(line);
	return line.n && line.s[0] == '{' ? line.s : NULL;
}

/* The object that begins at `at` as text and its length in lines; 0: there is none that ends. */
static size_t object_text(struct vh_paste *p, size_t at, struct vh_buf *out)
{
	int depth = 0;
	bool string = false, escaped = false;

	for (size_t n = 0; n < MAX_LINES && at + n < p->page->n; n++) {
		struct vh_str line = vh_at(p, at + n);
		const char *begin = n ? line.s : json_begin(line);

		if (!begin || (n && vh_is_prompt(p, at + n) && !string))
			return 0;
		for (const char *c = begin; c < line.s + line.n; c++) {
			if (out->len >= MAX_JSON || p->json_scanned >= MAX_SCANNED)
				return 0;
			p->json_scanned++;
			vh_buf_putc(out, *c);
			if (escaped)
				escaped = false;
			else if (string)
				escaped = *c == '\\', string = *c != '"';
			else if (*c == '"')
				string = true;
			else if (*c == '{' || *c == '[')
				depth++;
			else if ((*c == '}' || *c == ']') && --depth <= 0)
				return n + 1;
		}
		/* A string that a mail program has cut goes on in the next line. */
		if (!string)
			vh_buf_putc(out, '\n');
		/* Anything in braces may begin like this; an object has a key by now. */
		if (out->len > 4096 && !memchr(out->data, ':', out->len))
			return 0;
	}
	return 0;
}

static struct json_object *object_at(struct vh_paste *p, size_t at, size_t *n)
{
	vh_auto_buf struct vh_buf text = {0};
	vh_auto_error struct vh_error *err = NULL;
	struct vh_str line = vh_at(p, at);
	const char *begin = json_begin(line);

	/* Behind the brace a key, here or in the next line. */
	if (!begin)
		return NULL;
	struct vh_str rest = vh_str_trim((struct vh_str){begin + 1, line.s + line.n - begin - 1});

	if (!rest.n)
		rest = vh_at(p, at + 1);
	if (!rest.n || rest.s[0] != '"')
		return NULL;
	*n = object_text(p, at, &text);
	struct json_object *o =
		*n ? vh_json_parse((struct vh_str){text.data, text.len}, &err) : NULL;

	if (o && json_object_is_type(o, json_type_object))
		return o;
	json_object_put(o);
	return NULL;
}

static bool has(struct json_object *o, const char *key)
{
	return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, NULL);
}

static bool is_qmp(struct json_object *o)
{
	return has(o, "QMP") || has(o, "return") || has(o, "error") || has(o, "execute") ||
	       (has(o, "event") && has(o, "timestamp"));
}

static size_t extent(struct vh_paste *p, size_t at)
{
	size_t n = 0;
	vh_auto_json struct json_object *o = object_at(p, at, &n);

	return o && is_qmp(o) ? n : 0;
}

/* What an answer must be the answer to, by the keys of it or of its first element. */
static const char *command_of_shape(struct json_object *v)
{
	static const struct {
		bool list;
		const char *keys[3], *command;
	} shapes[] = {
		{false, {"status", "running"}, "query-status"},
		{false, {"qemu", "package"}, "query-version"},
		{false, {"enabled", "present"}, "query-kvm"},
		{false, {"enabled", "policy", "state"}, "query-sev"},
		{false, {"enabled", "api-major"}, "query-sev"},
		{false, {"UUID"}, "query-uuid"},
		{false, {"name"}, "query-name"},
		{false, {"actual"}, "query-balloon"},
		{true, {"cpu-index", "thread-id"}, "query-cpus-fast"},
		{true, {"CPU", "thread_id"}, "query-cpus"},
		{true, {"provider", "stats"}, "query-stats"},
		{true, {"io-status", "device"}, "query-block"},
		{true, {"inserted", "device"}, "query-block"},
		{true, {"removable", "locked"}, "query-block"},
		{true, {"stats", "device"}, "query-blockstats"},
		{true, {"stats", "node-name"}, "query-blockstats"},
		{true, {"label", "filename"}, "query-chardev"},
		{true, {"thread-id", "poll-max-ns"}, "query-iothreads"},
	};
	bool list = json_object_is_type(v, json_type_array);
	struct json_object *one =
		list && json_object_array_length(v) ? json_object_array_get_idx(v, 0) : v;

	for (size_t i = 0; i < VH_ARRAY_SIZE(shapes); i++) {
		bool fits = shapes[i].list == list;

		for (size_t k = 0; fits && k < 3 && shapes[i].keys[k]; k++)
			fits = has(one, shapes[i].keys[k]);
		if (fits)
			return shapes[i].command;
	}
	return NULL;
}

/* "query-status" out of `virsh qemu-monitor-command web '{"execute":"query-status"}'`, or --pretty
 * query-status; the caller frees it. */
static char *command_typed(struct vh_str command)
{
	for (size_t i = 0; i + 6 < command.n; i++) {
		struct vh_str at = {command.s + i, command.n - i};
		size_t n = 0;

		if (!vh_str_starts(at, "query-") && !vh_str_starts(at, "qom-get"))
			continue;
		while (n < at.n && n < 64 && (isalnum((unsigned char)at.s[n]) || at.s[n] == '-'))
			n++;
		return vh_str_dup((struct vh_str){at.s, n});
	}
	return NULL;
}

static char *command_of_answer(const struct vh_paste *p, size_t at, struct json_object *o)
{
	const char *id = vh_json_string(o, "id", NULL);
	const char *asked = id ? vh_json_string(p->ids_asked, id, NULL) : NULL;
	const char *shape = command_of_shape(vh_json_at(o, "return", NULL));

	if (asked)
		return vh_strdup(asked);
	if (shape)
		return vh_strdup(shape);
	if (p->executed)
		return vh_strdup(p->executed);
	return command_typed(vh_command_of(p, at, 20));
}

static bool is_name(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_')
			return false;
	return n > 0 && n <= 64;
}

static void put_json(struct vh_paste *p, size_t from, size_t n, enum vh_round round,
	const char *source, const char *subject, struct json_object *value)
{
	const char *text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);

	vh_paste_put(p, from, n, round, source, subject, vh_str(text));
}

/* "" where one would do; query-stats tells VM and vCPUs apart by what is in it. */
static const char *subject_of(const char *command, struct json_object *value)
{
	if (!vh_streq(command, "query-stats"))
		return "";
	struct json_object *one = json_object_is_type(value, json_type_array)
					  ? json_object_array_get_idx(value, 0)
					  : NULL;

	return vh_json_string(one, "qom-path", NULL) ? "vcpu" : "vm";
}

static void take_answer(struct vh_paste *p, size_t from, size_t n, struct json_object *o)
{
	struct json_object *value = vh_json_at(o, "return", NULL);
	vh_auto_free char *command = command_of_answer(p, from, o);

	free(p->executed);
	p->executed = NULL;
	if (json_object_is_type(value, json_type_string)) {
		/* What HMP answered; a string of another command is of no use. */
		const char *text = json_object_get_string(value);

		vh_paste_inner(
			p, from, (struct vh_str){text, (size_t)json_object_get_string_len(value)});
		vh_paste_note(p, from, n, "a QMP answer with text in it");
		return;
	}
	if (!command || !is_name(command)) {
		vh_paste_note(p, from, n, "a QMP answer, to what is not clear");
		return;
	}
	vh_auto_free char *source = vh_asprintf("qmp.%s", command);
	const char *subject = subject_of(command, value);

	put_json(p, from, n, vh_paste_answer_round(p, source, subject), source, subject, value);
	vh_paste_note(p, from, n, "QMP %s", command);
}

static void take_error(struct vh_paste *p, size_t from, size_t n, struct json_object *o)
{
	struct json_object *error = vh_json_at(o, "error", NULL);
	const char *class = vh_json_string(error, "class", "?"),
		   *desc = vh_json_string(error, "desc", "?");
	vh_auto_free char *command = command_of_answer(p, from, o);

	free(p->executed);
	p->executed = NULL;
	if (command && is_name(command)) {
		vh_auto_free char *source = vh_asprintf("qmp.%s", command);
		struct vh_evidence *e =
			vh_paste_put(p, from, n, VH_ASKED, source, "", (struct vh_str){"", 0});

		if (e) {
			bool absent = vh_streq(class, "CommandNotFound");

			vh_evidence_fail(
				e, absent ? VH_ABSENT : VH_FAILED, 0, "%s: %s", class, desc);
			free(e->data);
			e->data = NULL;
			e->size = 0;
		}
	}
	vh_paste_note(p, from, n, "a QMP error: %s", desc);
}

static void take_question(struct vh_paste *p, struct json_object *o)
{
	const char *command = vh_json_string(o, "execute", ""), *id = vh_json_string(o, "id", NULL);

	if (!is_name(command))
		return;
	if (!p->ids_asked)
		p->ids_asked = json_object_new_object();
	if (id && json_object_object_length(p->ids_asked) < 4096)
		vh_json_put_text(p->ids_asked, id, command);
	vh_replace(&p->executed, command);
}

static void take(struct vh_paste *p, size_t from, size_t n)
{
	size_t lines;
	vh_auto_json struct json_object *o = object_at(p, from, &lines);

	if (!o)
		return;
	if (has(o, "return")) {
		take_answer(p, from, n, o);
	} else if (has(o, "error")) {
		take_error(p, from, n, o);
	} else if (has(o, "QMP")) {
		put_json(p, from, n, VH_ASKED, "qmp.greeting", "", o);
		vh_paste_note(p, from, n, "a QMP greeting");
	} else if (has(o, "event")) {
		const char *name = vh_json_string(o, "event", "?");

		put_json(p, from, n, VH_ASKED, "qmp.event", is_name(name) ? name : "?", o);
		vh_paste_note(p, from, n, "QMP event %s", name);
	} else {
		take_question(p, o);
	}
}

const struct vh_recogniser vh_recognise_qmp = {
	.name = "qmp", .sure = VH_SURE_OF_NAME, .extent = extent, .take = take};
