/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The decoded case in the JSON report. */
#include "report/json.h"

#include "report/exits.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const log_kinds[VH_N_LOG_KIND] = {
	[VH_LOG_QEMU] = "qemu",
	[VH_LOG_SERIAL] = "serial",
	[VH_LOG_HOST_KERNEL] = "host-kernel",
};

static struct json_object *thread(const struct vh_thread *t)
{
	const struct vh_thread_sample *last = t->last.seen ? &t->last : &t->first;
	struct json_object *o = json_object_new_object();
	char state[2] = {last->stat.state, 0};

	vh_json_put_i64(o, "tid", t->tid);
	vh_report_put(o, "name", t->name);
	vh_json_put_text(o, "role", vh_role_name(t->role));
	vh_report_put_known(o, "vcpu", t->vcpu);
	vh_report_put(o, "state", last->seen && state[0] ? state : NULL);
	vh_json_put_text(o, "wait", vh_wait_name(t->wait));
	vh_report_put_double(o, "run_share", t->run_share);
	vh_report_put_double(o, "wait_share", t->wait_share);
	vh_report_put_double(o, "user_share", t->user_share);
	vh_report_put_double(o, "system_share", t->system_share);
	vh_report_put_double(o, "guest_share", t->guest_share);
	vh_report_put_double(o, "switches_per_s", t->switches_per_s);
	vh_report_put_double(o, "major_faults_per_s", t->major_faults_per_s);
	vh_report_put(o, "wchan", last->wchan);
	json_object_object_add(o, "syscall",
		last->has_syscall && last->syscall >= 0 ? json_object_new_int64(last->syscall)
							: NULL);
	vh_json_put_bool(o, "in_kvm_run", last->in_kvm_run);
	vh_report_put(o, "stack", last->stack);
	vh_report_put(o, "blocked_on", t->blocked_on);
	vh_report_put(o, "affinity", t->affinity);
	return o;
}

struct json_object *vh_report_counters(const struct vh_counters *counters)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < counters->n; i++) {
		const struct vh_counter *c = &counters->list[i];
		struct json_object *o = json_object_new_object();

		vh_report_put(o, "name", c->name);
		vh_json_put_u64(o, "value", c->has_last ? c->last : c->first);
		vh_report_put_double(o, "per_s", vh_counter_rate(counters, c->name));
		json_object_array_add(array, o);
	}
	return array;
}

static struct json_object *monitor(const struct vh_monitor_view *m)
{
	struct json_object *o = json_object_new_object();
	struct json_object *events = json_object_new_array();
	char version[48];

	snprintf(version, sizeof(version), "%d.%d.%d", m->version[0], m->version[1], m->version[2]);
	vh_json_put_text(o, "state", vh_monitor_state_name(m->state));
	vh_report_put(o, "address", m->address);
	vh_report_put(o, "why", m->why);
	vh_report_put(o, "run_state", m->run_state);
	vh_json_put_text(o, "version",
		m->state == VH_MONITOR_ANSWERED && m->version[0] >= 0 ? version : NULL);
	vh_report_put(o, "failed_command", m->failed_command);
	for (size_t i = 0; i < m->n_events; i++) {
		struct json_object *event = json_object_new_object();

		vh_report_put(event, "name", m->events[i].name);
		vh_report_put(event, "text", m->events[i].text);
		vh_json_put_i64(event, "at_ns", m->events[i].at_ns);
		json_object_array_add(events, event);
	}
	json_object_object_add(o, "events", events);
	return o;
}

static struct json_object *drive(const struct vh_drive_view *d)
{
	struct json_object *o = json_object_new_object();
	int last = d->has_stats[1] ? 1 : 0;
	bool some = d->has_stats[last];

	vh_report_put(o, "name", d->name);
	vh_report_put(o, "file", d->file);
	vh_json_put_bool(o, "empty", d->empty);
	vh_report_put(o, "io_status", d->io_status);
	json_object_object_add(o, "reads", some ? json_object_new_uint64(d->rd_ops[last]) : NULL);
	json_object_object_add(o, "writes", some ? json_object_new_uint64(d->wr_ops[last]) : NULL);
	json_object_object_add(o, "failed", some ? json_object_new_uint64(d->failed) : NULL);
	vh_report_put_known(o, "idle_ns", d->idle_ns);
	return o;
}

static struct json_object *cgroup(const struct vh_cgroup_view *g)
{
	if (!g->seen)
		return NULL;
	struct json_object *o = json_object_new_object();

	vh_report_put(o, "path", g->path);
	json_object_object_add(
		o, "frozen", g->frozen < 0 ? NULL : json_object_new_boolean(g->frozen));
	vh_report_put_double(o, "quota_cpus", g->has_quota ? g->quota_cpus : NAN);
	vh_report_put_known(o, "periods", g->has_throttle ? (int64_t)g->periods : -1);
	vh_report_put_known(o, "throttled_periods", g->has_throttle ? (int64_t)g->throttled : -1);
	vh_report_put_known(o, "throttled_ns", g->has_throttle ? g->throttled_ns : -1);
	vh_report_put_known(o, "memory_bytes", g->memory_bytes);
	vh_report_put_known(o, "memory_limit_bytes", g->memory_limit_bytes);
	vh_report_put_known(o, "memory_limit_hits", g->memory_max_events);
	vh_report_put_known(o, "oom_kills", g->oom_kills);
	vh_report_put_double(o, "cpu_pressure_avg10", g->cpu_pressure_avg10);
	vh_report_put_double(o, "memory_pressure_avg10", g->memory_pressure_avg10);
	vh_report_put_double(o, "io_pressure_avg10", g->io_pressure_avg10);
	return o;
}

