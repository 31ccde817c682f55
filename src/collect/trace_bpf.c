/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counting in the kernel: src/bpf/exits.bpf.c, loaded, attached, and read through mapped tables.
 * All of it hangs on descriptors of this process: nothing is pinned, so nothing remains when it
 * ends.
 */
#include "collect/trace_backend.h"

#include "config.h"

#if HAVE_BPF
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "collect/bpf_sys.h"
#include "collect/libbpf.h"
#include "collect/trace_plan.h"
#include "collect/trace_threads.h"

/* src/bpf/exits.bpf.c, compiled: made by scripts/embed. */
extern const unsigned char vh_bpf_object[];
extern const size_t vh_bpf_object_size;

#define SPARE_THREADS  16    /* for vCPUs that are plugged in */
#define TID_TOMBSTONE  (~0U) /* of a thread that ended: what hashes past it is still found */
#define REFRESH_NS     (250 * VH_NS_PER_MS)
#define SETTLE_NS      (1 * VH_NS_PER_MS) /* longer than any event is under way */
#define SAMPLE_NS      (3 * VH_NS_PER_MS)
#define SAMPLE_MIN     5000  /* fewer instructions tell neither a rate nor a loop */
#define OFTEN_A_SECOND 20000 /* what comes more often than this is only sampled */

struct map {
	int fd;
	void *memory; /* mapped; NULL: not */
	size_t bytes;
};

struct event {
	int link; /* -1: not attached */
	int program;
	uint64_t misses; /* at the last reading */
	int64_t attached_ns, detached_ns;
	pthread_t closer; /* where `closing` */
	bool closing;
};

struct trace_bpf {
	struct vh_host *host; /* the caller's */
	pid_t pid;
	const struct vh_libbpf *lib;
	struct bpf_object *object;
	struct vh_tp_format formats[VH_N_TP];
	struct vh_bpf_choice choices[VH_N_TP];
	struct vh_bpf_config config;
	struct map controls, states, keys, exits;
	int tids, shared, shared_missed;
	uint64_t old_shared_missed;
	struct event events[VH_N_TP];
	char *too_often; /* why an event is only sampled */
	struct vh_tally tally;
	struct vh_vcpu_ids ids;
	bool ids_read;
	uint64_t tasks_hash; /* of the list of threads, as it was last read */
	bool tasks_changed;  /* at the last look */
};

static volatile struct vh_bpf_control *control_of(struct trace_bpf *t)
{
	return t->controls.memory;
}

/* A copy of what is loaded: libbpf changes its rodata before. */
static int open_object(struct trace_bpf *t)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "exits");

	t->object = t->lib->open_mem(vh_bpf_object, vh_bpf_object_size, &options);
	/* libbpf 0.x returns an error as a pointer. */
	if (!t->object || (uintptr_t)t->object >= (uintptr_t)-4095) {
		t->object = NULL;
		return -EINVAL;
	}
	return 0;
}

static int set_size(struct trace_bpf *t, const char *name, size_t n)
{
	struct bpf_map *map = t->lib->find_map(t->object, name);

	return map ? t->lib->set_max_entries(map, (uint32_t)n) : -ENOENT;
}

static int configure(struct trace_bpf *t)
{
	struct bpf_map *rodata = t->lib->find_map(t->object, "exits.rodata");
	size_t capacity = t->tally.capacity;
	int r;

	if (!rodata)
		return -ENOENT;
	if ((r = t->lib->set_initial_value(rodata, &t->config, sizeof(t->config))) < 0 ||
		(r = set_size(t, "states", capacity)) < 0 ||
		(r = set_size(t, "keys", capacity * 2 * VH_N_TABLE * t->tally.slots)) < 0 ||
		(r = set_size(t, "exits", capacity * 2 * VH_EXIT_SLOTS)) < 0)
		return r;
	for (int i = 0; i < VH_N_TP; i++)
		for (int u = 0; u < 2 && t->choices[i].unused[u]; u++) {
			struct bpf_program *p =
				t->lib->find_program(t->object, t->choices[i].unused[u]);

			if (p && (r = t->lib->set_autoload(p, false)) < 0)
				return r;
		}
	return 0;
}

static int map_table(struct trace_bpf *t, const char *name, size_t bytes, struct map *out)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct bpf_map *map = t->lib->find_map(t->object, name);

	if (!map)
		return -ENOENT;
	out->bytes = (bytes + page - 1) / page * page;
	out->fd = t->lib->map_fd(map);
	out->memory = mmap(NULL, out->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, out->fd, 0);
	if (out->memory == MAP_FAILED) {
		out->memory = NULL;
		return -errno;
	}
	return 0;
}

