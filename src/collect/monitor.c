/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asking the monitor, turn after turn of the plan (src/collect/plan.c). Nothing is asked before
 * query-status has been answered, everything that can hang a VM last, and what was not asked is in
 * the case with its reason.
 */
#include <errno.h>
#include <stdio.h>

#include "collect/guestview.h"
#include "collect/session.h"

/* The two looks are so far apart. */
#define SAMPLE_GAP_NS (105 * VH_NS_PER_MS)
/* Where a request did not move between them a third one follows, so long behind the first: slow
 * storage has answered by then. */
#define SLOW_STORAGE_NS VH_NS_PER_S
/* Between them busy vCPUs are looked at again: only RIPs that move tell work from a spin. */
#define BUSY_GAP_NS    (15 * VH_NS_PER_MS)
#define BUSY_LOOKS     6u
#define BUSY_LOOKS_MIN 3u
#define BUSY_VCPUS     8u
#define LAPIC_VCPUS    16u
#define MAX_VCPUS      1024u
#define MAX_QOM_PATH   256u

static bool is_second(enum vh_round round)
{
	return round == VH_ASKED_AGAIN;
}

/* --- Whether the guest is encrypted -------------------------------------------------------------
 */

static enum vh_conf_kind kind_of_sev(struct vh_session *s, const char *path)
{
	vh_auto_qmp_answer struct vh_qmp_answer a = {0};

	vh_session_ask_property(s, path, "policy", &a);
	/* Policy bit 2 is ES (linux/psp-sev.h); unknown counts as ES, which forbids more. */
	if (json_object_is_type(a.value, json_type_int) && !(json_object_get_int64(a.value) & 4))
		return VH_CONF_SEV;
	return VH_CONF_SEV_ES;
}

/* What else it allows, for people; nothing hangs on it. */
static void ask_policy(struct vh_session *s, const char *path, const char *property)
{
	vh_auto_qmp_answer struct vh_qmp_answer a = {0};

	vh_session_ask_property(s, path, property, &a);
}

/* Which kind of confidential guest this is: of an encrypted one much must not be asked. */
static void follow_confidential(struct vh_session *s)
{
	static const struct {
		const char *type;
		enum vh_conf_kind kind;
	} types[] = {{"sev-snp-guest", VH_CONF_SEV_SNP}, {"tdx-guest", VH_CONF_TDX}};
	vh_auto_qmp_answer struct vh_qmp_answer link = {0}, type = {0};

	vh_session_ask_property(s, "/machine", "confidential-guest-support", &link);
	const char *path = json_object_is_type(link.value, json_type_string)
				   ? json_object_get_string(link.value)
				   : "";

	if (!path[0] || strlen(path) > MAX_QOM_PATH || !vh_session_goes_on(s))
		return;
	vh_session_ask_property(s, path, "type", &type);
	const char *name = json_object_is_type(type.value, json_type_string)
				   ? json_object_get_string(type.value)
				   : "";
	enum vh_conf_kind kind = VH_CONF_OTHER;

	for (size_t i = 0; i < VH_ARRAY_SIZE(types); i++)
		if (vh_streq(name, types[i].type))
			kind = types[i].kind;
	if (vh_streq(name, "sev-guest"))
		kind = kind_of_sev(s, path);
	else if (kind == VH_CONF_SEV_SNP || kind == VH_CONF_TDX)
		ask_policy(s, path, kind == VH_CONF_TDX ? "attributes" : "policy");
	vh_outlook_add_confidential(&s->outlook, kind);
}

/* --- Questions of one row --------------------------------------------------------------------- */

static void keep_answer(struct vh_session *s, const struct vh_question *q, enum vh_round round,
	struct vh_qmp_answer *a)
{
	vh_auto_free char *where = vh_asprintf("QMP %s", q->command);

