/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counting exits, for programs. */
#include <errno.h>
#include <sys/utsname.h>

#include "api/handles.h"
#include "collect/trace.h"
#include "report/exits.h"

struct vmhang_exits {
	struct vh_trace *trace;
	struct vh_vm *vm;
	bool saw_exits; /* in an earlier interval */
};

static vmhang_exits *fail(struct vh_error *err, vmhang_error **error)
{
	vmhang_give(err, error);
	return NULL;
}

vmhang_exits *vmhang_exits_open(vmhang_host *host, const vmhang_vms *vms, size_t index,
	const vmhang_exits_options *options, vmhang_error **error)
{
	vmhang_exits_options o;
	struct vh_error *err = NULL;

	vmhang_copy_options(&o, sizeof(o), options);
	int backend = o.backend ? vh_trace_backend_parse(o.backend) : 0;

	if (index >= vms->list.n)
		return fail(
			vh_error_new(EINVAL, "counting exits of VM %zu of %zu", index, vms->list.n),
			error);
	if (backend < 0)
		return fail(vh_error_new(EINVAL, "there is no backend \"%s\"", o.backend), error);
	const struct vh_trace_options trace_options = {.backends = o.backend ? 1U << backend : 0,
		.no_libvirt = o.no_libvirt,
		.libvirt_uri = o.libvirt_uri};
	struct vh_trace *trace =
		vh_trace_open(host->host, vms->list.vms[index], &trace_options, &err);

	if (!trace)
		return fail(err, error);
	vmhang_exits *exits = vh_alloc(sizeof(*exits));

	exits->trace = trace;
	exits->vm = vh_vm_copy(vms->list.vms[index]);
	return exits;
}

int64_t vmhang_exits_refresh(vmhang_exits *exits)
{
	int64_t in_ns = vh_trace_refresh(exits->trace) - vh_now_ns();

	return in_ns > 0 ? in_ns : 0;
}

char *vmhang_exits_read(vmhang_exits *exits, vmhang_error **error)
{
	vh_auto_json struct json_object *raw = vh_trace_read(exits->trace);
	const struct vh_exits_about about = {
		exits->vm->name, exits->vm->id.pid, vh_wall_clock_ns()};
	const struct vh_exits_options show = {.vcpu = VH_ALL_VCPUS};
	struct vh_error *err = NULL;
	struct utsname name;
	struct vh_exits *e =
		vh_exits_decode(vh_str(json_object_to_json_string_ext(raw, JSON_C_TO_STRING_PLAIN)),
			uname(&name) == 0 ? name.machine : NULL, NULL, &err);

	if (!e) {
		vmhang_give(err, error);
		return NULL;
	}
	exits->saw_exits = exits->saw_exits || e->sees_exits;
	e->sees_exits = exits->saw_exits;
	vh_auto_json struct json_object *json = vh_exits_json(e, &about, &show);

	vh_exits_free(e);
	return vh_strdup(json_object_to_json_string_ext(
		json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

void vmhang_exits_close(vmhang_exits *exits)
{
	if (!exits)
		return;
	vh_trace_close(exits->trace);
	vh_vm_free(exits->vm);
	free(exits);
}
