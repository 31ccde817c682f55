/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's kernel log as lines, stacks for flame graphs, and all as JSON. */
#include <inttypes.h>

#include "report/inside.h"

/* ECMA-48 SGR. */
#define RED    "\033[1;31m"
#define YELLOW "\033[33m"
#define PLAIN  "\033[0m"

/* include/linux/kern_levels.h, include/uapi/linux/syslog names as dmesg -x has them. */
static const char *const levels[] = {
	"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"};
static const char *const facilities[] = {
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron"};

void vh_inside_record_text(
	const struct vh_inside_record *r, bool colour, bool with_level, struct vh_buf *out)
{
	struct vh_str rest = {r->text, r->n}, line;
	uint64_t us = r->ts_ns / 1000;
	const char *shade = !colour ? "" : r->level <= 3 ? RED : r->level == 4 ? YELLOW : "";
	bool first = true;

	while (vh_next_line(&rest, &line) || first) {
		if (with_level)
			vh_buf_printf(out, "%-6s:%-6s: ",
				r->facility < VH_ARRAY_SIZE(facilities) ? facilities[r->facility]
									: "?",
				r->level < VH_ARRAY_SIZE(levels) ? levels[r->level] : "?");
		vh_buf_printf(
			out, "[%5" PRIu64 ".%06" PRIu64 "] %s", us / 1000000, us % 1000000, shade);
		vh_escape(out, first || line.n ? line : (struct vh_str){"", 0}, false);
		if (!r->complete && !rest.n)
			vh_buf_puts(out, " (unfinished)");
		vh_buf_printf(out, "%s\n", *shade ? PLAIN : "");
		first = false;
	}
}

void vh_inside_folded_text(const struct vh_inside *in, struct vh_buf *out)
{
	for (size_t i = 0; i < in->n_folded; i++) {
		vh_escape(out, vh_str(in->folded[i].stack ? in->folded[i].stack : "?"), false);
		vh_buf_printf(out, " %" PRIu64 "\n", in->folded[i].times);
	}
}

/* The same with its strings escaped; depth is bounded by the format. */
static struct json_object *escaped(struct json_object *o)
{
	if (json_object_is_type(o, json_type_string)) {
		vh_auto_buf struct vh_buf text = {0};
		struct vh_str raw = {
			json_object_get_string(o), (size_t)json_object_get_string_len(o)};

		vh_escape(&text, raw, true);
		return json_object_new_string_len(vh_buf_str(&text), (int)text.len);
	}
	if (json_object_is_type(o, json_type_array)) {
		struct json_object *list = json_object_new_array();

		for (size_t i = 0; i < json_object_array_length(o); i++)
			json_object_array_add(list, escaped(json_object_array_get_idx(o, i)));
		return list;
	}
	if (json_object_is_type(o, json_type_object)) {
		struct json_object *copy = json_object_new_object();

		json_object_object_foreach (o, key, value)
			json_object_object_add(copy, key, escaped(value));
		return copy;
	}
	return json_object_get(o);
}

struct json_object *vh_inside_json(const struct vh_inside *in)
{
	vh_auto_json struct json_object *raw = vh_inside_to_json(in);

	return escaped(raw);
}
