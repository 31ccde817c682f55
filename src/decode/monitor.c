/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What became of the monitor: the table in docs/evidence.md, "What became of the monitor". */
#include <errno.h>

#include "base/names.h"
#include "decode/pasted.h"

static const char *const names[VH_N_MONITOR_STATE] = {
	[VH_MONITOR_NONE] = "none",
	[VH_MONITOR_NOT_ASKED] = "not-asked",
	[VH_MONITOR_BUSY] = "busy",
	[VH_MONITOR_REFUSED] = "refused",
	[VH_MONITOR_SILENT] = "silent",
	[VH_MONITOR_BROKEN] = "broken",
	[VH_MONITOR_ANSWERED] = "answered",
};

const char *vh_monitor_state_name(enum vh_monitor_state state)
{
	return vh_name_of(names, VH_ARRAY_SIZE(names), (int)state);
}

static bool is_busy(int err)
{
	return err == EAGAIN || err == EBUSY;
}

static enum vh_monitor_state from_status(const struct vh_evidence *e, bool told)
{
	if (is_busy(e->err))
		return VH_MONITOR_BUSY;
	switch (e->status) {
	case VH_OK:
	case VH_TRUNCATED:
	case VH_LOST:
		return told ? VH_MONITOR_ANSWERED : VH_MONITOR_BROKEN;
	case VH_SKIPPED:
		return VH_MONITOR_NOT_ASKED;
	case VH_DENIED:
	case VH_ABSENT:
		return VH_MONITOR_REFUSED;
	case VH_TIMED_OUT:
		return VH_MONITOR_SILENT;
	default:
		/* Closed on us, an error for an answer, or no answer of the protocol: whatever it
		 * is, it is not a main loop that is stuck. */
		return VH_MONITOR_BROKEN;
	}
}

static enum vh_monitor_state from_greeting(const struct vh_evidence *e)
{
	if (is_busy(e->err))
		return VH_MONITOR_BUSY;
	switch (e->status) {
	case VH_OK:
	case VH_TRUNCATED:
	case VH_LOST:
		return VH_MONITOR_SILENT; /* and nothing came of it */
	case VH_SKIPPED:
		return VH_MONITOR_NOT_ASKED;
	case VH_TIMED_OUT:
		return VH_MONITOR_BUSY;
	case VH_ABSENT:
		return e->err ? VH_MONITOR_REFUSED : VH_MONITOR_NONE;
	default:
		return e->err == EPROTO ? VH_MONITOR_BROKEN : VH_MONITOR_REFUSED;
	}
}

static bool could_be_asked(const struct vh_vm *vm)
{
	for (size_t i = 0; i < vm->n_monitors; i++)
		if (vm->monitors[i].kind == VH_MONITOR_QMP)
			return true;
	return vm->libvirt.managed || vm->libvirt.answered;
}

static void take_version(struct vh_monitor_view *v, struct json_object *version)
{
	static const char *const keys[] = {"major", "minor", "micro"};
	struct json_object *qemu = vh_json_at(version, "qemu", NULL);
	int64_t number;

	for (int i = 0; i < 3; i++)
		if (vh_json_i64(qemu, keys[i], &number) && number >= 0 && number < 100000)
			v->version[i] = (int)number;
}

static void decode_version(struct vh_decoder *d)
{
	struct vh_monitor_view *v = &d->m->monitor;
	vh_auto_json struct json_object *greeting =
		vh_seek_json(&d->in, "qmp.greeting", "", VH_N_ROUND);
	vh_auto_json struct json_object *version =
		vh_seek_json(&d->in, "qmp.query-version", "", VH_N_ROUND);

	v->version[0] = v->version[1] = v->version[2] = -1;
	take_version(v, vh_json_at(greeting, "QMP", "version", NULL));
	take_version(v, version);
}

