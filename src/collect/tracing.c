/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/tracing.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "collect/trace.h"

#define SOURCE       "trace.exits"
#define TAKE_WAIT_NS (1000 * VH_NS_PER_MS)
#define END_WAIT_NS  (2000 * VH_NS_PER_MS)

/* Of two threads: whoever leaves last frees it. One that hangs in the kernel is left to itself. */
struct vh_tracing {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int refs;
	bool open;   /* it counts, or has failed */
	bool stop;   /* the window is over */
	bool read;   /* exits or err is there */
	bool closed; /* nothing is left in the kernel */
	struct vh_vm *vm;
	struct vh_trace_options options;
	char *libvirt_uri;
	int64_t open_ns; /* when it began to count; 0: it has failed */
	struct json_object *exits;
	struct vh_error *err;
};

static void unref(struct vh_tracing *t)
{
	pthread_mutex_lock(&t->lock);
	int refs = --t->refs;

	pthread_mutex_unlock(&t->lock);
	if (refs)
		return;
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->changed);
	json_object_put(t->exits);
	vh_error_free(t->err);
	vh_vm_free(t->vm);
	free(t->libvirt_uri);
	free(t);
}

static void set(struct vh_tracing *t, bool *what)
{
	pthread_mutex_lock(&t->lock);
	*what = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

/* Waits for *what to be true, until a time; true when it is. */
static bool wait_until(struct vh_tracing *t, const bool *what, int64_t at_ns)
{
	const struct timespec at = {at_ns / VH_NS_PER_S, at_ns % VH_NS_PER_S};

	pthread_mutex_lock(&t->lock);
	while (!*what && pthread_cond_timedwait(&t->changed, &t->lock, &at) != ETIMEDOUT)
		;
	bool is = *what;

	pthread_mutex_unlock(&t->lock);
	return is;
}

static void *run(void *data)
{
	struct vh_tracing *t = data;
	struct vh_host *host = vh_host_create(NULL); /* the other one may be gone before us */
	struct vh_trace *trace = vh_trace_open(host, t->vm, &t->options, &t->err);

	t->open_ns = trace ? vh_now_ns() : 0;
	set(t, &t->open);
	if (trace) {
		int64_t again_ns = vh_now_ns();

		while (!wait_until(t, &t->stop, again_ns))
			again_ns = vh_trace_refresh(trace);
		t->exits = vh_trace_read(trace);
	}
	set(t, &t->read);
	vh_trace_close(trace);
	vh_host_destroy(host);
	set(t, &t->closed);
	unref(t);
	return NULL;
}

static const char *why_skip(
	struct vh_host *host, const struct vh_case *c, const struct vh_collect_options *options)
{
	if (!vh_host_is_live(host))
		return "a captured host runs nothing that could be counted";
	if (options->no_trace)
		return "it was not to be traced (--no-trace)";
	if (c->vm->accel == VH_ACCEL_TCG || c->vm->accel == VH_ACCEL_OTHER)
		return "the VM does not use KVM";
	return NULL;
}

static void make_condition(struct vh_tracing *t)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->changed, &attr);
	pthread_condattr_destroy(&attr);
}

struct vh_tracing *vh_tracing_begin(
	struct vh_host *host, struct vh_case *c, const struct vh_collect_options *options)
{
	const char *skip = why_skip(host, c, options);
	pthread_t thread;

	if (skip) {
		vh_case_add_skipped(c, VH_LAST, SOURCE, "", "tracepoints of KVM", skip);
		return NULL;
	}
	struct vh_tracing *t = vh_alloc(sizeof(*t));

	make_condition(t);
	t->vm = vh_vm_copy(c->vm);
	t->libvirt_uri = vh_strdup(options->libvirt_uri);
	/* The monitor is for later: its statistics are asked then, twice, by the plan. */
	t->options = (struct vh_trace_options){
		.passive = true, .no_libvirt = options->no_libvirt, .libvirt_uri = t->libvirt_uri};
	t->refs = 2;
	if (pthread_create(&thread, NULL, run, t) != 0) {
		t->refs = 1;
		t->err = vh_error_new(EAGAIN, "starting a thread");
		t->open = t->read = t->closed = true;
		return t;
	}
	pthread_detach(thread);
	return t;
}

void vh_tracing_wait(struct vh_tracing *t, int64_t window_ns)
{
	if (!t || !wait_until(t, &t->open, vh_now_ns() + 2 * window_ns + VH_NS_PER_S) ||
		!t->open_ns)
		return;
	vh_sleep_until_ns(t->open_ns + window_ns / 2);
}

void vh_tracing_stop(struct vh_tracing *t)
{
	if (t)
		set(t, &t->stop);
}

static void take_exits(struct vh_tracing *t, struct vh_evidence *e)
{
	const char *text = json_object_to_json_string_ext(t->exits, JSON_C_TO_STRING_PLAIN);

	vh_evidence_set_data(e, text, strlen(text));
}

void vh_tracing_take(struct vh_tracing *t, struct vh_case *c)
{
	if (!t)
		return;
	struct vh_evidence *e = vh_case_add(c, VH_LAST, SOURCE, "", "tracepoints of KVM");

	if (!wait_until(t, &t->read, vh_now_ns() + TAKE_WAIT_NS))
		vh_evidence_fail(e, VH_TIMED_OUT, ETIMEDOUT,
			"attaching to the tracepoints took longer than the window");
	else if (t->exits)
		take_exits(t, e);
	else
		vh_evidence_fail(e, VH_DENIED, t->err ? t->err->code : 0, "%s",
			t->err ? t->err->message : "nothing was counted");
}

void vh_tracing_end(struct vh_tracing *t)
{
	if (!t)
		return;
	set(t, &t->stop);
	wait_until(t, &t->closed, vh_now_ns() + END_WAIT_NS);
	unref(t);
}