static struct json_object *log_file(const struct vh_log_view *l)
{
	struct json_object *o = json_object_new_object();

	vh_json_put_text(o, "kind", vh_name_of(log_kinds, VH_N_LOG_KIND, (int)l->kind));
	vh_report_put(o, "path", l->path);
	vh_json_put_text(o, "status", vh_status_name(l->status));
	vh_json_put_u64(o, "size_bytes", l->size_bytes);
	vh_report_put_known(o, "age_ns", l->age_ns);
	vh_json_put_bool(o, "grew", l->grew);
	return o;
}

static struct json_object *log_hit(const struct vh_log_hit *h)
{
	struct json_object *o = json_object_new_object();

	vh_json_put_text(o, "id", h->id);
	vh_json_put_text(o, "meaning", h->meaning);
	vh_report_put(o, "line", h->line);
	vh_json_put_text(o, "kind", vh_name_of(log_kinds, VH_N_LOG_KIND, (int)h->kind));
	vh_json_put_u64(o, "evidence", h->evidence);
	return o;
}

#define FEW_VCPUS 16

/* As `vmhang exits --json` writes it, with fewer keys: a report has many things in it. */
static struct json_object *exits(const struct vh_model *m)
{
	const struct vh_exits_options options = {.vcpu = VH_ALL_VCPUS,
		.sort = VH_SORT_TIME,
		.most_keys = m->n_vcpus > FEW_VCPUS ? 3 : 8};
	struct vh_exits_about about = {
		.name = m->vm->name ? m->vm->name : "", .pid = m->vm->id.pid};

	if (!m->exits)
		return NULL;
	if (m->c->began_wall_ns <= 0 ||
		__builtin_add_overflow(m->c->began_wall_ns,
			m->c->evidence[m->exits->evidence]->at_ns, &about.at_wall_ns) ||
		about.at_wall_ns < 0)
		about.at_wall_ns = 0;
	return vh_exits_json(m->exits, &about, &options);
}

/* Adds key: an array of what `make` makes of each element. */
#define PUT_ARRAY(o, key, n, make)                                                                 \
	do {                                                                                       \
		struct json_object *array_ = json_object_new_array();                              \
		for (size_t i = 0; i < (n); i++)                                                   \
			json_object_array_add(array_, (make));                                     \
		json_object_object_add((o), (key), array_);                                        \
	} while (0)

static void put_blocks(struct json_object *o, const char *key, const struct vh_pasted_block *blocks,
	size_t n, bool known)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		struct json_object *row = json_object_new_object();

		vh_json_put_i64(row, "from", blocks[i].from);
		vh_json_put_i64(row, "to", blocks[i].to);
		if (known) {
			vh_report_put(row, "by", blocks[i].by);
			vh_report_put(row, "sure", blocks[i].sure);
			vh_report_put(row, "what", blocks[i].what);
		}
		json_object_array_add(array, row);
	}
	json_object_object_add(o, key, array);
}

static struct json_object *pasted(const struct vh_pasted_view *v)
{
	struct json_object *array = v ? json_object_new_array() : NULL;

	for (size_t i = 0; v && i < v->n_files; i++) {
		const struct vh_pasted_file *f = &v->files[i];
		struct json_object *o = json_object_new_object();

		vh_report_put(o, "file", f->name);
		vh_json_put_i64(o, "lines", f->lines);
		vh_json_put_bool(o, "whole", !f->cut && !f->more);
		put_blocks(o, "read", f->blocks, f->n_blocks, true);
		put_blocks(o, "unread", f->unread, f->n_unread, false);
		json_object_array_add(array, o);
	}
	return array;
}

void vh_report_put_model(struct json_object *o, const struct vh_model *m)
{
	PUT_ARRAY(o, "threads", m->n_threads, thread(m->threads[i]));
	PUT_ARRAY(o, "vcpus", m->n_vcpus, vh_report_vcpu(m->vcpus[i]));
	json_object_object_add(o, "counters", vh_report_counters(&m->vm_kvm));
	json_object_object_add(o, "monitor", monitor(&m->monitor));
	PUT_ARRAY(o, "drives", m->n_drives, drive(&m->drives[i]));
	json_object_object_add(o, "cgroup", cgroup(&m->cgroup));
	PUT_ARRAY(o, "logs", m->n_logs, log_file(&m->logs[i]));
	PUT_ARRAY(o, "log_hits", m->n_hits, log_hit(&m->hits[i]));
	json_object_object_add(o, "exits", exits(m));
	vh_report_put(o, "screen", m->screen.kind == VH_SCREEN_TEXT ? m->screen.text : NULL);
	json_object_object_add(o, "pasted", pasted(m->pasted));
}
