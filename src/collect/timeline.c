/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/timeline.h"

#include <errno.h>

#include "base/clock.h"
#include "collect/perf.h"
#include "collect/trace_threads.h"

#define OTHERS_MAX 64u
#define LIST_CAP   (256u * 1024)

#define BIT(tp)       (1u << (tp))
#define OTHERS_EVENTS (BIT(VH_TP_SET_IRQ) | BIT(VH_TP_APIC_ACCEPT))
#define VCPU_EVENTS   (BIT(VH_TP_SCHED_SWITCH) - 1) /* switches are records of their own */

struct vh_timeline {
	struct vh_tp_format formats[VH_N_TP];
	struct vh_perf *perf;
	struct vh_timeline_thread *threads;
	size_t n_threads;
	int64_t began_ns;
};

static void read_name(struct vh_host *host, pid_t pid, struct vh_timeline_thread *thread)
{
	vh_auto_reading struct vh_reading r = {0};

	vh_host_read(host, 64, &r, "/proc/%d/task/%d/comm", (int)pid, (int)thread->tid);
	struct vh_str name =
		vh_str_trim((struct vh_str){r.data ? r.data : "", r.data ? r.size : 0});

	memcpy(thread->name, name.s, VH_MIN(name.n, sizeof(thread->name) - 1));
}

static struct vh_error *add(struct vh_timeline *t, struct vh_host *host, pid_t pid, uint32_t events,
	struct vh_timeline_thread thread)
{
	struct vh_error *err =
		vh_perf_add(t->perf, thread.tid, events, events == VCPU_EVENTS, t->n_threads);

	if (err)
		return err;
	read_name(host, pid, &thread);
	VH_PUSH(t->threads, t->n_threads) = thread;
	return NULL;
}

static bool is_known(const struct vh_timeline *t, pid_t tid)
{
	for (size_t i = 0; i < t->n_threads; i++)
		if (t->threads[i].tid == tid)
			return true;
	return false;
}

static void add_others(struct vh_timeline *t, struct vh_host *host, pid_t pid)
{
	vh_auto_reading struct vh_reading r = {0};
	size_t most = t->n_threads + OTHERS_MAX;
	struct vh_str line;
	uint64_t tid;

	vh_host_list(host, LIST_CAP, &r, "/proc/%d/task", (int)pid);
	struct vh_str rest = {r.data, r.size};

	while (t->n_threads < most && vh_next_line(&rest, &line))
		if (vh_parse_u64(line, 10, &tid) && !is_known(t, (pid_t)tid))
			vh_error_free(add(t, host, pid, OTHERS_EVENTS,
				(struct vh_timeline_thread){.tid = (pid_t)tid, .vcpu = -1}));
}

static struct vh_error *add_vcpus(struct vh_timeline *t, struct vh_host *host, pid_t pid,
	const struct vh_trace_threads *threads)
{
	for (size_t i = 0; i < threads->n; i++) {
		const struct vh_trace_thread *thread = &threads->list[i];
		struct vh_error *err = add(t, host, pid, VCPU_EVENTS,
			(struct vh_timeline_thread){.tid = thread->tid, .vcpu = thread->vcpu});

		if (err && err->code != ESRCH)
			return err;
		vh_error_free(err);
	}
	return t->n_threads ? NULL : vh_error_new(0, "no vCPU thread was found");
}

struct vh_timeline *vh_timeline_open(
	struct vh_host *host, const struct vh_vm *vm, struct vh_error **err)
{
	struct vh_timeline *t = vh_alloc(sizeof(*t));
	struct vh_trace_threads threads = {0};
	vh_auto_free char *why = vh_tp_read(host, t->formats);

	if (why) {
		*err = vh_error_new(0, "%s", why);
		vh_timeline_close(t);
		return NULL;
	}
	vh_trace_threads_read(host, vm->id.pid, &threads);
	t->perf = vh_perf_new(t->formats, &(struct vh_perf_options){.threads = threads.n + 8});
	*err = add_vcpus(t, host, vm->id.pid, &threads);
	vh_trace_threads_free(&threads);
	if (*err) {
		vh_timeline_close(t);
		return NULL;
	}
	add_others(t, host, vm->id.pid);
	t->began_ns = vh_now_ns();
	vh_perf_renew(t->perf);
	return t;
}

void vh_timeline_close(struct vh_timeline *t)
{
	if (!t)
		return;
	vh_perf_free(t->perf);
	vh_tp_free(t->formats);
	free(t->threads);
	free(t);
}

const struct vh_timeline_thread *vh_timeline_threads(const struct vh_timeline *t, size_t *n)
{
	*n = t->n_threads;
	return t->threads;
}

int64_t vh_timeline_began_ns(const struct vh_timeline *t)
{
	return t->began_ns;
}

int64_t vh_timeline_drain(
	struct vh_timeline *t, int64_t until_ns, vh_timeline_taker take, void *data)
{
	vh_perf_drain(t->perf, until_ns, take, data);
	return vh_perf_next_ns(t->perf);
}

int64_t vh_timeline_stopped_ns(const struct vh_timeline *t)
{
	return vh_perf_stopped_ns(t->perf);
}