	vh_session_add(s, round, q->source, q->subject, where, a);
	if (vh_streq(q->command, "query-migrate") && vh_session_migrates(s))
		vh_outlook_add_migration(&s->outlook);
	if (vh_streq(q->command, "query-blockstats") && a->value) {
		json_object_put(s->blockstats[is_second(round)]);
		s->blockstats[is_second(round)] = json_object_get(a->value);
	}
}

static void ask_command(struct vh_session *s, const struct vh_question *q, enum vh_round round)
{
	vh_auto_qmp_answer struct vh_qmp_answer a = {0};
	struct vh_error *err = NULL;
	vh_auto_json struct json_object *arguments =
		q->arguments ? vh_json_parse(vh_str(q->arguments), &err) : NULL;

	vh_error_free(err);
	vh_session_ask(s, q->command, arguments, &a);
	keep_answer(s, q, round, &a);
}

static void ask_line(struct vh_session *s, const struct vh_question *q, enum vh_round round,
	struct vh_vcpu_view *v)
{
	vh_auto_qmp_answer struct vh_qmp_answer a = {0};
	vh_auto_free char *subject = v ? vh_asprintf("vcpu:%lld", (long long)v->index) : NULL;
	vh_auto_free char *where =
		v ? vh_asprintf("HMP %s (vCPU %lld)", q->line, (long long)v->index)
		  : vh_asprintf("HMP %s", q->line);

	vh_session_ask_hmp(s, q->line, v ? v->index : -1, &a);
	vh_session_add(s, round, q->source, subject, where, &a);
	if (v && vh_streq(q->source, "hmp.info-registers"))
		vh_vcpu_view_take(v, vh_session_text(&a));
}

/* vCPUs that stand still: their interrupt controller tells what they wait for. */
static bool wants_lapic(const struct vh_session *s, const struct vh_vcpu_view *v)
{
	return v->known && (v->halted || (s->running && v->dumps > 1 && !v->moved));
}

/* vCPUs that are parked at one place, as after a boot, have one code: it is read once, and copied
 * for the others. */
static bool copy_code(struct vh_session *s, const struct vh_vcpu_view *v)
{
	for (const struct vh_vcpu_view *w = s->vcpus; w < v; w++) {
		if (!w->known || w->address != v->address || w->cr3 != v->cr3)
			continue;
		vh_auto_free char *theirs = vh_asprintf("vcpu:%lld", (long long)w->index);
		vh_auto_free char *ours = vh_asprintf("vcpu:%lld", (long long)v->index);
		vh_auto_free char *where =
			vh_asprintf("RIP and CR3 are those of vCPU %lld", (long long)w->index);
		const struct vh_evidence *code =
			vh_case_find_data(s->c, "guest.code", theirs, VH_ASKED);

		if (!code)
			return false;
		vh_evidence_set_data(vh_case_add(s->c, VH_ASKED, "guest.code", ours, where),
			code->data, code->size);
		return true;
	}
	return false;
}

static bool applies_to(
	const struct vh_session *s, const struct vh_question *q, const struct vh_vcpu_view *v)
{
	if (vh_streq(q->source, "hmp.info-lapic"))
		return wants_lapic(s, v);
	return !vh_streq(q->source, "guest.code") || v->known;
}

static void ask_vcpus(struct vh_session *s, const struct vh_question *q, enum vh_round round)
{
	size_t limit = vh_streq(q->source, "hmp.info-lapic") ? LAPIC_VCPUS : SIZE_MAX, asked = 0;
	/* The first look at many vCPUs must leave time for the rest. */
	int64_t left = vh_deadline_left_ns(s->total);
	struct vh_deadline enough = vh_deadline_in(is_second(round) ? left : left / 2);

	for (size_t i = 0; i < s->n_vcpus && asked < limit; i++) {
		struct vh_vcpu_view *v = &s->vcpus[i];

		if (!applies_to(s, q, v))
			continue;
		if (!vh_session_goes_on(s) || vh_deadline_passed(enough)) {
			vh_auto_free char *reason =
				vh_asprintf("not asked from vCPU %lld on: %s", (long long)v->index,
					s->over ? s->over
						: "half of the time for all questions is used up");

			vh_case_add_skipped(s->c, round, q->source, NULL, q->source, reason);
			return;
		}
		asked++;
		if (q->line)
			ask_line(s, q, round, v);
		else if (!copy_code(s, v))
			vh_session_read_code(s, v);
	}
}

