/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The backend "perf": tracepoints out of ring buffers, counted here by the very code that counts in
 * the kernel for the backend "bpf". Costs the guest more, and may lose events, which it says.
 */
#include <errno.h>

#include "base/clock.h"
#include "collect/perf.h"
#include "collect/trace_backend.h"
#include "collect/trace_tally.h"
#include "collect/trace_threads.h"

#define SHARED_MAX     4096u
#define OTHERS_MAX     64u /* threads that are no vCPU's, but may raise interrupts */
#define OTHERS_OWNER   SIZE_MAX
#define LIST_CAP       (256u * 1024)
#define NEW_THREADS_NS VH_NS_PER_S /* how often threads that are new are looked for */

#define BIT(tp)       (1u << (tp))
#define OTHERS_EVENTS (BIT(VH_TP_SET_IRQ) | BIT(VH_TP_APIC_ACCEPT))
/* The scheduler's come as records of their own kind, without a tracepoint. */
#define VCPU_EVENTS (BIT(VH_TP_SCHED_SWITCH) - 1)
_Static_assert(VH_TP_SCHED_SWITCH < VH_TP_SCHED_WAKEUP && VH_TP_SCHED_WAKEUP == VH_N_TP - 1,
	"the scheduler's tracepoints are the last");

struct perf_trace {
	struct vh_host *host;
	pid_t pid;
	struct vh_tp_format formats[VH_N_TP];
	struct vh_perf *perf;
	struct vh_tally tally;
	struct vh_vcpu_ids ids;
	int64_t threads_ns; /* when new threads were looked for */
	int64_t at_ns;      /* of the record that is counted */
	uint32_t epoch;     /* what began before the last reading must not end in its slots */
	uint64_t lost;
};

/* --- What the core needs ---------------------------------------------------------------------- */

static inline __u64 vh_op_now(void *ops)
{
	return (__u64)((struct perf_trace *)ops)->at_ns;
}

static inline struct vh_key_slot *vh_op_key_slot(void *ops, __u32 index)
{
	return &((struct perf_trace *)ops)->tally.keys[index];
}

static inline struct vh_exit_slot *vh_op_exit_slot(void *ops, __u32 index)
{
	return &((struct perf_trace *)ops)->tally.exits[index];
}

static inline void vh_op_shared(void *ops, const struct vh_shared_key *key)
{
	struct vh_tally *t = &((struct perf_trace *)ops)->tally;

	for (size_t i = 0; i < t->n_shared; i++)
		if (memcmp(&t->shared[i].key, key, sizeof(*key)) == 0) {
			t->shared[i].count++;
			return;
		}
	if (t->n_shared < SHARED_MAX)
		VH_PUSH(t->shared, t->n_shared) = (struct vh_tally_shared){*key, 1};
	else
		t->shared_missed++;
}

#include "bpf/exits_core.h"

/* --- Counting --------------------------------------------------------------------------------- */

/* What came before the counting begins tells where the thread is. */
static void hint(struct vh_vcpu_state *s, const struct vh_perf_record *r)
{
	if (r->kind == VH_PERF_SWITCH_IN)
		s->rest = VH_REST_ON;
	else if (r->kind == VH_PERF_SWITCH_OUT)
		s->rest = r->preempted ? VH_REST_READY : VH_REST_ASLEEP;
	else if (r->kind == VH_PERF_TRACEPOINT && r->tp == VH_TP_ENTRY)
		s->place = VH_PLACE_GUEST;
	else if (r->kind == VH_PERF_TRACEPOINT && r->tp == VH_TP_EXIT)
		s->place = VH_PLACE_KVM;
	else if (r->kind == VH_PERF_TRACEPOINT && r->tp == VH_TP_FPU)
		s->place = r->value[VH_F_FPU_LOAD] ? VH_PLACE_INSIDE : VH_PLACE_USER;
}

/* Events that count for another than the thread they happen in. */
static bool take_shared(struct perf_trace *t, const struct vh_perf_record *r)
{
	if (r->kind != VH_PERF_TRACEPOINT)
		return false;
	if (r->tp == VH_TP_APIC_ACCEPT)
		vh_on_accept(t, t->epoch, r->value[VH_F_ACCEPT_VCPU], r->value[VH_F_ACCEPT_DM],
			r->value[VH_F_ACCEPT_TM], r->value[VH_F_ACCEPT_VECTOR]);
	else if (r->tp == VH_TP_SET_IRQ)
		vh_on_shared(t, t->epoch, VH_KEY_GSI, VH_TRACE_VM, r->value[VH_F_IRQ_GSI],
			r->value[VH_F_IRQ_LEVEL]);
	else
		return false;
	return true;
}