static int fd_of_map(struct trace_bpf *t, const char *name)
{
	struct bpf_map *map = t->lib->find_map(t->object, name);

	return map ? t->lib->map_fd(map) : -ENOENT;
}

static int map_tables(struct trace_bpf *t)
{
	size_t n = t->tally.capacity;
	int r;

	if ((r = map_table(t, "exits.bss", sizeof(struct vh_bpf_control), &t->controls)) < 0 ||
		(r = map_table(t, "states", n * sizeof(struct vh_vcpu_state), &t->states)) < 0 ||
		(r = map_table(t, "keys", vh_tally_key_bytes(n, t->tally.slots), &t->keys)) < 0 ||
		(r = map_table(t, "exits", vh_tally_exit_bytes(n), &t->exits)) < 0)
		return r;
	t->tids = fd_of_map(t, "tids");
	t->shared = fd_of_map(t, "shared");
	t->shared_missed = fd_of_map(t, "shared_missed");
	t->tally.states = t->states.memory;
	t->tally.keys = t->keys.memory;
	t->tally.exits = t->exits.memory;
	return t->tids < 0 || t->shared < 0 || t->shared_missed < 0 ? -ENOENT : 0;
}

/* Programs and maps, not attached. NULL or why not. */
static char *load(struct trace_bpf *t)
{
	int r = open_object(t);

	if (r < 0)
		return vh_strdup("libbpf cannot read the BPF programs");
	r = configure(t);
	if (r < 0)
		return vh_asprintf("libbpf cannot prepare the BPF programs: %s", strerror(-r));
	vh_bpf_raise_memlock();
	r = t->lib->load(t->object);
	if (r < 0)
		return vh_asprintf("the kernel does not take the BPF programs: %s%s", strerror(-r),
			r == -EINVAL ? " (they need Linux 5.5)" : "");
	r = map_tables(t);
	if (r < 0)
		return vh_asprintf("mapping the BPF tables: %s", strerror(-r));
	return NULL;
}

/* The slot of a tid, or a free one; -1: all its places are taken. */
static int tid_slot(struct trace_bpf *t, uint32_t tid)
{
	for (uint32_t i = 0; i < VH_N_PROBES; i++) {
		uint32_t at = (tid + i) & (VH_TID_SLOTS - 1);
		struct vh_tid_slot slot;

		if (vh_bpf_lookup(t->tids, &at, &slot) < 0)
			return -1;
		if (!slot.tid || slot.tid == TID_TOMBSTONE || slot.tid == tid)
			return (int)at;
	}
	return -1;
}

static void set_tid(struct trace_bpf *t, pid_t tid, uint32_t value, size_t thread)
{
	struct vh_tid_slot slot = {.tid = value, .thread = (uint32_t)thread};
	int at = tid_slot(t, (uint32_t)tid);
	uint32_t key = (uint32_t)at;

	if (at >= 0)
		vh_bpf_update(t->tids, &key, &slot);
}

static void add_thread(struct trace_bpf *t, const struct vh_trace_thread *thread, int64_t now)
{
	if (vh_tally_add(&t->tally, thread->tid, thread->vcpu, now, thread->runs))
		set_tid(t, thread->tid, (uint32_t)thread->tid, t->tally.n_threads - 1);
}

static struct vh_tally_thread *find_thread(struct trace_bpf *t, pid_t tid, size_t hint)
{
	if (hint < t->tally.n_threads && t->tally.threads[hint].tid == tid &&
		!t->tally.threads[hint].ended)
		return &t->tally.threads[hint];
	for (size_t i = 0; i < t->tally.n_threads; i++)
		if (t->tally.threads[i].tid == tid && !t->tally.threads[i].ended)
			return &t->tally.threads[i];
	return NULL;
}

/* Whether a thread runs matters until its first event: then its events tell. */
static void set_rests(struct trace_bpf *t, const struct vh_trace_threads *threads)
{
	for (size_t i = 0; i < threads->n; i++) {
		struct vh_tally_thread *known = find_thread(t, threads->list[i].tid, i);
		struct vh_vcpu_state *s = known ? &t->tally.states[known - t->tally.threads] : NULL;

		if (s && s->since_ns == s->begin_ns && s->place == VH_PLACE_UNKNOWN)
			s->rest = threads->list[i].runs ? VH_REST_ON : VH_REST_ASLEEP;
	}
}