/* The rows that are more than one command. */
static void ask_special(struct vh_session *s, const struct vh_question *q, enum vh_round round)
{
	if (vh_streq(q->source, "qmp.qom-get"))
		follow_confidential(s);
	else if (vh_streq(q->source, "qmp.x-query-virtio"))
		vh_session_find_queues(s);
	else if (vh_streq(q->source, "qmp.x-query-virtio-queue-status"))
		vh_session_look_at_queues(s, round);
	else if (vh_streq(q->source, "guest.screen"))
		vh_session_read_screen(s);
	else if (vh_streq(q->source, "guest.screendump"))
		vh_session_take_screendump(s);
}

static void ask_row(struct vh_session *s, const struct vh_question *q, enum vh_round round)
{
	const char *objection = vh_plan_objection(&s->outlook, q);

	if (!objection && !vh_session_goes_on(s))
		objection = s->over;
	if (objection) {
		/* query-sev is not missing where there is no SEV, nor the names of devices where
		 * nothing goes to one, nor a migration's parameters without one; and once said is
		 * enough. */
		if (!is_second(round) && objection != s->outlook.against[VH_NEED_SEV] &&
			objection != s->outlook.against[VH_NEED_DEVICES] &&
			objection != s->outlook.against[VH_NEED_MIGRATION])
			vh_case_add_skipped(
				s->c, round, q->source, q->subject, q->source, objection);
		return;
	}
	if (q->per_vcpu)
		ask_vcpus(s, q, round);
	else if (q->command)
		ask_command(s, q, round);
	else if (q->line)
		ask_line(s, q, round, NULL);
	else
		ask_special(s, q, round);
}

static void ask_turn(struct vh_session *s, enum vh_turn turn, enum vh_round round)
{
	for (size_t i = 0; i < vh_n_questions; i++) {
		const struct vh_question *q = &vh_questions[i];

		/* The first query-status stands before all stages. */
		if (q->turn == turn &&
			(is_second(round) || !vh_streq(q->source, "qmp.query-status")))
			ask_row(s, q, round);
	}
}

/* --- Who it is -------------------------------------------------------------------------------- */

static void ask_status(struct vh_session *s)
{
	vh_auto_qmp_answer struct vh_qmp_answer a = {0};
	const char *run_state = NULL;

	vh_session_ask(s, "query-status", NULL, &a);
	vh_session_add(s, VH_ASKED, "qmp.query-status", NULL, "QMP query-status", &a);
	if (a.value)
		run_state = vh_json_string(a.value, "status", NULL);
	if (run_state) {
		s->running = vh_json_bool(a.value, "running", false);
		vh_outlook_add_run_state(&s->outlook, run_state);
	} else if (!s->over)
		s->over = vh_asprintf("query-status gave no run state%s%s", a.detail ? ": " : "",
			a.detail ? a.detail : "");
}

static void learn_version(struct vh_session *s, struct json_object *version)
{
	struct json_object *qemu = vh_json_at(version, "qemu", NULL);

	vh_json_u64(qemu, "major", &s->major);
	vh_json_u64(qemu, "minor", &s->minor);
}

