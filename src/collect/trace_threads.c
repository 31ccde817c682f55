/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/trace_threads.h"

#define TASKS_CAP   (64 * 1024)
#define STAT_CAP    1024
#define MAX_FDS     16384
#define NOT_YET     (-1)
#define KVM_RUN     0xae80 /* linux/kvm.h */
#define VCPU_TARGET "anon_inode:kvm-vcpu:"

/* One task, as its files say. */
struct task {
	pid_t tid;
	struct vh_procstat stat;
	uint64_t index; /* of its name */
	bool named;
};

struct tasks {
	struct task *list;
	size_t n;
};

static void read_stats(struct vh_host *host, pid_t pid, struct tasks *t)
{
	struct vh_file_read *files = vh_alloc(t->n * sizeof(*files));

	for (size_t i = 0; i < t->n; i++) {
		files[i].path = vh_asprintf("/proc/%d/task/%d/stat", (int)pid, (int)t->list[i].tid);
		files[i].cap = STAT_CAP;
	}
	vh_host_read_many(host, files, t->n);
	for (size_t i = 0; i < t->n; i++) {
		struct vh_reading *r = &files[i].out;

		if (!vh_status_has_data(r->status) ||
			!vh_procstat_parse((struct vh_str){r->data, r->size}, &t->list[i].stat))
			t->list[i].tid = 0;
		else
			t->list[i].named = vh_vcpu_name(t->list[i].stat.name, &t->list[i].index) &&
					   t->list[i].index < VH_MAX_TRACED;
		vh_reading_free(r);
		free(files[i].path);
	}
	free(files);
}

static void read_tasks(struct vh_host *host, pid_t pid, struct tasks *t)
{
	vh_auto_reading struct vh_reading r = {0};
	struct vh_str rest, line;
	uint64_t tid;

	vh_host_list(host, TASKS_CAP, &r, "/proc/%d/task", (int)pid);
	rest = (struct vh_str){r.data, r.data ? r.size : 0};
	while (t->n < VH_MAX_TRACED && vh_next_line(&rest, &line))
		if (vh_parse_u64(line, 10, &tid) && tid && tid <= INT32_MAX)
			VH_PUSH(t->list, t->n).tid = (pid_t)tid;
	if (t->n)
		read_stats(host, pid, t);
}

static bool is_running(const struct task *task)
{
	return task->stat.state == 'R';
}

/* A thread that a vCPU's thread starts inherits its name: of several the oldest is it. */
static void add_named(struct vh_trace_threads *out, const struct task *task)
{
	for (size_t i = 0; i < out->n; i++)
		if (out->list[i].vcpu == (int)task->index)
			return;
	VH_PUSH(out->list, out->n) =
		(struct vh_trace_thread){task->tid, (int)task->index, is_running(task)};
}

/* "16 0xb 0xae80 0x0 ...": the descriptor of a thread that is in KVM_RUN; -1. A kernel thread in
 * the process shows the call of the thread that made it: its program counter, the last word, is 0.
 */
static int kvm_run_fd(struct vh_host *host, pid_t pid, pid_t tid)
{
	vh_auto_reading struct vh_reading r = {0};
	struct vh_str rest, number, fd, request, word, last = {0};
	uint64_t value, n, pc;

	vh_host_read(host, STAT_CAP, &r, "/proc/%d/task/%d/syscall", (int)pid, (int)tid);
	rest = (struct vh_str){r.data, r.data ? r.size : 0};
	if (!vh_next_word(&rest, &number) || !vh_next_word(&rest, &fd) ||
		!vh_next_word(&rest, &request) || !vh_parse_u64(request, 0, &value) ||
		value != KVM_RUN || !vh_parse_u64(fd, 0, &n) || n > INT32_MAX)
		return -1;
	while (vh_next_word(&rest, &word))
		last = word;
	return vh_parse_u64(last, 0, &pc) && pc ? (int)n : -1;
}

/* The id in "anon_inode:kvm-vcpu:3". */
static bool vcpu_id(struct vh_str target, uint64_t *id)
{
	size_t n = strlen(VCPU_TARGET);

	return vh_str_starts(target, VCPU_TARGET) &&
	       vh_parse_u64((struct vh_str){target.s + n, target.n - n}, 10, id) &&
	       *id <= UINT16_MAX;
}

static int vcpu_of_fd(struct vh_host *host, pid_t pid, int fd, const struct vh_vcpu_ids *ids)
{
	vh_auto_reading struct vh_reading r = {0};
	uint64_t id;

	vh_host_readlink(host, &r, "/proc/%d/fd/%d", (int)pid, fd);
	if (!vh_status_has_data(r.status) ||
		!vcpu_id(vh_str_trim((struct vh_str){r.data, r.size}), &id))
		return NOT_YET;
	return vh_vcpu_index_of(ids, (uint32_t)id);
}

static void add_unnamed(
	struct vh_host *host, pid_t pid, const struct tasks *tasks, struct vh_trace_threads *out)
{
	struct vh_vcpu_ids ids = {0};

	vh_vcpu_ids_read(host, pid, &ids);
	for (size_t i = 0; ids.n && i < tasks->n; i++) {
		const struct task *task = &tasks->list[i];
		int fd = task->tid ? kvm_run_fd(host, pid, task->tid) : -1;

		if (task->tid)
			VH_PUSH(out->list, out->n) = (struct vh_trace_thread){task->tid,
				fd >= 0 ? vcpu_of_fd(host, pid, fd, &ids) : NOT_YET,
				is_running(task)};
	}
	free(ids.list);
}

static int by_vcpu(const void *a, const void *b)
{
	const struct vh_trace_thread *x = a, *y = b;
	unsigned i = (unsigned)x->vcpu, j = (unsigned)y->vcpu; /* -1 behind all */

	return i != j ? (i > j) - (i < j) : (x->tid > y->tid) - (x->tid < y->tid);
}

void vh_trace_threads_read(struct vh_host *host, pid_t pid, struct vh_trace_threads *out)
{
	struct tasks tasks = {0};

	*out = (struct vh_trace_threads){0};
	read_tasks(host, pid, &tasks);
	for (size_t i = 0; i < tasks.n; i++)
		if (tasks.list[i].tid && tasks.list[i].named)
			add_named(out, &tasks.list[i]);
	if (!out->n)
		add_unnamed(host, pid, &tasks, out);
	if (out->n)
		qsort(out->list, out->n, sizeof(*out->list), by_vcpu);
	free(tasks.list);
}

void vh_trace_threads_free(struct vh_trace_threads *t)
{
	free(t->list);
	*t = (struct vh_trace_threads){0};
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void vh_vcpu_ids_read(struct vh_host *host, pid_t pid, struct vh_vcpu_ids *out)
{
	vh_auto_reading struct vh_reading r = {0};
	struct vh_str rest, line, fd;
	uint64_t id;

	*out = (struct vh_vcpu_ids){0};
	vh_host_list_links(host, MAX_FDS, &r, "/proc/%d/fd", (int)pid);
	rest = (struct vh_str){r.data, r.data ? r.size : 0};
	while (out->n < VH_MAX_TRACED && vh_next_line(&rest, &line))
		if (vh_next_part(&line, '\t', &fd) && vcpu_id(line, &id))
			VH_PUSH(out->list, out->n) = (uint32_t)id;
	if (out->n)
		qsort(out->list, out->n, sizeof(*out->list), by_number);
}

int vh_vcpu_index_of(const struct vh_vcpu_ids *ids, uint32_t id)
{
	for (size_t i = 0; i < ids->n; i++)
		if (ids->list[i] == id)
			return (int)i;
	return (int)id;
}
