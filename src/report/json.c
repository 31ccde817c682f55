/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The report as JSON: the verdict and what it stands on. */
#include "report/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "report/shell.h"

void vh_report_put(struct json_object *o, const char *key, const char *s)
{
	vh_auto_buf struct vh_buf text = {0};

	if (s)
		vh_escape(&text, vh_str(s), true);
	vh_json_put_text(o, key, s ? vh_buf_str(&text) : NULL);
}

void vh_report_put_double(struct json_object *o, const char *key, double value)
{
	char text[32];

	/* 0.1 as 0.1, and not with the seventeen digits that a double can have. */
	snprintf(text, sizeof(text), "%.9g", value);
	json_object_object_add(
		o, key, isfinite(value) ? json_object_new_double_s(value, text) : NULL);
}

void vh_report_put_hex(struct json_object *o, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	vh_json_put_text(o, key, text);
}

void vh_report_put_known(struct json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, value < 0 ? NULL : json_object_new_int64(value));
}

static struct json_object *fact(const struct vh_fact *f)
{
	struct json_object *o = json_object_new_object();
	struct json_object *evidence = json_object_new_array();
	struct json_object *lines = json_object_new_array();

	vh_json_put_text(o, "id", vh_fact_name(f->id));
	vh_report_put_known(o, "vcpu", f->vcpu);
	vh_report_put_double(o, "value", f->value);
	vh_report_put(o, "text", f->text);
	for (size_t i = 0; i < f->n_evidence; i++)
		json_object_array_add(evidence, json_object_new_uint64(f->evidence[i]));
	json_object_object_add(o, "evidence", evidence);
	for (size_t i = 0; i < f->n_lines; i++)
		json_object_array_add(lines, vh_json_text(vh_str(f->lines[i])));
	json_object_object_add(o, "lines", lines);
	return o;
}

static void put_facts(
	struct json_object *o, const char *key, const struct vh_fact *const *list, size_t n)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		json_object_array_add(array, fact(list[i]));
	json_object_object_add(o, key, array);
}

static void put_strings(struct json_object *o, const char *key, char *const *list, size_t n)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		vh_auto_free char *shown = vh_escaped(list[i]);

		json_object_array_add(array, vh_json_text(vh_str(shown)));
	}
	json_object_object_add(o, key, array);
}

static void put_hung(struct json_object *o, enum vh_hung hung)
{
	json_object_object_add(o, "hung",
		hung == VH_HUNG_UNKNOWN ? NULL : json_object_new_boolean(hung == VH_HUNG_YES));
}

static struct json_object *steps(const struct vh_report *r)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < r->verdict->n_next; i++) {
		const struct vh_step *step = &r->verdict->next[i];
		struct json_object *o = json_object_new_object();
		vh_auto_free char *command =
			step->command ? vh_shell_command(step->command, r->model) : NULL;

		vh_report_put(o, "text", step->text);
		vh_report_put(o, "command", command);
		json_object_array_add(array, o);
	}
	return array;
}

static struct json_object *verdict(const struct vh_report *r)
{
	const struct vh_verdict *v = r->verdict;
	const struct vh_cause *c = v->cause;
	struct json_object *o = json_object_new_object();

	vh_json_put_text(o, "state", vh_state_name(v->state));
	put_hung(o, v->hung);
	vh_json_put_text(o, "cause", c ? c->rule->id : NULL);
	vh_report_put(o, "title", v->headline);
	vh_report_put(o, "changed", v->changed);
	vh_report_put(o, "also", v->also);
	vh_json_put_text(o, "confidence", c ? vh_confidence_name(c->confidence) : NULL);
	put_facts(o, "for", c ? c->for_ : NULL, c ? c->n_for : 0);
	put_facts(o, "against", c ? c->against : NULL, c ? c->n_against : 0);
	put_strings(o, "limits", c ? c->limits : NULL, c ? c->n_limits : 0);
	json_object_object_add(o, "next", steps(r));
	return o;
}

static struct json_object *cause(const struct vh_cause *c)
{
	struct json_object *o = json_object_new_object();

	vh_json_put_text(o, "cause", c->rule->id);
	vh_report_put(o, "title", c->title);
	vh_json_put_text(o, "layer", vh_layer_name(c->rule->layer));
	vh_json_put_text(o, "state", vh_state_name(c->state));
	put_hung(o, c->rule->hung);
	vh_json_put_text(o, "confidence", vh_confidence_name(c->confidence));
	put_facts(o, "for", c->for_, c->n_for);
	put_facts(o, "against", c->against, c->n_against);
	put_strings(o, "limits", c->limits, c->n_limits);
	return o;
}

static struct json_object *others(const struct vh_verdict *v)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < v->n_causes; i++)
		if (v->causes[i] != v->cause)
			json_object_array_add(array, cause(v->causes[i]));
	return array;
}

static struct json_object *ruled_out(const struct vh_verdict *v)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < v->n_ruled_out; i++) {
		const struct vh_cause *c = v->ruled_out[i];
		struct json_object *o = json_object_new_object();

		vh_json_put_text(o, "cause", c->rule->id);
		vh_report_put(o, "title", c->title);
		put_facts(o, "by", c->against, c->n_against);
		json_object_array_add(array, o);
	}
	return array;
}