/* The vCPUs, by query-cpus-fast, else as many as the command line says. */
static void learn_vcpus(struct vh_session *s, struct json_object *cpus)
{
	size_t n = json_object_is_type(cpus, json_type_array) ? json_object_array_length(cpus) : 0;
	const char *target = NULL;

	for (size_t i = 0; i < n && s->n_vcpus < MAX_VCPUS; i++) {
		struct json_object *cpu = json_object_array_get_idx(cpus, i);
		int64_t index;

		if (!target)
			target = vh_json_string(cpu, "target", vh_json_string(cpu, "arch", NULL));
		if (vh_json_i64(cpu, "cpu-index", &index) && index >= 0)
			VH_PUSH(s->vcpus, s->n_vcpus).index = index;
	}
	for (size_t i = 0; !n && i < VH_MIN(s->c->vm->vcpus, MAX_VCPUS); i++)
		VH_PUSH(s->vcpus, s->n_vcpus).index = (int64_t)i;
	if (!target)
		target = !s->c->vm->exe                     ? "unknown"
			 : strstr(s->c->vm->exe, "x86_64")  ? "x86_64"
			 : strstr(s->c->vm->exe, "aarch64") ? "aarch64"
							    : "unknown";
	vh_auto_free char *shown = vh_escaped(target);

	if (vh_streq(target, "x86_64") || vh_streq(target, "i386") || vh_streq(target, "x86"))
		return;
	vh_outlook_object(&s->outlook, VH_NEED_X86,
		"this is a question to an x86 machine; this one is %s", shown);
	if (!vh_streq(target, "aarch64"))
		vh_outlook_object(&s->outlook, VH_NEED_KNOWN_CPU,
			"only x86-64 and 64-bit ARM can be looked into; this machine is %s", shown);
}

/* The newest answer of a source as JSON, which the caller puts; NULL without. */
static struct json_object *answer_of(const struct vh_session *s, const char *source)
{
	const struct vh_evidence *e = vh_case_find_data(s->c, source, NULL, VH_ASKED);
	struct vh_error *err = NULL;
	struct json_object *o = e ? vh_json_parse(vh_evidence_text(e), &err) : NULL;

	vh_error_free(err);
	return o;
}

static void identify(struct vh_session *s)
{
	ask_turn(s, VH_TURN_IDENTIFY, VH_ASKED);
	vh_auto_json struct json_object *version = answer_of(s, "qmp.query-version");
	vh_auto_json struct json_object *cpus = answer_of(s, "qmp.query-cpus-fast");

	learn_version(s, version);
	vh_outlook_add_version(&s->outlook, s->major, s->minor);
	learn_vcpus(s, cpus);
}

bool vh_session_identify(struct vh_session *s)
{
	ask_status(s);
	if (!s->over)
		identify(s);
	return !s->over;
}

/* --- The two looks ---------------------------------------------------------------------------- */

/* Looks again at vCPUs that are not halted until the gap is over, and at least BUSY_LOOKS_MIN
 * times. */
static void watch_busy(struct vh_session *s, int64_t until_ns)
{
	const struct vh_question *q = vh_plan_find("hmp.info-registers", NULL);
	bool allowed = !vh_plan_objection(&s->outlook, q);
	int64_t next = vh_now_ns();

	for (unsigned look = 0; look < BUSY_LOOKS && allowed; look++) {
		size_t busy = 0;

		next += BUSY_GAP_NS;
		/* A slow monitor must not leave a busy vCPU with the two looks that decide nothing.
		 */
		if (next > until_ns && look >= BUSY_LOOKS_MIN)
			break;
		vh_sleep_until_ns(next);
		for (size_t i = 0; i < s->n_vcpus && busy < BUSY_VCPUS; i++)
			if (s->vcpus[i].known && !s->vcpus[i].halted && vh_session_goes_on(s)) {
				busy++;
				ask_line(s, q, VH_ASKED_AGAIN, &s->vcpus[i]);
			}
		if (!busy)
			break;
	}
	if (vh_session_goes_on(s))
		vh_sleep_until_ns(VH_MIN(until_ns, s->total.at_ns));
}

static void look_at_storage_again(struct vh_session *s, int64_t began)
{
	static const char *const sources[] = {
		"qmp.query-blockstats", "qmp.x-query-virtio-queue-status"};

	if (!vh_session_queue_waits(s) || !vh_session_goes_on(s))
		return;
	vh_sleep_until_ns(VH_MIN(began + SLOW_STORAGE_NS, s->total.at_ns - s->step_ns / 2));
	for (size_t i = 0; i < VH_ARRAY_SIZE(sources); i++)
		ask_row(s, vh_plan_find(sources[i], NULL), VH_ASKED_AGAIN);
}

