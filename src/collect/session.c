/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/session.h"

#include <errno.h>

#include "collect/endpoint.h"

/* Connecting and the greeting, tried on so many monitors of one VM. */
#define MAX_MONITORS 3
#define MAX_TEXT     (512u << 10) /* of one HMP command */

void vh_session_begin(struct vh_session *s, struct vh_host *host, struct vh_case *c,
	const struct vh_collect_options *options)
{
	*s = (struct vh_session){.host = host, .c = c, .options = options, .running = true};
	s->guard = vh_guard_create();
	s->step_ns = options->step_ns ? options->step_ns : VH_STEP_NS;
	s->total = vh_deadline_in(options->monitor_ns ? options->monitor_ns : VH_MONITOR_NS);
	vh_outlook_take(&s->outlook, c);
	if (!vh_host_is_live(host))
		vh_outlook_object(&s->outlook, VH_NEED_ACCESS,
			"this is a captured host: there is no memory of the VM");
}

void vh_session_end(struct vh_session *s)
{
	for (size_t i = 0; i < 2; i++)
		json_object_put(s->blockstats[i]);
	vh_qmp_close(s->qmp);
	vh_libvirt_close(s->lv);
	vh_outlook_free(&s->outlook);
	vh_guard_destroy(s->guard);
	vh_session_free_queues(s);
	free(s->vcpus);
	free(s->over);
}

/* The socket that libvirt itself talks to: a second client gets no greeting and is in its way. */
static bool is_libvirts_own(const struct vh_vm *vm, const char *address)
{
	const char *slash = strrchr(address, '/');

	if (!vm->libvirt.managed)
		return false;
	return vh_prefix(address, "fd:") ||
	       (slash && (vh_streq(slash, "/monitor.sock") || strstr(slash, ".monitor")));
}

/* The path that a socket was bound to, maybe relative to a directory that QEMU has left since. */
static bool is_path_of(struct vh_str bound, const char *path)
{
	size_t n = strlen(path);

	if (!bound.n || bound.n > n || memcmp(path + n - bound.n, bound.s, bound.n) != 0)
		return false;
	return bound.n == n || path[n - bound.n - 1] == '/';
}

/* Connected clients of a socket, by proc.unix: lines of /proc/net/unix, state 03 and the path. */
static size_t established(const struct vh_case *c, const char *path)
{
	const struct vh_evidence *e = vh_case_find_data(c, "proc.unix", NULL, VH_N_ROUND);
	struct vh_str rest = vh_evidence_text(e), line, word[8];
	size_t n = 0;

	while (vh_next_line(&rest, &line)) {
		size_t fields = 0;

		while (fields < 7 && vh_next_word(&line, &word[fields]))
			fields++;
		if (fields == 7 && vh_str_is(word[5], "03") && is_path_of(vh_str_trim(line), path))
			n++;
	}
	return n;
}

/* No greeting: who is to blame, as far as the passive evidence tells. */
static void explain_silence(struct vh_session *s, const char *address, struct vh_qmp_answer *a)
{
	if (a->outcome != VH_QMP_NO_GREETING || !vh_prefix(address, "unix:") ||
		!vh_case_find_data(s->c, "proc.unix", NULL, VH_N_ROUND))
		return;
	size_t n = established(s->c, address + 5);
	vh_auto_free char *detail = a->detail;

	a->detail = NULL;
	if (n) {
		vh_qmp_answer_set(a, VH_QMP_NO_GREETING,
			"%s: another client holds this monitor (%zu connected), QEMU serves one at "
			"a time",
			detail, n);
		return;
	}
	vh_qmp_answer_set(a, VH_QMP_NO_GREETING,
		"%s, and no other client is connected: QEMU does not accept", detail);
	a->status = VH_FAILED;
	a->err = ECONNREFUSED;
}

static void connect_to(struct vh_session *s, const char *address)
{
	struct vh_deadline step = vh_deadline_min(s->total, vh_deadline_in(s->step_ns));
	vh_auto_qmp_answer struct vh_qmp_answer greeting = {0};

	s->qmp = vh_qmp_connect(s->host, s->guard, s->c->vm->id.pid, address, step, &greeting);
	explain_silence(s, address, &greeting);
	vh_session_add(s, VH_ASKED, "qmp.greeting", NULL, address, &greeting);
	if (s->qmp) {
		struct vh_evidence *e =
			vh_case_add(s->c, VH_ASKED, "monitor.address", NULL, "command line");

		vh_evidence_set_data(e, address, strlen(address));
		free(s->over);
		s->over = NULL;
		return;
	}
	free(s->over);
	s->over = vh_asprintf("the monitor cannot be reached: %s", greeting.detail);
}