static int attach_one(struct trace_bpf *t, enum vh_tp tp)
{
	struct bpf_program *p = t->lib->find_program(t->object, t->choices[tp].program);
	const char *colon = strchr(t->formats[tp].name, ':');
	struct event *e = &t->events[tp];

	e->program = p ? t->lib->program_fd(p) : -ENOENT;
	if (e->program < 0)
		return e->program;
	e->link = t->choices[tp].raw ? vh_bpf_attach_raw(e->program, colon ? colon + 1 : "")
				     : vh_bpf_attach_classic(e->program, t->formats[tp].id);
	e->attached_ns = vh_now_ns();
	return e->link;
}

static void attach(struct trace_bpf *t, enum vh_tp tp)
{
	struct vh_tally_event *told = &t->tally.events[tp];
	struct vh_bpf_choice *c = &t->choices[tp];
	int r;

	told->name = t->formats[tp].name;
	told->state = c->program ? VH_EVENT_ATTACHED : c->state;
	if (c->program && (r = attach_one(t, tp)) < 0) {
		told->state = r == -ENOENT ? VH_EVENT_ABSENT : VH_EVENT_FAILED;
		free(c->why);
		c->why = r == -ENOENT ? NULL : vh_asprintf("attaching: %s", strerror(-r));
	}
	told->why = c->why;
}

static void *close_link(void *data)
{
	struct event *e = data;

	close(e->link);
	return NULL;
}

/* The end of a classic tracepoint waits for all CPUs (tracepoint_synchronize_unregister), some ten
 * milliseconds: nobody waits for it here, nor one of them for the other. */
static void detach_beside(struct event *e)
{
	e->detached_ns = vh_now_ns();
	e->closing = pthread_create(&e->closer, NULL, close_link, e) == 0;
	if (!e->closing)
		close(e->link);
}

static bool is_attached(const struct event *e)
{
	return e->link >= 0 && !e->detached_ns;
}

static void detach_all(struct trace_bpf *t)
{
	for (int tp = 0; tp < VH_N_TP; tp++) {
		struct event *e = &t->events[tp];

		if (is_attached(e) && t->choices[tp].raw)
			close(e->link);
		else if (is_attached(e))
			detach_beside(e);
	}
	for (int tp = 0; tp < VH_N_TP; tp++)
		if (t->events[tp].closing)
			pthread_join(t->events[tp].closer, NULL);
}

static uint64_t seen(const struct trace_bpf *t, enum vh_tp tp)
{
	uint64_t n = 0;

	for (size_t i = 0; i < t->tally.n_threads; i++)
		n += t->tally.states[i].seen[tp];
	return n;
}

/* kvm_emulate_insn comes with every instruction, millions of times a second, where KVM emulates
 * instead of running the guest; elsewhere it is rare. */
static void check_rate(struct trace_bpf *t)
{
	struct event *e = &t->events[VH_TP_EMULATE];
	int64_t span_ns = vh_now_ns() - e->attached_ns;
	uint64_t n = !is_attached(e) ? 0 : seen(t, VH_TP_EMULATE);

	if (n < SAMPLE_MIN || (double)n * VH_NS_PER_S / (double)span_ns < OFTEN_A_SECOND)
		return;
	/* Until it is detached it would go on for a time that nobody knows. */
	__atomic_store_n(&control_of(t)->sampled, 1, __ATOMIC_RELEASE);
	detach_beside(e);
	free(t->too_often);
	t->too_often = vh_asprintf(
		"it comes %.0f times a second", (double)n * VH_NS_PER_S / (double)span_ns);
	t->tally.events[VH_TP_EMULATE].state = VH_EVENT_SAMPLED;
	t->tally.events[VH_TP_EMULATE].why = t->too_often;
}

static int64_t refresh(void *backend);

/* From here on all is counted, from one moment on. */
static void arm(struct trace_bpf *t, const struct vh_trace_threads *threads)
{
	struct vh_trace_threads now = {0};

	for (int tp = 0; tp < VH_N_TP; tp++)
		if (tp != VH_TP_EMULATE)
			attach(t, (enum vh_tp)tp);
	t->tally.read_ns = vh_now_ns();
	for (size_t i = 0; i < threads->n; i++)
		add_thread(t, &threads->list[i], t->tally.read_ns);
	__atomic_store_n(&control_of(t)->armed, 1, __ATOMIC_RELEASE);
	vh_trace_threads_read(t->host, t->pid, &now);
	set_rests(t, &now);
	vh_trace_threads_free(&now);
	attach(t, VH_TP_EMULATE);
	if (is_attached(&t->events[VH_TP_EMULATE])) {
		vh_sleep_until_ns(t->events[VH_TP_EMULATE].attached_ns + SAMPLE_NS);
		check_rate(t);
	}
	refresh(t);
}

