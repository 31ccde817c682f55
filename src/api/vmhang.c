/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The public interface: a thin layer that hides everything else. */
#include "api/handles.h"

#include <errno.h>

#include "case/archive.h"
#include "collect/collect.h"
#include "report/report.h"

struct vmhang_report {
	struct vh_report *r;
};

void vmhang_copy_options(void *to, size_t to_size, const void *from)
{
	size_t from_size = 0;

	memset(to, 0, to_size);
	if (!from)
		return;
	memcpy(&from_size, from, sizeof(from_size));
	memcpy(to, from, VH_MIN(to_size, from_size));
}

bool vmhang_give(struct vh_error *err, vmhang_error **error)
{
	struct vh_buf message = {0};

	if (!err)
		return true;
	if (!error) {
		vh_error_free(err);
		return false;
	}
	vh_escape(&message, vh_str(err->message), true);
	*error = vh_alloc(sizeof(**error));
	(*error)->err = err;
	(*error)->message = vh_buf_steal(&message);
	return false;
}

const char *vmhang_version(void)
{
	return VH_VERSION;
}

int vmhang_error_code(const vmhang_error *error)
{
	return error->err->code;
}

const char *vmhang_error_message(const vmhang_error *error)
{
	return error->message;
}

void vmhang_error_free(vmhang_error *error)
{
	if (!error)
		return;
	vh_error_free(error->err);
	free(error->message);
	free(error);
}

vmhang_host *vmhang_host_new(const char *root)
{
	vmhang_host *host = vh_alloc(sizeof(*host));

	host->host = vh_host_create(root);
	return host;
}

void vmhang_host_free(vmhang_host *host)
{
	if (!host)
		return;
	vh_host_destroy(host->host);
	free(host);
}

vmhang_vms *vmhang_list(vmhang_host *host, const vmhang_list_options *options, vmhang_error **error)
{
	vmhang_list_options o;

	vmhang_copy_options(&o, sizeof(o), options);
	const struct vh_discover_options discover = {.no_libvirt = o.no_libvirt};
	vmhang_vms *vms = vh_alloc(sizeof(*vms));

	if (vmhang_give(vh_discover(host->host, &discover, &vms->list), error))
		return vms;
	vmhang_vms_free(vms);
	return NULL;
}

void vmhang_vms_free(vmhang_vms *vms)
{
	if (!vms)
		return;
	vh_vm_list_free(&vms->list);
	free(vms);
}

size_t vmhang_vms_count(const vmhang_vms *vms)
{
	return vms->list.n;
}

const char *vmhang_vms_name(const vmhang_vms *vms, size_t index)
{
	return index < vms->list.n ? vms->list.vms[index]->name : NULL;
}

const char *vmhang_vms_uuid(const vmhang_vms *vms, size_t index)
{
	return index < vms->list.n ? vms->list.vms[index]->uuid : NULL;
}

int64_t vmhang_vms_pid(const vmhang_vms *vms, size_t index)
{
	return index < vms->list.n ? vms->list.vms[index]->id.pid : -1;
}

size_t vmhang_vms_note_count(const vmhang_vms *vms)
{
	return vms->list.n_notes;
}

const char *vmhang_vms_note(const vmhang_vms *vms, size_t index)
{
	return index < vms->list.n_notes ? vms->list.notes[index] : NULL;
}

bool vmhang_select(const vmhang_vms *vms, const char *what, size_t *index, vmhang_error **error)
{
	struct vh_vm *vm = NULL;

	if (!vmhang_give(vh_vm_select(&vms->list, what, &vm), error))
		return false;
	for (size_t i = 0; i < vms->list.n; i++)
		if (vms->list.vms[i]->id.pid == vm->id.pid)
			*index = i;
	vh_vm_free(vm);
	return true;
}

vmhang_case *vmhang_observe(vmhang_host *host, const vmhang_vms *vms, size_t index,
	const vmhang_observe_options *options, vmhang_error **error)
{
	vmhang_observe_options o;
	struct vh_error *err = NULL;

	vmhang_copy_options(&o, sizeof(o), options);
	if (index >= vms->list.n || o.window_ns < 0 || o.monitor_ns < 0) {
		vmhang_give(
			vh_error_new(EINVAL, "observing VM %zu of %zu", index, vms->list.n), error);
		return NULL;
	}
	const struct vh_collect_options collect = {.window_ns = o.window_ns,
		.monitor_ns = o.monitor_ns,
		.passive = o.passive,
		.no_libvirt = o.no_libvirt,
		.libvirt_uri = o.libvirt_uri};
	struct vh_case *c = vh_collect(host->host, vms->list.vms[index], &collect, &err);

	if (!c) {
		vmhang_give(err, error);
		return NULL;
	}
	vmhang_case *handle = vh_alloc(sizeof(*handle));

	handle->c = c;
	return handle;
}

void vmhang_case_free(vmhang_case *c)
{
	if (!c)
		return;
	vh_case_free(c->c);
	free(c);
}

bool vmhang_case_save(const vmhang_case *c, const char *path, vmhang_error **error)
{
	return vmhang_give(vh_case_save(c->c, path), error);
}

vmhang_report *vmhang_report_new(const vmhang_case *c)
{
	vmhang_report *report = vh_alloc(sizeof(*report));

	report->r = vh_report_new(c->c);
	return report;
}

void vmhang_report_free(vmhang_report *report)
{
	if (!report)
		return;
	/* The case is the caller's. */
	report->r->c = NULL;
	vh_report_free(report->r);
	free(report);
}

char *vmhang_report_text(const vmhang_report *report, const vmhang_text_options *options)
{
	vmhang_text_options o;
	struct vh_buf out = {0};

	vmhang_copy_options(&o, sizeof(o), options);
	const struct vh_text_options text = {
		.verbose = o.verbose, .colour = o.colour, .width = o.width};

	vh_report_text(report->r, &text, &out);
	return vh_buf_steal(&out);
}

char *vmhang_report_json(const vmhang_report *report)
{
	vh_auto_json struct json_object *json = vh_report_json(report->r);

	return vh_strdup(json_object_to_json_string_ext(
		json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

int vmhang_report_status(const vmhang_report *report)
{
	return vh_report_exit_status(report->r);
}

const char *vmhang_report_cause(const vmhang_report *report)
{
	const struct vh_cause *cause = report->r->verdict->cause;

	return cause ? cause->rule->id : NULL;
}

char *vmhang_explain(const char *cause)
{
	const struct vh_rule *rule = vh_rule_find(cause);
	struct vh_buf out = {0};

	if (!rule)
		return NULL;
	vh_explain(rule, 0, &out);
	return vh_buf_steal(&out);
}

const char *vmhang_cause_id(size_t index)
{
	for (size_t i = 0; vh_rules[i]; i++)
		if (i == index)
			return vh_rules[i]->id;
	return NULL;
}