static void take_own(struct perf_trace *t, size_t owner, const struct vh_perf_record *r)
{
	struct vh_vcpu_state *s = &t->tally.states[owner];
	struct vh_core core = {.ops = t,
		.state = s,
		.thread = (__u32)owner,
		.epoch = t->epoch,
		.slots = t->tally.slots};

	switch (r->kind) {
	case VH_PERF_TRACEPOINT:
		vh_on_event(&core, r->tp, (const __u64 *)r->value);
		break;
	case VH_PERF_SWITCH_IN:
		vh_on_switch_in(s, (__u64)r->time_ns);
		break;
	case VH_PERF_SWITCH_OUT:
		vh_on_switch_out(s, (__u64)r->time_ns, !r->preempted);
		break;
	case VH_PERF_EXIT:
		t->tally.threads[owner].ended = true;
		t->tally.threads[owner].ended_ns = r->time_ns;
		break;
	default:
		break;
	}
}

static void take(void *data, size_t owner, const struct vh_perf_record *r)
{
	struct perf_trace *t = data;
	bool own = owner < t->tally.n_threads;
	int64_t began_ns = own ? t->tally.threads[owner].began_ns : t->tally.read_ns;

	if (r->kind == VH_PERF_LOST) {
		t->lost += r->lost;
		return;
	}
	t->at_ns = r->time_ns;
	if (r->time_ns < began_ns) {
		if (own)
			hint(&t->tally.states[owner], r);
	} else if (!take_shared(t, r) && own) {
		take_own(t, owner, r);
	}
}

/* --- Threads ---------------------------------------------------------------------------------- */

static bool is_known(const struct vh_tally *t, pid_t tid)
{
	for (size_t i = 0; i < t->n_threads; i++)
		if (t->threads[i].tid == tid && !t->threads[i].ended)
			return true;
	return false;
}

/* Adds vCPU threads that are not there yet. An error only where one of them cannot be recorded. */
static struct vh_error *add_vcpus(struct perf_trace *t, const struct vh_trace_threads *threads)
{
	t->tally.untraced = 0;
	for (size_t i = 0; i < threads->n; i++) {
		const struct vh_trace_thread *thread = &threads->list[i];
		size_t owner = t->tally.n_threads;

		if (is_known(&t->tally, thread->tid))
			continue;
		if (owner >= t->tally.capacity) {
			t->tally.untraced++;
			continue;
		}
		struct vh_error *err = vh_perf_add(t->perf, thread->tid, VCPU_EVENTS, true, owner);

		if (err && err->code != ESRCH)
			return err;
		if (!err)
			vh_tally_add(
				&t->tally, thread->tid, thread->vcpu, vh_now_ns(), thread->runs);
		vh_error_free(err);
	}
	return NULL;
}

/* The process's other threads: best effort, for each costs a ring. */
static void add_others(struct perf_trace *t)
{
	vh_auto_reading struct vh_reading r = {0};
	struct vh_str line;
	uint64_t tid;
	size_t n = 0;

	vh_host_list(t->host, LIST_CAP, &r, "/proc/%d/task", (int)t->pid);
	struct vh_str rest = {r.data, r.size};

	while (n < OTHERS_MAX && vh_next_line(&rest, &line)) {
		if (!vh_parse_u64(line, 10, &tid) || is_known(&t->tally, (pid_t)tid))
			continue;
		n++;
		vh_error_free(vh_perf_add(t->perf, (pid_t)tid, OTHERS_EVENTS, false, OTHERS_OWNER));
	}
}

static int index_of(void *data, uint32_t vcpu_id)
{
	return vh_vcpu_index_of(data, vcpu_id);
}

/* --- The backend ------------------------------------------------------------------------------ */

static void close_perf(void *data)
{
	struct perf_trace *t = data;

	vh_perf_free(t->perf);
	free(t->tally.shared);
	vh_tally_free_own(&t->tally);
	vh_tp_free(t->formats);
	free(t->ids.list);
	free(t);
}

static void describe_events(struct perf_trace *t)
{
	for (int tp = 0; tp < VH_N_TP; tp++) {
		const struct vh_tp_format *f = &t->formats[tp];
		struct vh_tally_event *e = &t->tally.events[tp];
		const char *failed = vh_perf_failed(t->perf, (enum vh_tp)tp);

		*e = (struct vh_tally_event){.name = f->name, .state = VH_EVENT_ATTACHED};
		if (tp == VH_TP_SCHED_SWITCH)
			continue;
		if (tp == VH_TP_SCHED_WAKEUP) {
			e->state = VH_EVENT_UNWANTED;
			e->why = "perf events of a thread do not show that it was woken: the "
				 "wait for a CPU behind it counts as asleep";
		} else if (!f->usable) {
			e->state = f->absent ? VH_EVENT_ABSENT : VH_EVENT_FAILED;
			e->why = f->why;
		} else if (failed) {
			e->state = VH_EVENT_FAILED;
			e->why = failed;
		}
	}
}