/* The first question behind query-status that nobody answered. */
static void find_failed_command(struct vh_decoder *d)
{
	const struct vh_case *c = d->in.c;

	vh_case_foreach (c, e) {
		bool hmp = vh_prefix(e->source, "hmp.");

		if ((!hmp && !vh_prefix(e->source, "qmp.")) ||
			vh_streq(e->source, "qmp.greeting") ||
			vh_streq(e->source, "qmp.query-status"))
			continue;
		if (e->status != VH_TIMED_OUT && e->err != ECONNRESET && e->err != EPIPE)
			continue;
		vh_auto_free char *name = vh_escaped(e->source + strlen("qmp."));

		for (char *s = name; hmp && *s; s++)
			*s = *s == '-' ? ' ' : *s;
		d->m->monitor.failed_command = vh_strdup(name);
		return;
	}
}

#define MAX_EVENT_TEXT 500

static void decode_events(struct vh_decoder *d)
{
	struct vh_monitor_view *v = &d->m->monitor;
	const struct vh_case *c = d->in.c;

	vh_case_foreach (c, e) {
		if (!vh_streq(e->source, "qmp.event") || v->n_events >= VH_MAX_EVENTS)
			continue;
		struct vh_str text = vh_evidence_text(e);
		struct vh_buf escaped = {0};

		vh_escape(&escaped, (struct vh_str){text.s, VH_MIN(text.n, MAX_EVENT_TEXT)}, false);
		VH_PUSH(v->events, v->n_events) = (struct vh_event){.name = vh_escaped(e->subject),
			.text = vh_buf_steal(&escaped),
			.at_ns = e->at_ns};
	}
}

static char *why_not(
	enum vh_monitor_state state, const struct vh_evidence *e, const struct vh_case *c)
{
	if (state == VH_MONITOR_ANSWERED)
		return NULL;
	if (e && e->detail)
		return vh_escaped(e->detail);
	switch (state) {
	case VH_MONITOR_NONE:
		return vh_strdup("the VM has no monitor that could be asked");
	case VH_MONITOR_NOT_ASKED:
		return vh_strdup(c->passive ? "--passive: the monitor is not touched"
					    : "the monitor was not asked");
	case VH_MONITOR_BUSY:
		return vh_strdup("another client holds the monitor");
	case VH_MONITOR_REFUSED:
		return vh_strdup(e && e->err ? strerror(e->err) : "no connection");
	case VH_MONITOR_BROKEN:
		return vh_strdup("what it said is not QMP");
	default:
		return vh_strdup("it does not answer query-status");
	}
}

void vh_decode_monitor(struct vh_decoder *d)
{
	struct vh_monitor_view *v = &d->m->monitor;
	const struct vh_found *status = vh_seek(&d->in, "qmp.query-status", "", VH_ASKED);
	const struct vh_found *greeting = vh_seek(&d->in, "qmp.greeting", "", VH_N_ROUND);
	vh_auto_json struct json_object *answer =
		vh_seek_json(&d->in, "qmp.query-status", "", VH_N_ROUND);
	const char *run_state = vh_json_string(answer, "status", NULL);
	struct vh_str address = vh_seek_text(&d->in, "monitor.address", "", VH_N_ROUND);

	v->greeted = vh_seek_data(&d->in, "qmp.greeting", "", VH_N_ROUND) != NULL;
	if (!status)
		status = vh_seek(&d->in, "qmp.query-status", "", VH_N_ROUND);
	if (status && !(status->e->status == VH_SKIPPED && greeting &&
			      !vh_status_has_data(greeting->e->status)))
		v->state = from_status(status->e, run_state != NULL);
	else if (greeting)
		v->state = from_greeting(greeting->e);
	else
		v->state = d->in.c->passive || could_be_asked(d->m->vm) ? VH_MONITOR_NOT_ASKED
									: VH_MONITOR_NONE;
	if (run_state) {
		v->run_state = vh_escaped(run_state);
		v->running = vh_json_bool(answer, "running", vh_streq(run_state, "running"));
	}
	if (address.n)
		v->address = vh_str_dup(vh_str_trim(address));
	v->via_libvirt = vh_prefix(v->address, "libvirt ");
	v->why = why_not(v->state, status ? status->e : greeting ? greeting->e : NULL, d->in.c);
	decode_version(d);
	find_failed_command(d);
	decode_events(d);
}
