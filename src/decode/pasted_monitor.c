/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people's monitor, virsh and older QMP said, where a text has that instead of QMP's answers.
 */
#include <ctype.h>
#include <errno.h>

#include "decode/pasted.h"

static struct vh_str text_of(const struct vh_decoder *d, const char *source)
{
	return vh_str_trim(vh_seek_text(&d->in, source, "", VH_N_ROUND));
}

/* "VM status: running", "VM status: paused (io-error)" (HMP info status): the state that QMP names.
 */
static char *hmp_state(struct vh_str text)
{
	static const char prefix[] = "VM status: ";
	struct vh_str line, state;

	if (!vh_next_line(&text, &line) || !vh_str_starts(line, prefix))
		return NULL;
	line = (struct vh_str){line.s + strlen(prefix), line.n - strlen(prefix)};
	const char *open = memchr(line.s, '(', line.n), *close = memchr(line.s, ')', line.n);

	/* "running (single step mode)", "paused (guest-panicked)" */
	if (vh_str_starts(line, "running"))
		return vh_strdup("running");
	state = open && close > open ? (struct vh_str){open + 1, close - open - 1} : line;
	return vh_str_dup((struct vh_str){state.s, VH_MIN(state.n, 40)});
}

/* libvirt's state and reason (tools/virsh-domain-monitor.c, libvirt-domain.h) as QMP's. */
static const struct {
	const char *state, *reason, *run_state;
} libvirt_states[] = {
	{"running", NULL, "running"},
	{"idle", NULL, "running"},
	{"paused", "I/O error", "io-error"},
	{"paused", "crashed", "guest-panicked"},
	{"paused", "migrating", "paused"},
	{"paused", "starting up", "prelaunch"},
	{"paused", "watchdog", "watchdog"},
	{"paused", NULL, "paused"},
	{"crashed", "panicked", "guest-panicked"},
	{"pmsuspended", NULL, "suspended"},
	{"in shutdown", NULL, "running"},
};

static char *libvirt_state(const struct vh_vm *vm)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(libvirt_states); i++)
		if (vh_streq(vm->libvirt.state, libvirt_states[i].state) &&
			(!libvirt_states[i].reason ||
				vh_streq(vm->libvirt.reason, libvirt_states[i].reason)))
			return vh_strdup(libvirt_states[i].run_state);
	return NULL;
}

/* virDomainState and virDomainPausedReason as numbers, in domstats. */
static char *domstats_state(struct vh_str text)
{
	uint64_t state = 0, reason = 0;
	struct vh_str line, key;

	while (vh_next_line(&text, &line)) {
		line = vh_str_trim(line);
		if (!vh_next_part(&line, '=', &key))
			continue;
		if (vh_str_is(key, "state.state"))
			vh_parse_u64(line, 10, &state);
		if (vh_str_is(key, "state.reason"))
			vh_parse_u64(line, 10, &reason);
	}
	switch (state) {
	case 1: /* VIR_DOMAIN_RUNNING */
		return vh_strdup("running");
	case 3: /* VIR_DOMAIN_PAUSED; 5: _IOERROR, 10: _CRASHED */
		return vh_strdup(reason == 5    ? "io-error"
				 : reason == 10 ? "guest-panicked"
						: "paused");
	case 6: /* VIR_DOMAIN_CRASHED */
		return vh_strdup("guest-panicked");
	case 7: /* VIR_DOMAIN_PMSUSPENDED */
		return vh_strdup("suspended");
	default:
		return NULL;
	}
}

static void set_state(struct vh_monitor_view *v, char *state, bool answered)
{
	char *shown = vh_escaped(state);

	free(state);
	free(v->run_state);
	v->run_state = shown;
	v->running = vh_streq(shown, "running");
	/* libvirt knows the state without asking QEMU: that is no answer of the monitor. */
	if (!answered)
		return;
	v->state = VH_MONITOR_ANSWERED;
	free(v->why);
	v->why = NULL;
}

/* "qemu version: 4.2.0" in libvirt's log of the domain. */
static void version_from_log(struct vh_decoder *d)
{
	static const char mark[] = "qemu version: ";
	size_t begin, end;

	vh_lookup_source(&d->in, "log.qemu", &begin, &end);
	for (size_t i = begin; i < end; i++) {
		struct vh_str text = vh_evidence_text(d->in.list[i].e), part;
		ssize_t at = vh_str_find(text, mark);
		int version[3] = {-1, -1, -1};
		uint64_t number;

		if (at < 0)
			continue;
		text = (struct vh_str){text.s + at + strlen(mark), text.n - at - strlen(mark)};
		for (int k = 0; k < 3 && vh_next_part(&text, k < 2 ? '.' : ' ', &part); k++) {
			size_t n = 0;

			while (n < part.n && isdigit((unsigned char)part.s[n]))
				n++;
			if (n && vh_parse_u64((struct vh_str){part.s, n}, 10, &number) &&
				number < 100000)
				version[k] = (int)number;
		}
		if (version[0] >= 0)
			memcpy(d->m->monitor.version, version, sizeof(version));
	}
}