/* Why nobody can ask this VM, and what would change that. */
static void say_unaskable(struct vh_session *s)
{
	const struct vh_vm *vm = s->c->vm;
	struct vh_evidence *e = vh_case_add(s->c, VH_ASKED, "qmp.greeting", NULL, "command line");
	vh_auto_free char *backend = vh_escaped(vm->n_monitors ? vm->monitors[0].address : NULL);

	if (vm->vmm != VH_VMM_QEMU)
		vh_evidence_fail(e, VH_ABSENT, 0,
			"%s has no QMP monitor: only what needs none is known",
			vh_vmm_name(vm->vmm));
	else if (vm->libvirt.managed)
		vh_evidence_fail(e, VH_ABSENT, 0,
			"libvirt holds the monitor, and libvirt was not to be asked or cannot be");
	else if (!vm->n_monitors)
		vh_evidence_fail(e, VH_ABSENT, 0,
			"the VM has no monitor; started with -qmp unix:/run/NAME.qmp,server=on,"
			"wait=off it could be asked");
	else
		vh_evidence_fail(e, VH_ABSENT, 0,
			"the VM's monitor (%s, %s) is none that another program can use; a second "
			"one, -qmp unix:/run/NAME.qmp,server=on,wait=off, could be asked",
			vh_monitor_kind_name(vm->monitors[0].kind), backend);
	s->over = vh_strdup(e->detail);
	s->unaskable = true;
}

static bool open_sockets(struct vh_session *s)
{
	const struct vh_vm *vm = s->c->vm;
	size_t tried = 0;

	for (size_t i = 0; i < vm->n_monitors && !s->qmp && tried < MAX_MONITORS; i++) {
		const char *address = vm->monitors[i].address;

		if (vm->monitors[i].kind != VH_MONITOR_QMP || !vh_endpoint_usable(address) ||
			is_libvirts_own(vm, address))
			continue;
		tried++;
		connect_to(s, address);
	}
	return tried > 0;
}

bool vh_session_open(struct vh_session *s)
{
	if (s->outlook.against[VH_NEED_CONTACT]) {
		s->over = vh_strdup(s->outlook.against[VH_NEED_CONTACT]);
		vh_case_add_skipped(s->c, VH_ASKED, "qmp.greeting", NULL, "monitor", s->over);
		return false;
	}
	bool tried = open_sockets(s);

	if (s->qmp)
		return true;
	if (s->lv) {
		vh_auto_free char *address = vh_asprintf("libvirt %s", vh_libvirt_uri(s->lv));
		struct vh_evidence *e =
			vh_case_add(s->c, VH_ASKED, "monitor.address", NULL, "libvirt");

		vh_evidence_set_data(e, address, strlen(address));
		free(s->over);
		s->over = NULL;
		s->through_libvirt = true;
		return true;
	}
	if (!tried)
		say_unaskable(s);
	return false;
}

bool vh_session_goes_on(struct vh_session *s)
{
	if (!s->over && vh_deadline_passed(s->total))
		s->over = vh_strdup("the time for all questions together is used up");
	return !s->over;
}

static void ask_libvirt(struct vh_session *s, const char *command, struct json_object *arguments,
	struct vh_deadline deadline, struct vh_qmp_answer *a)
{
	vh_auto_json struct json_object *o = json_object_new_object();
	vh_auto_free char *text = NULL;
	vh_auto_error struct vh_error *err = NULL;