static struct json_object *not_seen(const struct vh_verdict *v)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < v->n_not_seen; i++) {
		struct json_object *o = json_object_new_object();

		vh_report_put(o, "what", v->not_seen[i].what);
		vh_report_put(o, "why", v->not_seen[i].why);
		vh_report_put(o, "how", v->not_seen[i].how);
		vh_json_put_text(o, "status", vh_status_name(v->not_seen[i].status));
		json_object_array_add(array, o);
	}
	return array;
}

static struct json_object *encryption(const struct vh_model *m)
{
	const struct vh_conf_view *c = &m->conf;
	struct json_object *o;
	vh_auto_buf struct vh_buf policy = {0};

	if (m->confidential == VH_CONF_NONE && c->source == VH_CONF_BY_NOBODY)
		return NULL;
	o = json_object_new_object();
	int debug = c->has_policy ? vh_conf_debug_allowed(m->confidential, c->policy) : -1;

	vh_json_put_text(o, "told_by", vh_conf_source_name(c->source));
	vh_report_put(o, "object", c->object);
	if (c->has_policy)
		vh_report_put_hex(o, "policy", c->policy);
	else
		json_object_object_add(o, "policy", NULL);
	if (c->has_policy)
		vh_conf_policy_text(m->confidential, c->policy, &policy);
	vh_report_put(o, "policy_text", policy.len ? vh_buf_str(&policy) : NULL);
	json_object_object_add(
		o, "debugging_allowed", debug < 0 ? NULL : json_object_new_boolean(debug));
	vh_report_put(o, "launch", c->launch);
	vh_report_put_known(o, "api_major", c->api_major);
	vh_report_put_known(o, "api_minor", c->api_minor);
	vh_report_put_known(o, "build", c->build);
	return o;
}

static struct json_object *vm(const struct vh_model *m)
{
	const struct vh_vm *vm = m->vm;
	struct json_object *o = json_object_new_object();
	struct json_object *libvirt = json_object_new_object();

	vh_report_put(o, "name", vm->name ? vm->name : "");
	vh_report_put_known(o, "pid", vm->id.pid > 0 ? vm->id.pid : -1);
	vh_report_put(o, "uuid", vm->uuid);
	vh_report_put_known(o, "vcpus", vm->vcpus ? (int64_t)vm->vcpus : -1);
	vh_report_put_known(o, "memory_bytes",
		vm->memory_bytes && vm->memory_bytes <= INT64_MAX ? (int64_t)vm->memory_bytes : -1);
	vh_json_put_text(o, "vmm", vh_vmm_name(vm->vmm));
	vh_json_put_text(o, "accel", vh_accel_name(vm->accel));
	vh_json_put_text(o, "confidential", vh_conf_kind_name(m->confidential));
	json_object_object_add(o, "encryption", encryption(m));
	vh_report_put(o, "machine", vm->machine);
	vh_json_put_bool(libvirt, "managed", vm->libvirt.managed);
	vh_report_put(libvirt, "uri", vm->libvirt.uri);
	vh_report_put_known(libvirt, "id", vm->libvirt.id);
	json_object_object_add(o, "libvirt", libvirt);
	return o;
}

static struct json_object *evidence(const struct vh_case *c)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < c->n_evidence; i++) {
		const struct vh_evidence *e = c->evidence[i];
		struct json_object *o = json_object_new_object();

		vh_report_put(o, "source", e->source);
		vh_report_put(o, "subject", e->subject);
		vh_report_put(o, "where", e->where);
		vh_json_put_text(o, "round", vh_round_name(e->round));
		vh_json_put_text(o, "status", vh_status_name(e->status));
		vh_report_put_known(o, "errno", e->err ? e->err : -1);
		vh_report_put(o, "detail", e->detail);
		vh_json_put_i64(o, "at_ns", e->at_ns);
		vh_json_put_i64(o, "took_ns", e->took_ns);
		vh_report_put_known(o, "size", e->data ? (int64_t)e->size : -1);
		json_object_array_add(array, o);
	}
	return array;
}

struct json_object *vh_report_json(const struct vh_report *r)
{
	struct json_object *o = json_object_new_object();

	vh_json_put_text(o, "schema", VH_REPORT_SCHEMA);
	vh_json_put_text(o, "tool", "vmhang " VH_VERSION);
	vh_report_put(o, "case_tool", r->c->tool);
	vh_json_put_i64(o, "began_wall_ns", r->c->began_wall_ns);
	vh_json_put_i64(o, "window_ns", r->c->window_ns);
	vh_json_put_bool(o, "passive", r->c->passive);
	json_object_object_add(o, "vm", vm(r->model));
	json_object_object_add(o, "verdict", verdict(r));
	json_object_object_add(o, "others", others(r->verdict));
	json_object_object_add(o, "ruled_out", ruled_out(r->verdict));
	json_object_object_add(o, "not_seen", not_seen(r->verdict));
	put_strings(o, "remarks", r->verdict->remarks, r->verdict->n_remarks);
	put_facts(o, "facts", (const struct vh_fact *const *)r->facts->list, r->facts->n);
	json_object_object_add(o, "inside", vh_report_inside(r->model->inside));
	vh_report_put_model(o, r->model);
	json_object_object_add(o, "evidence", evidence(r->c));
	return o;
}
