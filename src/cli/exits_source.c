/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Intervals, counted now or read from a file. */
#include <errno.h>
#include <sys/types.h>

#include "cli/exits_live.h"
#include "decode/devices.h"

/* A line of a file of intervals: 512 vCPUs with some hundred keys each. */
#define MAX_LINE_BYTES (64U << 20)

void vh_exits_interval_free(struct vh_exits_interval *i)
{
	if (!i)
		return;
	vh_exits_free(i->exits);
	free(i->name);
	free(i);
}

static struct vh_str answer(const struct vh_case *c, const char *source)
{
	return vh_evidence_text(vh_case_find_data(c, source, NULL, VH_N_ROUND));
}

/* Only once: where QEMU does not answer now, it need not be bothered each interval. */
static void ask_for_devices(struct vh_exits_source *s, const struct vh_exits *e, struct vh_str raw)
{
	bool wanted = false;

	for (size_t i = 0; i < e->n_vcpus; i++)
		wanted = wanted || vh_exits_top(e->vcpus[i], VH_KEY_PIO) ||
			 vh_exits_top(e->vcpus[i], VH_KEY_MMIO) ||
			 vh_exits_top(e->vcpus[i], VH_KEY_FAULT);
	if (s->asked || s->ask.passive || !wanted)
		return;
	s->asked = true;
	s->answers = vh_collect_device_map(s->host, s->vm, raw, &s->ask);
	s->devices = vh_devices_parse(
		answer(s->answers, "hmp.info-mtree"), answer(s->answers, "hmp.info-mtree-flat"));
}

static struct vh_exits *decode(struct vh_exits_source *s, struct json_object *raw,
	const char *machine, struct vh_error **err)
{
	size_t n;
	const char *s_raw = json_object_to_json_string_length(raw, JSON_C_TO_STRING_PLAIN, &n);
	const struct vh_str text = {s_raw, n};
	struct vh_exits *e = vh_exits_decode(text, machine, s->devices, err);

	if (e && s->trace && !s->asked) {
		ask_for_devices(s, e, text);
		if (s->asked) {
			vh_exits_free(e);
			e = vh_exits_decode(text, machine, s->devices, err);
		}
	}
	if (!e)
		return NULL;
	s->saw_exits = s->saw_exits || e->sees_exits;
	e->sees_exits = s->saw_exits;
	return e;
}

/* Raw, as it was counted, with the VM and the time beside it, and what names its devices beside the
 * first interval that needs it. */
static struct vh_error *save(struct vh_exits_source *s, struct json_object *raw, int64_t at_wall_ns)
{
	vh_json_put_i64(raw, "at_wall_ns", at_wall_ns);
	vh_json_put_text(raw, "machine", s->machine);
	vh_json_put_text(raw, "vm", s->vm->name);
	vh_json_put_i64(raw, "pid", s->vm->id.pid);
	if (s->answers) {
		json_object_object_add(
			raw, "mtree", vh_json_text(answer(s->answers, "hmp.info-mtree")));
		json_object_object_add(
			raw, "mtree_flat", vh_json_text(answer(s->answers, "hmp.info-mtree-flat")));
		vh_case_free(s->answers);
		s->answers = NULL;
	}
	if (fprintf(s->save, "%s\n", json_object_to_json_string_ext(raw, JSON_C_TO_STRING_PLAIN)) <
			0 ||
		fflush(s->save) != 0)
		return vh_error_new(errno, "writing the intervals");
	return NULL;
}

static struct vh_exits_interval *interval(
	struct vh_exits *e, const char *name, pid_t pid, int64_t at_wall_ns)
{
	struct vh_exits_interval *i = vh_alloc(sizeof(*i));

	i->exits = e;
	i->name = vh_strdup(name);
	i->about = (struct vh_exits_about){i->name, pid, at_wall_ns};
	return i;
}

static struct vh_exits_interval *read_trace(struct vh_exits_source *s, struct vh_error **err)
{
	vh_auto_json struct json_object *raw = vh_trace_read(s->trace);
	int64_t now = vh_wall_clock_ns();
	struct vh_exits *e = decode(s, raw, s->machine, err);

	if (e && s->save && (*err = save(s, raw, now))) {
		vh_exits_free(e);
		return NULL;
	}
	return e ? interval(e, s->vm->name, s->vm->id.pid, now) : NULL;
}

/* A line without its newline; NULL at the end. It is bounded, whatever the file is. */
static char *read_line(FILE *file, struct vh_error **err)
{
	vh_auto_buf struct vh_buf line = {0};
	int c;

	while ((c = getc_unlocked(file)) != EOF && c != '\n') {
		if (!c)
			*err = vh_error_new(0, "a line holds a NUL");
		else if (line.len == MAX_LINE_BYTES)
			*err = vh_error_new(EFBIG, "a line of more than %u bytes", MAX_LINE_BYTES);
		if (*err)
			return NULL;
		vh_buf_putc(&line, (char)c);
	}
	if (c == EOF && ferror(file))
		*err = vh_error_new(errno, "reading");
	if (*err || (c == EOF && !line.len))
		return NULL;
	return vh_buf_steal(&line);
}

/* The next line that is not empty; NULL at the end. */
static char *next_line(FILE *file, struct vh_error **err)
{
	char *line;

	while ((line = read_line(file, err)) && vh_str_trim(vh_str(line)).n == 0)
		free(line);
	return line;
}

static struct vh_exits_interval *read_replay(struct vh_exits_source *s, struct vh_error **err)
{
	vh_auto_free char *line = next_line(s->replay, err);
	vh_auto_json struct json_object *raw = line ? vh_json_parse(vh_str(line), err) : NULL;

	if (!raw)
		return NULL;
	const char *tree = vh_json_string(raw, "mtree", NULL);
	int64_t pid = 0, at = 0;

	if (tree) {
		vh_devices_free(s->devices);
		s->devices = vh_devices_parse(
			vh_str(tree), vh_str(vh_json_string(raw, "mtree_flat", "")));
	}
	struct vh_exits *e = decode(s, raw, vh_json_string(raw, "machine", s->machine), err);

	if (!e)
		return NULL;
	vh_json_i64(raw, "pid", &pid);
	vh_json_i64(raw, "at_wall_ns", &at);
	return interval(e, vh_json_string(raw, "vm", "VM"),
		pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0, VH_MAX(at, INT64_C(0)));
}

struct vh_exits_interval *vh_exits_source_read(struct vh_exits_source *s, struct vh_error **err)
{
	return s->replay ? read_replay(s, err) : read_trace(s, err);
}