/* "cannot acquire state change lock (held by monitor=...)": libvirt waits for an answer. */
static void busy_from_log(struct vh_decoder *d)
{
	struct vh_monitor_view *v = &d->m->monitor;
	size_t begin, end;

	vh_lookup_source(&d->in, "pasted.libvirt-log", &begin, &end);
	for (size_t i = begin; i < end && v->state != VH_MONITOR_ANSWERED; i++) {
		if (vh_str_find(vh_evidence_text(d->in.list[i].e),
			    "cannot acquire state change lock") < 0)
			continue;
		v->state = VH_MONITOR_BUSY;
		free(v->why);
		v->why = vh_strdup("libvirt could not get the domain's state change lock: another "
				   "job holds it and waits for QEMU");
	}
}

void vh_decode_pasted_monitor(struct vh_decoder *d)
{
	struct vh_monitor_view *v = &d->m->monitor;
	char *state = NULL;

	if (!v->run_state && (state = hmp_state(text_of(d, "pasted.hmp-status"))))
		set_state(v, state, true);
	if (!v->run_state &&
		(state = domstats_state(vh_seek_text(&d->in, "pasted.domstats", "", VH_N_ROUND))))
		set_state(v, state, false);
	if (!v->run_state &&
		(vh_seek(&d->in, "pasted.domstate", "", VH_N_ROUND) ||
			vh_seek(&d->in, "pasted.dominfo", "", VH_N_ROUND) ||
			vh_seek(&d->in, "pasted.virsh-list", "", VH_N_ROUND)) &&
		(state = libvirt_state(d->m->vm)))
		set_state(v, state, false);
	if (v->version[0] < 0)
		version_from_log(d);
	busy_from_log(d);
}

/* --- vCPUs -------------------------------------------------------------------------------------
 */

/* "* CPU #0: pc=0xffffffff81060f46 (halted) thread_id=1234" (HMP info cpus; up to QEMU 2.11 with
 * pc). */
static bool cpus_row(struct vh_str line, uint64_t *cpu, int64_t *tid, bool *halted)
{
	ssize_t at = vh_str_find(line, "CPU #"), id = vh_str_find(line, "thread_id=");
	struct vh_str rest, number;
	uint64_t value = 0;

	if (at < 0)
		return false;
	rest = (struct vh_str){line.s + at + 5, line.n - at - 5};
	if (!vh_next_part(&rest, ':', &number) || !vh_parse_u64(number, 10, cpu) ||
		*cpu >= VH_MAX_VCPUS)
		return false;
	*tid = 0;
	if (id >= 0) {
		rest = (struct vh_str){line.s + id + 10, line.n - id - 10};
		if (vh_next_word(&rest, &number) && vh_parse_u64(number, 10, &value) &&
			value <= INT32_MAX)
			*tid = (int64_t)value;
	}
	*halted = vh_str_find(line, "(halted)") >= 0;
	return true;
}

void vh_pasted_thread_ids(struct vh_decoder *d, int64_t *tids)
{
	struct vh_str text = vh_seek_text(&d->in, "pasted.hmp-cpus", "", VH_N_ROUND), line;
	vh_auto_json struct json_object *list =
		vh_seek_json(&d->in, "qmp.query-cpus", "", VH_N_ROUND);
	uint64_t cpu;
	int64_t tid;
	bool halted;

	while (vh_next_line(&text, &line))
		if (cpus_row(line, &cpu, &tid, &halted) && tid)
			tids[cpu] = tid;
	if (!json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < VH_MIN(json_object_array_length(list), VH_MAX_VCPUS); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);

		if (vh_json_u64(one, "CPU", &cpu) && cpu < VH_MAX_VCPUS &&
			vh_json_i64(one, "thread_id", &tid) && tid > 0 && tid <= INT32_MAX)
			tids[cpu] = tid;
	}
}

int vh_pasted_halted(const struct vh_decoder *d, int vcpu)
{
	struct vh_str text = vh_seek_text(&d->in, "pasted.hmp-cpus", "", VH_N_ROUND), line;
	vh_auto_json struct json_object *list =
		vh_seek_json(&d->in, "qmp.query-cpus", "", VH_N_ROUND);
	uint64_t cpu;
	int64_t tid;
	bool halted;

	/* Without pc= it is QEMU 2.12 or later, which does not tell whether a vCPU is halted. */
	while (vh_next_line(&text, &line))
		if (cpus_row(line, &cpu, &tid, &halted) && (int)cpu == vcpu &&
			(halted || vh_str_find(line, "pc=0x") > 0))
			return halted;
	for (size_t i = 0; json_object_is_type(list, json_type_array) &&
			   i < VH_MIN(json_object_array_length(list), VH_MAX_VCPUS);
		i++) {
		struct json_object *one = json_object_array_get_idx(list, i);

		if (vh_json_u64(one, "CPU", &cpu) && (int)cpu == vcpu &&
			vh_json_at(one, "halted", NULL))
			return vh_json_bool(one, "halted", false);
	}
	return -1;
}

/* --- encryption --------------------------------------------------------------------------------
 */

bool vh_pasted_sev(const struct vh_decoder *d, enum vh_conf_kind *kind)
{
	struct vh_str hmp = text_of(d, "pasted.hmp-sev"), value;

	*kind = VH_CONF_NONE;
	if (!hmp.n)
		return false;
	if (vh_str_starts(hmp, "SEV is not enabled"))
		return true;
	/* "key-sharing", "es: on" among the lines (target/i386/sev.c, hmp_info_sev) */
	*kind = vh_status_field(hmp, "es", &value) && vh_str_is(value, "on") ? VH_CONF_SEV_ES
									     : VH_CONF_SEV;
	return true;
}