static void unmap(struct map *m)
{
	if (m->memory)
		munmap(m->memory, m->bytes);
}

static void close_trace(void *backend)
{
	struct trace_bpf *t = backend;

	detach_all(t);
	unmap(&t->controls);
	unmap(&t->states);
	unmap(&t->keys);
	unmap(&t->exits);
	if (t->object)
		t->lib->close(t->object);
	vh_bpf_choices_free(t->choices);
	vh_tp_free(t->formats);
	free(t->tally.threads);
	free(t->tally.shared);
	free(t->tally.copies);
	free(t->ids.list);
	free(t->too_often);
	free(t);
}

static void choose(struct trace_bpf *t)
{
	vh_auto_free char *no_formats = vh_tp_read(t->host, t->formats);
	struct vh_btf *btf = vh_btf_read(t->host);

	vh_bpf_choose(btf, t->formats, no_formats, t->choices, &t->config);
	vh_btf_free(btf);
}

/* Without one of these it says too little to be worth it. */
static char *enough(const struct trace_bpf *t)
{
	if (t->choices[VH_TP_EXIT].program || t->choices[VH_TP_USERSPACE_EXIT].program)
		return NULL;
	if (t->choices[VH_TP_EXIT].why)
		return vh_strdup(t->choices[VH_TP_EXIT].why);
	return vh_strdup("this kernel has no kvm tracepoints");
}

static void *open_trace(struct vh_host *host, const struct vh_vm *vm,
	const struct vh_trace_options *options, char **why)
{
	struct vh_trace_threads threads = {0};
	const char *no_library = NULL;
	const struct vh_libbpf *lib = vh_libbpf(&no_library);

	(void)options;
	*why = lib ? vh_bpf_refused(host) : vh_strdup(no_library);
	if (*why)
		return NULL;
	vh_trace_threads_read(host, vm->id.pid, &threads);
	if (!threads.n) {
		*why = vh_strdup("the VM has no vCPU threads");
		return NULL;
	}
	struct trace_bpf *t = vh_alloc(sizeof(*t));

	*t = (struct trace_bpf){.host = host, .pid = vm->id.pid, .lib = lib};
	for (int tp = 0; tp < VH_N_TP; tp++)
		t->events[tp].link = -1;
	t->tally.capacity =
		VH_MIN(threads.n + threads.n / 4 + SPARE_THREADS, (size_t)VH_MAX_TRACED);
	t->tally.slots = vh_tally_slots(t->tally.capacity);
	t->config.tgid = (uint32_t)vm->id.pid;
	t->config.slots = t->tally.slots;
	choose(t);
	*why = enough(t);
	if (!*why)
		*why = load(t);
	if (!*why)
		arm(t, &threads);
	vh_trace_threads_free(&threads);
	if (!*why)
		return t;
	close_trace(t);
	return NULL;
}

/* What the list of threads looks like: it is only read closely when it changed. */
static uint64_t hash_tasks(struct trace_bpf *t)
{
	vh_auto_reading struct vh_reading r = {0};
	uint64_t hash = 0xcbf29ce484222325;

	vh_host_list(t->host, 64 * 1024, &r, "/proc/%d/task", (int)t->pid);
	for (size_t i = 0; r.data && i < r.size; i++)
		hash = (hash ^ (uint8_t)r.data[i]) * 0x100000001b3;
	return hash;
}

static void take_threads(struct trace_bpf *t)
{
	struct vh_trace_threads threads = {0};
	int64_t now = vh_now_ns();

	vh_trace_threads_read(t->host, t->pid, &threads);
	for (size_t i = 0; i < t->tally.n_threads; i++) {
		struct vh_tally_thread *known = &t->tally.threads[i];
		bool there = known->ended;

		for (size_t k = 0; k < threads.n && !there; k++)
			there = threads.list[k].tid == known->tid;
		if (there)
			continue;
		known->ended = true;
		known->ended_ns = now;
		set_tid(t, known->tid, TID_TOMBSTONE, 0);
	}
	t->tally.untraced = 0;
	for (size_t i = 0; i < threads.n; i++) {
		if (find_thread(t, threads.list[i].tid, i))
			continue;
		add_thread(t, &threads.list[i], now);
		t->ids_read = false; /* one that was plugged in has an id that is not known yet */
	}
	vh_trace_threads_free(&threads);
}

static void follow_threads(struct trace_bpf *t)
{
	uint64_t hash = hash_tasks(t);
	bool changed = hash != t->tasks_hash;

	/* A thread names itself a moment after it is there: a new one is looked at twice. */
	if (changed || t->tasks_changed)
		take_threads(t);
	t->tasks_hash = hash;
	t->tasks_changed = changed;
}

