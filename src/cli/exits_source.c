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

/* Raw, as it was counted, with the VM and the time beside it. */
static struct vh_error *save(struct vh_exits_source *s, struct json_object *raw, int64_t at_wall_ns)
{
	vh_json_put_i64(raw, "at_wall_ns", at_wall_ns);
	vh_json_put_text(raw, "machine", s->machine);
	vh_json_put_text(raw, "vm", s->vm->name);
	vh_json_put_i64(raw, "pid", s->vm->id.pid);
	if (fprintf(s->save, "%s\n", json_object_to_json_string_ext(raw, JSON_C_TO_STRING_PLAIN)) <
			0 ||
		fflush(s->save) != 0)
		return vh_error_new(errno, "writing the intervals");
	return NULL;
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
	struct vh_case *c = vh_collect_device_map(s->host, s->vm, raw, &s->ask);

	s->devices = vh_devices_parse(
		vh_evidence_text(vh_case_find_data(c, "hmp.info-mtree", NULL, VH_N_ROUND)),
		vh_evidence_text(vh_case_find_data(c, "hmp.info-mtree-flat", NULL, VH_N_ROUND)));
	vh_case_free(c);
}

static struct vh_exits_interval *decode(struct vh_exits_source *s, struct json_object *raw,
	const char *machine, struct vh_error **err)
{
	size_t n;
	const char *text = json_object_to_json_string_length(raw, JSON_C_TO_STRING_PLAIN, &n);
	struct vh_exits *e = vh_exits_decode((struct vh_str){text, n}, machine, s->devices, err);

	if (e && s->trace && !s->asked) {
		ask_for_devices(s, e, (struct vh_str){text, n});
		if (s->asked) {
			vh_exits_free(e);
			e = vh_exits_decode((struct vh_str){text, n}, machine, s->devices, err);
		}
	}
	if (!e)
		return NULL;
	s->saw_exits = s->saw_exits || e->sees_exits;
	e->sees_exits = s->saw_exits;
	struct vh_exits_interval *i = vh_alloc(sizeof(*i));

	i->exits = e;
	return i;
}

static struct vh_exits_interval *read_trace(struct vh_exits_source *s, struct vh_error **err)
{
	vh_auto_json struct json_object *raw = vh_trace_read(s->trace);
	int64_t now = vh_wall_clock_ns();

	if (s->save && (*err = save(s, raw, now)))
		return NULL;
	struct vh_exits_interval *i = decode(s, raw, s->machine, err);

	if (!i)
		return NULL;
	i->name = vh_strdup(s->vm->name);
	i->about = (struct vh_exits_about){i->name, s->vm->id.pid, now};
	return i;
}

/* The next line that is not empty, without its newline; NULL at the end. */
static char *next_line(FILE *file, struct vh_error **err)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	while ((n = getline(&line, &room, file)) >= 0) {
		if (vh_str_trim((struct vh_str){line, (size_t)n}).n == 0)
			continue;
		if ((size_t)n > MAX_LINE_BYTES)
			*err = vh_error_new(EFBIG, "a line of %zd bytes", n);
		else if (strlen(line) != (size_t)n)
			*err = vh_error_new(0, "a line holds a NUL");
		else
			return line;
		break;
	}
	if (n < 0 && ferror(file))
		*err = vh_error_new(errno, "reading");
	free(line);
	return NULL;
}

static struct vh_exits_interval *read_replay(struct vh_exits_source *s, struct vh_error **err)
{
	vh_auto_free char *line = next_line(s->replay, err);
	vh_auto_json struct json_object *raw = line ? vh_json_parse(vh_str(line), err) : NULL;

	if (!raw)
		return NULL;
	const char *machine = vh_json_string(raw, "machine", s->machine);
	struct vh_exits_interval *i = decode(s, raw, machine, err);
	int64_t pid = 0, at = 0;

	if (!i)
		return NULL;
	vh_json_i64(raw, "pid", &pid);
	vh_json_i64(raw, "at_wall_ns", &at);
	i->name = vh_strdup(vh_json_string(raw, "vm", "VM"));
	i->about = (struct vh_exits_about){
		i->name, pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0, at > 0 ? at : 0};
	return i;
}

struct vh_exits_interval *vh_exits_source_read(struct vh_exits_source *s, struct vh_error **err)
{
	return s->replay ? read_replay(s, err) : read_trace(s, err);
}