static void look_twice(struct vh_session *s)
{
	int64_t began = vh_now_ns();

	ask_turn(s, VH_TURN_SAMPLE, VH_ASKED);
	ask_turn(s, VH_TURN_ONCE, VH_ASKED);
	vh_session_read_ghcbs(s);
	/* What is held does not change. */
	if (s->running && vh_session_goes_on(s)) {
		watch_busy(s, began + SAMPLE_GAP_NS);
		ask_turn(s, VH_TURN_SAMPLE, VH_ASKED_AGAIN);
		look_at_storage_again(s, began);
	}
	vh_session_watch_progress(s);
}

/* --- What could hang it ----------------------------------------------------------------------- */

static void ask_last(struct vh_session *s)
{
	vh_auto_reading struct vh_reading mounts;
	const struct vh_evidence *screen = vh_case_find(s->c, "guest.screen", NULL, VH_ASKED);

	vh_host_read(s->host, 4u << 20, &mounts, "/proc/%d/mountinfo", (int)s->c->vm->id.pid);
	struct vh_str text = {mounts.data, mounts.size};

	vh_outlook_add_mounts(&s->outlook, s->c, mounts.status == VH_OK ? &text : NULL);
	vh_outlook_add_blockstats(&s->outlook, s->blockstats[0], s->blockstats[1]);
	if (screen && screen->status == VH_OK)
		vh_outlook_object(&s->outlook, VH_NEED_FILE,
			"the screen is in text mode, and was read as text");
	vh_session_object_to_screendump(s);
	ask_turn(s, VH_TURN_LAST, VH_ASKED);
}

static void keep_events(struct vh_session *s)
{
	size_t n = s->qmp ? vh_qmp_n_events(s->qmp) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *event = vh_qmp_event(s->qmp, i);
		const char *text = json_object_to_json_string_ext(
			event, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
		struct vh_evidence *e = vh_case_add(
			s->c, VH_ASKED, "qmp.event", vh_json_string(event, "event", "?"), "QMP");

		vh_evidence_set_data(e, text, strlen(text));
	}
	if (!n || !vh_qmp_events_lost(s->qmp))
		return;
	vh_auto_free char *note = vh_asprintf(
		"The monitor sent %zu events during the session; the first %zu are kept.",
		n + vh_qmp_events_lost(s->qmp), n);
	struct vh_evidence *e = vh_case_add(s->c, VH_ASKED, "vmhang.note", NULL, "QMP");

	vh_evidence_set_data(e, note, strlen(note));
}

/* Where nothing is asked, the guest's memory may be read even so. */
static void skip_all(struct vh_session *s)
{
	for (size_t i = 0; i < vh_n_questions; i++)
		if (vh_questions[i].turn != VH_TURN_INSIDE &&
			(vh_questions[i].turn != VH_TURN_SAMPLE ||
				!vh_streq(vh_questions[i].source, "qmp.query-status")))
			ask_row(s, &vh_questions[i], VH_ASKED);
}

void vh_collect_monitor(
	struct vh_host *host, struct vh_case *c, const struct vh_collect_options *options)
{
	struct vh_session s;

	if (options->passive) {
		vh_case_add_skipped(c, VH_ASKED, "qmp.greeting", NULL, "monitor",
			"only passive looks were wanted");
		return;
	}
	vh_session_begin(&s, host, c, options);
	vh_session_ask_libvirt(&s);
	if (vh_session_open(&s))
		vh_session_identify(&s);
	if (s.over) {
		if (!s.unaskable)
			skip_all(&s);
		vh_session_look_inside(&s, false);
	} else {
		look_twice(&s);
		vh_session_look_inside(&s, true);
		ask_last(&s);
	}
	vh_session_ask_libvirt_stats(&s);
	keep_events(&s);
	vh_session_end(&s);
}