static int64_t refresh(void *backend)
{
	struct trace_bpf *t = backend;

	follow_threads(t);
	check_rate(t);
	/* A guest that just happened not to run was not seen to emulate: look again soon. */
	const struct event *e = &t->events[VH_TP_EMULATE];
	int64_t now = vh_now_ns();

	return now + (is_attached(e) ? VH_MIN(VH_MAX(now - e->attached_ns, SAMPLE_NS), REFRESH_NS)
				     : REFRESH_NS);
}

/* Takes the shared keys of the epoch, and of those before, out of their table. */
static void take_shared(struct trace_bpf *t, uint32_t epoch)
{
	struct vh_shared_key key, *last = NULL;
	uint32_t first = 0;
	uint64_t missed = 0;

	free(t->tally.shared);
	t->tally.shared = NULL;
	t->tally.n_shared = 0;
	while (t->tally.n_shared < VH_SHARED_ENTRIES &&
		vh_bpf_next_key(t->shared, last, &key) == 0) {
		if ((int32_t)(key.epoch - epoch) <= 0)
			VH_PUSH(t->tally.shared, t->tally.n_shared).key = key;
		last = &key;
	}
	for (size_t i = 0; i < t->tally.n_shared; i++) {
		struct vh_tally_shared *s = &t->tally.shared[i];

		vh_bpf_lookup(t->shared, &s->key, &s->count);
		vh_bpf_delete(t->shared, &s->key);
	}
	vh_bpf_lookup(t->shared_missed, &first, &missed);
	t->tally.shared_missed = missed - t->old_shared_missed;
	t->old_shared_missed = missed;
}

static int index_of(void *data, uint32_t vcpu_id)
{
	struct trace_bpf *t = data;

	if (!t->ids_read) {
		free(t->ids.list);
		vh_vcpu_ids_read(t->host, t->pid, &t->ids);
	}
	t->ids_read = true;
	return vh_vcpu_index_of(&t->ids, vcpu_id);
}

static void take_misses(struct trace_bpf *t)
{
	for (int tp = 0; tp < VH_N_TP; tp++) {
		struct event *e = &t->events[tp];
		uint64_t misses = is_attached(e) ? vh_bpf_misses(e->program) : e->misses;

		t->tally.events[tp].lost = misses - e->misses;
		e->misses = misses;
		if (t->tally.events[tp].state == VH_EVENT_SAMPLED)
			t->tally.events[tp].span_ns = e->detached_ns - e->attached_ns;
	}
}

static struct json_object *read_trace(void *backend)
{
	struct trace_bpf *t = backend;
	uint32_t epoch = control_of(t)->epoch;
	struct vh_tally_event *sampled = &t->tally.events[VH_TP_EMULATE];

	follow_threads(t); /* who ended since the last look */
	vh_tally_copy(&t->tally, 0);
	__atomic_store_n(&control_of(t)->epoch, epoch + 1, __ATOMIC_SEQ_CST);
	vh_sleep_until_ns(vh_now_ns() + SETTLE_NS);
	t->tally.index_of = index_of;
	t->tally.index_data = t;
	take_shared(t, epoch);
	take_misses(t);
	struct json_object *o = vh_tally_read(&t->tally, epoch, 0);

	if (sampled->state == VH_EVENT_SAMPLED) {
		sampled->state = VH_EVENT_UNWANTED; /* of the spans that follow */
		sampled->span_ns = 0;
	}
	return o;
}

static char *why_not(struct vh_host *host)
{
	const char *no_library = NULL;

	if (!vh_libbpf(&no_library))
		return vh_strdup(no_library);
	return vh_bpf_refused(host);
}

#else
static void *open_trace(struct vh_host *host, const struct vh_vm *vm,
	const struct vh_trace_options *options, char **why)
{
	(void)host;
	(void)vm;
	(void)options;
	*why = vh_strdup("this vmhang was built without BPF");
	return NULL;
}

static int64_t refresh(void *backend)
{
	(void)backend;
	return INT64_MAX;
}

static struct json_object *read_trace(void *backend)
{
	(void)backend;
	return NULL;
}

static void close_trace(void *backend)
{
	(void)backend;
}

static char *why_not(struct vh_host *host)
{
	(void)host;
	return vh_strdup("this vmhang was built without BPF");
}
#endif

const struct vh_trace_ops vh_trace_bpf = {
	.open = open_trace,
	.refresh = refresh,
	.read = read_trace,
	.close = close_trace,
	.why_not = why_not,
};