/* Begins to count the threads. */
static struct vh_error *begin(struct perf_trace *t, const struct vh_trace_threads *threads)
{
	size_t capacity = VH_MIN(threads->n * 2 + 16, (size_t)VH_MAX_TRACED);

	vh_tally_alloc(&t->tally, capacity);
	t->perf = vh_perf_new(t->formats, &(struct vh_perf_options){.threads = threads->n + 8});
	struct vh_error *err = add_vcpus(t, threads);

	if (err)
		return err;
	if (!t->tally.n_threads)
		return vh_error_new(0, "all vCPU threads have ended");
	add_others(t);
	/* All begin at once. */
	t->tally.read_ns = t->threads_ns = vh_now_ns();
	for (size_t i = 0; i < t->tally.n_threads; i++) {
		struct vh_vcpu_state *s = &t->tally.states[i];

		s->begin_ns = s->since_ns = (__u64)t->tally.read_ns;
		t->tally.threads[i].began_ns = t->tally.read_ns;
		t->tally.threads[i].last = *s;
	}
	vh_perf_renew(t->perf);
	vh_vcpu_ids_read(t->host, t->pid, &t->ids);
	t->tally.index_of = index_of;
	t->tally.index_data = &t->ids;
	return NULL;
}

static void *open_perf(struct vh_host *host, const struct vh_vm *vm,
	const struct vh_trace_options *options VH_UNUSED, char **why)
{
	struct perf_trace *t = vh_alloc(sizeof(*t));
	struct vh_trace_threads threads = {0};
	vh_auto_error struct vh_error *err = NULL;

	t->host = host;
	t->pid = vm->id.pid;
	*why = vh_tp_read(host, t->formats);
	if (!*why) {
		vh_trace_threads_read(host, vm->id.pid, &threads);
		if (!threads.n)
			*why = vh_strdup("no vCPU thread was found");
		else if ((err = begin(t, &threads)))
			*why = vh_strdup(err->message);
		vh_trace_threads_free(&threads);
	}
	if (!*why)
		return t;
	close_perf(t);
	return NULL;
}

static int64_t refresh(void *data)
{
	struct perf_trace *t = data;
	int64_t now = vh_now_ns();

	vh_perf_drain(t->perf, now, take, t);
	if (now - t->threads_ns > NEW_THREADS_NS) {
		struct vh_trace_threads threads = {0};

		size_t before = t->tally.n_threads;

		vh_trace_threads_read(t->host, t->pid, &threads);
		vh_error_free(add_vcpus(t, &threads));
		vh_trace_threads_free(&threads);
		t->threads_ns = now;
		if (t->tally.n_threads > before) { /* an id that is not known yet */
			free(t->ids.list);
			vh_vcpu_ids_read(t->host, t->pid, &t->ids);
		}
	}
	return vh_perf_next_ns(t->perf);
}

static struct json_object *read_perf(void *data)
{
	struct perf_trace *t = data;
	int64_t now = vh_now_ns();
	uint64_t told = 0;

	vh_perf_drain(t->perf, now, take, t);
	describe_events(t);
	for (int tp = 0; tp < VH_N_TP && t->lost; tp++) {
		t->tally.events[tp].lost = vh_perf_event_lost(t->perf, (enum vh_tp)tp);
		told += t->tally.events[tp].lost;
	}
	int64_t stopped_ns = vh_perf_stopped_ns(t->perf);

	if (stopped_ns) {
		struct vh_tally_event *e = &t->tally.events[VH_PERF_LIMITED];

		e->state = VH_EVENT_SAMPLED;
		e->span_ns = VH_MAX(stopped_ns - t->tally.read_ns, 1);
		e->why = "it comes so often that to count all of it would slow the guest";
	}
	struct json_object *o = vh_tally_read(&t->tally, t->epoch++, now);

	/* More than the events' sum on kernels that do not tell whose they were. */
	vh_json_put_u64(o, "lost", VH_MAX(t->lost, told));
	free(t->tally.shared);
	t->tally.shared = NULL;
	t->tally.n_shared = 0;
	t->tally.shared_missed = 0;
	t->lost = 0;
	vh_perf_renew(t->perf);
	return o;
}

static char *why_not(struct vh_host *host)
{
	struct vh_tp_format formats[VH_N_TP];
	char *why = vh_tp_read(host, formats);

	if (!why)
		why = vh_perf_why_not(formats, getpid());
	vh_tp_free(formats);
	return why;
}

const struct vh_trace_ops vh_trace_perf = {
	.open = open_perf,
	.refresh = refresh,
	.read = read_perf,
	.close = close_perf,
	.why_not = why_not,
};