	*a = (struct vh_qmp_answer){.at_ns = vh_now_ns()};
	vh_json_put_text(o, "execute", command);
	if (arguments)
		json_object_object_add(o, "arguments", json_object_get(arguments));
	err = vh_libvirt_monitor(s->lv, s->c->vm->uuid,
		json_object_to_json_string_ext(
			o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
		deadline, &text);
	a->took_ns = vh_now_ns() - a->at_ns;
	if (err) {
		enum vh_qmp_outcome outcome = err->code == ETIMEDOUT ? VH_QMP_NO_ANSWER
					      : err->code == EBUSY   ? VH_QMP_BUSY
					      : err->code == EACCES  ? VH_QMP_DENIED
								     : VH_QMP_UNCONNECTED;

		vh_qmp_answer_set(a, outcome, "%s", err->message);
		a->err = err->code;
		return;
	}
	vh_auto_json struct json_object *reply = vh_json_parse(vh_str(text), &err);

	if (reply)
		vh_qmp_answer_take(a, reply);
	else
		vh_qmp_answer_set(
			a, VH_QMP_NOT_QMP, "libvirt passed on what is no JSON: %s", err->message);
}

void vh_session_ask(struct vh_session *s, const char *command, struct json_object *arguments,
	struct vh_qmp_answer *a)
{
	struct vh_deadline step = vh_deadline_min(s->total, vh_deadline_in(s->step_ns));

	if (s->through_libvirt)
		ask_libvirt(s, command, arguments, step, a);
	else
		vh_qmp_ask(s->qmp, command, arguments, step, a);
	if (a->outcome == VH_QMP_OK || a->outcome == VH_QMP_ERROR)
		return;
	/* QEMU answers in order: behind an answer that stays out there is none. */
	free(s->over);
	s->over = vh_asprintf("the monitor stopped answering: %s", a->detail);
}

void vh_session_ask_property(
	struct vh_session *s, const char *path, const char *property, struct vh_qmp_answer *a)
{
	vh_auto_json struct json_object *arguments = json_object_new_object();
	vh_auto_free char *subject = vh_asprintf("%s.%s", path, property);

	vh_json_put_text(arguments, "path", path);
	vh_json_put_text(arguments, "property", property);
	vh_session_ask(s, "qom-get", arguments, a);
	/* A property that this version does not have is nothing that failed. */
	if (a->outcome == VH_QMP_ERROR && strstr(a->detail, "not found"))
		a->status = VH_ABSENT;
	vh_session_add(s, VH_ASKED, "qmp.qom-get", subject, "QMP qom-get", a);
}

void vh_session_ask_hmp(
	struct vh_session *s, const char *line, int64_t cpu, struct vh_qmp_answer *a)
{
	vh_auto_json struct json_object *arguments = json_object_new_object();

	vh_json_put_text(arguments, "command-line", line);
	if (cpu >= 0)
		vh_json_put_i64(arguments, "cpu-index", cpu);
	vh_session_ask(s, "human-monitor-command", arguments, a);
	if (a->outcome == VH_QMP_OK && !json_object_is_type(a->value, json_type_string))
		vh_qmp_answer_set(a, VH_QMP_NOT_QMP, "human-monitor-command gave no text");
}

struct vh_str vh_session_text(const struct vh_qmp_answer *a)
{
	if (a->outcome != VH_QMP_OK || !json_object_is_type(a->value, json_type_string))
		return (struct vh_str){"", 0};
	return (struct vh_str){
		json_object_get_string(a->value), (size_t)json_object_get_string_len(a->value)};
}

struct vh_evidence *vh_session_add(struct vh_session *s, enum vh_round round, const char *source,
	const char *subject, const char *where, const struct vh_qmp_answer *a)
{
	struct vh_evidence *e = vh_case_add(s->c, round, source, subject, where);

	e->at_ns = a->at_ns - s->c->began_ns;
	e->took_ns = a->took_ns;
	if (a->outcome != VH_QMP_OK) {
		/* QEMU's own words may be in it. */
		vh_auto_free char *detail = vh_escaped(a->detail);

		vh_evidence_fail(e, a->status, a->err, "%s", detail);
		return e;
	}
	struct vh_str text = vh_session_text(a);

	if (vh_prefix(source, "hmp.") && text.n > MAX_TEXT) {
		vh_evidence_set_data(e, text.s, MAX_TEXT);
		vh_evidence_fail(e, VH_TRUNCATED, 0, "the first %u of %zu bytes", MAX_TEXT, text.n);
		return e;
	}
	if (!vh_prefix(source, "hmp.")) {
		text.s = json_object_to_json_string_length(
			a->value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &text.n);
	}
	vh_evidence_set_data(e, text.s, text.n);
	return e;
}
