/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The backends, best first, behind one interface. */
#include <errno.h>

#include "base/clock.h"
#include "base/json.h"
#include "collect/trace_backend.h"

static const char *const backend_names[VH_N_TRACE_BACKEND] = {
	[VH_TRACE_BPF] = "bpf",
	[VH_TRACE_PERF] = "perf",
	[VH_TRACE_STATISTICS] = "statistics",
};
VH_NAMES_DEFINE(vh_trace_backend, enum vh_trace_backend, backend_names)

static const struct vh_trace_ops *const backends[VH_N_TRACE_BACKEND] = {
	[VH_TRACE_BPF] = &vh_trace_bpf,
	[VH_TRACE_PERF] = &vh_trace_perf,
	[VH_TRACE_STATISTICS] = &vh_trace_statistics,
};

struct vh_trace {
	enum vh_trace_backend backend;
	void *data; /* the backend's */
	char *why_not[VH_N_TRACE_BACKEND];
	int64_t attach_ns;
};

struct vh_trace *vh_trace_open(struct vh_host *host, const struct vh_vm *vm,
	const struct vh_trace_options *options, struct vh_error **err)
{
	unsigned wanted = options->backends ? options->backends : ~0U;
	struct vh_trace *t = vh_alloc(sizeof(*t));
	int64_t began_ns = vh_now_ns();
	vh_auto_buf struct vh_buf whys = {0};

	for (int i = 0; i < VH_N_TRACE_BACKEND; i++) {
		if (!(wanted & 1U << i) || !backends[i])
			continue;
		t->backend = (enum vh_trace_backend)i;
		t->data = backends[i]->open(host, vm, options, &t->why_not[i]);
		t->attach_ns = vh_now_ns() - began_ns;
		if (t->data)
			return t;
		vh_buf_printf(&whys, "%s%s: %s", whys.len ? "; " : "", backend_names[i],
			t->why_not[i] ? t->why_not[i] : "no reason told");
	}
	*err = vh_error_new(0, "%s", whys.len ? vh_buf_str(&whys) : "no backend was allowed");
	(*err)->code = ENOTSUP;
	vh_trace_close(t);
	return NULL;
}

enum vh_trace_backend vh_trace_backend(const struct vh_trace *t)
{
	return t->backend;
}

int64_t vh_trace_refresh(struct vh_trace *t)
{
	return backends[t->backend]->refresh(t->data);
}

/* The better backends, and why they are not used. */
static struct json_object *not_used(const struct vh_trace *t)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < (int)t->backend; i++) {
		if (!t->why_not[i])
			continue;
		struct json_object *o = json_object_new_object();

		vh_json_put_text(o, "backend", backend_names[i]);
		vh_json_put_text(o, "why", t->why_not[i]);
		json_object_array_add(list, o);
	}
	return list;
}

struct json_object *vh_trace_read(struct vh_trace *t)
{
	struct json_object *o = backends[t->backend]->read(t->data);

	vh_json_put_text(o, "backend", backend_names[t->backend]);
	json_object_object_add(o, "not", not_used(t));
	vh_json_put_i64(o, "attach_ns", t->attach_ns);
	return o;
}

void vh_trace_close(struct vh_trace *t)
{
	if (!t)
		return;
	if (t->data)
		backends[t->backend]->close(t->data);
	for (int i = 0; i < VH_N_TRACE_BACKEND; i++)
		free(t->why_not[i]);
	free(t);
}

char *vh_trace_why_not(struct vh_host *host, enum vh_trace_backend backend)
{
	if (!vh_host_is_live(host))
		return vh_strdup("this is a captured host");
	if (!backends[backend])
		return vh_strdup("this vmhang was built without it");
	return backends[backend]->why_not(host);
}
