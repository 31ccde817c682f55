/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/quick.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "base/guard.h"

#define THREADS_MAX 4096 /* of one VM: more are not looked at */
#define SMALL_CAP   512
/* Listing threads cannot block but for want of a CPU: be patient. */
#define LIST_DEADLINE_NS (5 * VH_NS_PER_S)

/* Shares of the interval. A halted vCPU with a periodic timer stays far below the first. */
#define BUSY_SHARE    0.2
#define STARVED_SHARE 0.5
#define ASLEEP_SHARE  0.01
/* Running, or waiting for a CPU, all the time. */
#define RESTLESS_SHARE 0.9

enum { BEFORE, AFTER };

static const char *const attention_names[VH_N_ATTENTION] = {
	[VH_ATTENTION_NONE] = "none",
	[VH_ATTENTION_LOOK] = "look",
	[VH_ATTENTION_HUNG] = "hung",
};
VH_NAMES_DEFINE(vh_attention, enum vh_attention, attention_names)

struct look {
	bool seen;
	bool absent; /* there was no such thread */
	struct vh_procstat stat;
	bool has_times;
	uint64_t run_ns, wait_ns;
	int64_t at_ns;
};

struct thread {
	size_t vm;
	pid_t tid;
	struct look looks[2];
	char wchan[48];   /* "" running, unknown or not told */
	bool has_syscall; /* was told which */
	bool running;     /* the system call reads "running" */
	bool in_kvm_run;
};

/* The threads of many processes as one job: a switch of threads instead of hundreds. */
struct tasks_job {
	struct vh_job job;
	size_t n;
	struct {
		char *path;
		bool gone;
		size_t n;
		pid_t *tids;
	} * vms;
};

static void tasks_run(struct vh_job *job)
{
	struct tasks_job *j = (struct tasks_job *)job;

	for (size_t i = 0; i < j->n; i++) {
		DIR *dir = opendir(j->vms[i].path);
		struct dirent *entry;
		uint64_t tid;

		j->vms[i].gone = !dir && errno == ENOENT;
		while (dir && (entry = readdir(dir)) && j->vms[i].n < THREADS_MAX)
			if (vh_parse_u64(vh_str(entry->d_name), 10, &tid) && tid <= INT32_MAX)
				VH_PUSH(j->vms[i].tids, j->vms[i].n) = (pid_t)tid;
		if (dir)
			closedir(dir);
	}
}

static void tasks_destroy(struct vh_job *job)
{
	struct tasks_job *j = (struct tasks_job *)job;

	for (size_t i = 0; i < j->n; i++) {
		free(j->vms[i].path);
		free(j->vms[i].tids);
	}
	free(j->vms);
	free(j);
}

/* gone[i]: there is no process of VM i. */
static struct thread *list_threads(
	struct vh_host *host, const struct vh_vm_list *list, bool *gone, size_t *n)
{
	struct vh_guard *guard = vh_guard_create();
	struct tasks_job *j = vh_alloc(sizeof(*j));
	struct thread *threads = NULL;

	*n = 0;
	j->job = (struct vh_job){.run = tasks_run, .destroy = tasks_destroy};
	j->n = list->n;
	j->vms = vh_alloc((list->n + 1) * sizeof(*j->vms));
	for (size_t i = 0; i < list->n; i++) {
		vh_auto_free char *path = vh_asprintf("/proc/%d/task", (int)list->vms[i]->id.pid);

		j->vms[i].path = vh_host_path(host, path);
	}
	if (vh_guard_call(guard, &j->job, vh_deadline_in(LIST_DEADLINE_NS))) {
		for (size_t i = 0; i < list->n; i++) {
			gone[i] = j->vms[i].gone;
			for (size_t k = 0; k < j->vms[i].n; k++) {
				struct thread *t = &VH_PUSH(threads, *n);

				t->vm = i;
				t->tid = j->vms[i].tids[k];
			}
		}
		j->job.destroy(&j->job);
	}
	vh_guard_destroy(guard);
	return threads;
}

static struct vh_str text_of(const struct vh_reading *r)
{
	return (struct vh_str){r->data ? r->data : "", r->data ? r->size : 0};
}

/* "run wait slices" in nanoseconds (kernel fs/proc/base.c proc_pid_schedstat). */
static bool parse_schedstat(struct vh_str text, struct look *look)
{
	struct vh_str run, wait;

	return vh_next_word(&text, &run) && vh_next_word(&text, &wait) &&
	       vh_parse_u64(run, 10, &look->run_ns) && vh_parse_u64(wait, 10, &look->wait_ns);
}

/* "running", or the number and arguments of the call (kernel fs/proc/base.c proc_pid_syscall). */
static void parse_syscall(struct vh_str text, struct thread *t)
{
	struct vh_str number, fd, request, word;
	uint64_t value, stack = 0;

	t->has_syscall = vh_next_word(&text, &number);
	t->running = vh_str_is(number, "running");
	if (!vh_next_word(&text, &fd) || !vh_next_word(&text, &request))
		return;
	/* The last two are stack and program: 0 in a kernel thread, which shows another's call. */
	for (int i = 0; vh_next_word(&text, &word); i++)
		if (i == 4)
			vh_parse_u64(word, 0, &stack);
	/* ioctl is 16 on x86-64, 29 on arm64 and riscv; KVM_RUN is 0xae80 everywhere. */
	t->in_kvm_run = (vh_str_is(number, "16") || vh_str_is(number, "29")) && stack &&
			vh_parse_u64(request, 0, &value) && value == 0xae80;
}

enum { STAT, SCHEDSTAT, WCHAN, SYSCALL, N_FILES };

static void look(struct vh_host *host, const struct vh_vm_list *list, struct thread *threads,
	size_t n, int round)
{
	static const char *const names[N_FILES] = {"stat", "schedstat", "wchan", "syscall"};
	size_t each = round == BEFORE ? 2 : N_FILES;
	struct vh_file_read *files = vh_alloc((n * each + 1) * sizeof(*files));

	for (size_t i = 0; i < n * each; i++) {
		const struct thread *t = &threads[i / each];

		files[i].path = vh_asprintf("/proc/%d/task/%d/%s", (int)list->vms[t->vm]->id.pid,
			(int)t->tid, names[i % each]);
		files[i].cap = SMALL_CAP;
	}
	vh_host_read_many(host, files, n * each);
	for (size_t i = 0; i < n; i++) {
		struct vh_file_read *f = &files[i * each];
		struct look *l = &threads[i].looks[round];

		l->absent = f[STAT].out.status == VH_ABSENT;
		l->seen = vh_procstat_parse(text_of(&f[STAT].out), &l->stat);
		/* A captured host stands still. */
		l->has_times =
			vh_host_is_live(host) && parse_schedstat(text_of(&f[SCHEDSTAT].out), l);
		l->at_ns = f[SCHEDSTAT].out.at_ns;
		if (round == BEFORE)
			continue;
		struct vh_str wchan = vh_str_trim(text_of(&f[WCHAN].out));

		if (!vh_str_is(wchan, "0"))
			snprintf(threads[i].wchan, sizeof(threads[i].wchan), "%.*s", (int)wchan.n,
				wchan.s);
		parse_syscall(text_of(&f[SYSCALL].out), &threads[i]);
	}
	for (size_t i = 0; i < n * each; i++) {
		free(files[i].path);
		vh_reading_free(&files[i].out);
	}
	free(files);
}

/* What the threads of one VM were seen to do, counted. */
struct tally {
	const struct vh_vm *vm;
	bool gone; /* its process, or its main thread */
	size_t threads, stopped, frozen;
	const struct thread *main, *traced, *blocked;
	bool named;     /* threads are called "CPU n/KVM" */
	unsigned vcpus; /* recognised */
	unsigned busy, starved, in_kvm_run, in_futex;
	bool restless; /* a vCPU ran, or was ready to, all the time */
	bool told;     /* wchan and system call of some vCPU or of main could be read */
	double cpu_share;
	bool has_cpu;
};

static bool is_vcpu_name(const char *name)
{
	uint64_t number;
	const char *slash = strchr(name, '/');

	/* "CPU 0/KVM", "CPU 0/TCG", "ALL CPUs/TCG" (QEMU accel/), "fc_vcpu 0", "vcpu0",
	 * "crosvm_vcpu0", "kvm-vcpu-0". */
	if (vh_prefix(name, "CPU ") && slash)
		return vh_parse_u64((struct vh_str){name + 4, slash - name - 4}, 10, &number);
	return vh_prefix(name, "ALL CPUs/") || vh_prefix(name, "fc_vcpu") ||
	       vh_prefix(name, "vcpu") || vh_prefix(name, "crosvm_vcpu") ||
	       vh_prefix(name, "kvm-vcpu");
}

/* Threads of the kernel in the process: neither signals nor the freezer stop them as they do the
 * others. */
static bool is_kernel_worker(const char *name)
{
	return vh_prefix(name, "kvm-nx-lpage") || vh_prefix(name, "vhost-");
}

static bool is_futex(const struct thread *t)
{
	return vh_prefix(t->wchan, "futex_");
}

static bool is_poll(const struct thread *t)
{
	return strstr(t->wchan, "poll") || strstr(t->wchan, "select");
}

/* By the freezer: where it stopped a thread, or, since Linux 6.1 (TASK_FROZEN) and with cgroup v1,
 * in the wait it was in, which then reads as uninterruptible. */
static bool is_frozen(const struct thread *t)
{
	return vh_streq(t->wchan, "__refrigerator") || vh_streq(t->wchan, "do_freezer_trap") ||
	       vh_streq(t->wchan, "get_signal") ||
	       (t->looks[AFTER].stat.state == 'D' && (is_futex(t) || is_poll(t)));
}

/* Waits of a vCPU inside KVM_RUN, or of any thread, that end only when somebody else acts. */
static bool is_blocked(const struct thread *t)
{
	static const char *const waits[] = {
		"request_wait_answer", "handle_userfault", "fuse_", "io_schedule", "folio_wait"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(waits); i++)
		if (vh_prefix(t->wchan, waits[i]))
			return true;
	return t->looks[BEFORE].stat.state == 'D' && t->looks[AFTER].stat.state == 'D';
}

/* Shares of the interval; false where they are not known, as on a re-rooted host. */
static bool shares_of(const struct thread *t, double *run, double *wait)
{
	const struct look *a = &t->looks[BEFORE], *b = &t->looks[AFTER];
	int64_t ns = b->at_ns - a->at_ns;

	if (!a->has_times || !b->has_times || ns < VH_NS_PER_MS || b->run_ns < a->run_ns ||
		b->wait_ns < a->wait_ns)
		return false;
	*run = (double)(b->run_ns - a->run_ns) / (double)ns;
	*wait = (double)(b->wait_ns - a->wait_ns) / (double)ns;
	/* The kernel adds a wait when it ends: ready at both looks, with nothing to show for it, is
	 * a wait that lasts (decode/threads.c). */
	if (a->stat.state == 'R' && b->stat.state == 'R' && *run + *wait < 1 - STARVED_SHARE)
		*wait = 1 - *run;
	return true;
}

static void count_vcpu(
	struct tally *sum, const struct thread *t, bool known, double run, double wait)
{
	/* Running when looked at, where time cannot tell. */
	if (known ? run >= BUSY_SHARE : t->running || t->looks[AFTER].stat.state == 'R')
		sum->busy++;
	else if (known && wait >= STARVED_SHARE)
		sum->starved++;
	sum->vcpus++;
	sum->restless |= known && run + wait >= RESTLESS_SHARE;
	sum->in_kvm_run += t->in_kvm_run;
	sum->in_futex += is_futex(t) && (!known || run < ASLEEP_SHARE);
	sum->told |= t->has_syscall;
	if (!sum->blocked && is_blocked(t))
		sum->blocked = t;
}

static void count_thread(struct tally *sum, const struct thread *t)
{
	const struct vh_procstat *stat = &t->looks[AFTER].stat;
	double run = 0, wait = 0;
	bool known = shares_of(t, &run, &wait);

	sum->gone |= t->tid == sum->vm->id.pid && t->looks[AFTER].absent;
	if (!t->looks[AFTER].seen)
		return;
	if (!is_kernel_worker(stat->name)) {
		sum->threads++;
		sum->stopped += stat->state == 'T';
		sum->frozen += is_frozen(t);
	}
	if (stat->state == 't' && !sum->traced)
		sum->traced = t;
	if (t->tid == sum->vm->id.pid)
		sum->main = t;
	if (known) {
		sum->cpu_share += run;
		sum->has_cpu = true;
	}
	/* Without names a vCPU is known by what it does: it is in KVM_RUN, or uses a CPU and is not
	 * the main thread. */
	bool unnamed = t->in_kvm_run ||
		       (t->tid != sum->vm->id.pid && (run >= BUSY_SHARE || wait >= STARVED_SHARE ||
							     (is_futex(t) && !t->running)));

	if (sum->named ? is_vcpu_name(stat->name) : unnamed)
		count_vcpu(sum, t, known, run, wait);
}

static void set_state(struct vh_quick *q, enum vh_state state, const char *detail)
{
	q->state = state;
	snprintf(q->detail, sizeof(q->detail), "%s", detail);
}

static void judge(const struct tally *sum, struct vh_quick *q)
{
	bool kvm = sum->vm->accel == VH_ACCEL_KVM;
	/* Without names QEMU's RCU thread, always in a futex, is counted too. */
	unsigned wanted = VH_MAX(sum->vm->vcpus, 1U) + !sum->named;

	if (!sum->main)
		set_state(
			q, sum->gone ? VH_STATE_DEAD : VH_STATE_UNKNOWN, sum->gone ? "ended" : "");
	else if (sum->main->looks[AFTER].stat.start_ticks != sum->vm->id.start_ticks ||
		 strchr("ZX", sum->main->looks[AFTER].stat.state))
		set_state(q, VH_STATE_DEAD, "ended");
	else if (sum->traced)
		set_state(q, VH_STATE_STOPPED, "traced");
	else if (sum->stopped == sum->threads)
		set_state(q, VH_STATE_STOPPED, "by signal");
	else if (sum->frozen == sum->threads)
		set_state(q, VH_STATE_STOPPED, "frozen");
	else if (sum->blocked)
		set_state(q, VH_STATE_BLOCKED, sum->blocked->wchan);
	else if (is_blocked(sum->main))
		set_state(q, VH_STATE_BLOCKED, sum->main->wchan);
	else if (sum->busy)
		set_state(q, VH_STATE_RUNNING, "");
	else if (sum->starved)
		set_state(q, VH_STATE_STARVED, "");
	/* Stopped vCPUs of KVM wait on a condition variable (QEMU softmmu/cpus.c
	 * qemu_wait_io_event); those of TCG do so when halted too. */
	else if (kvm && sum->told && !sum->in_kvm_run && sum->in_futex >= wanted &&
		 is_poll(sum->main))
		set_state(q, VH_STATE_PAUSED, "");
	else if (sum->in_kvm_run || (!kvm && sum->vcpus && sum->in_futex))
		set_state(q, VH_STATE_IDLE, "");
	else
		set_state(q, VH_STATE_UNKNOWN, "");
}

static enum vh_attention attention_of(const struct tally *sum, const struct vh_quick *q)
{
	switch (q->state) {
	case VH_STATE_STOPPED:
	case VH_STATE_PAUSED:
	case VH_STATE_BLOCKED:
	case VH_STATE_DEAD:
		return VH_ATTENTION_HUNG;
	default:
		return sum->restless ? VH_ATTENTION_LOOK : VH_ATTENTION_NONE;
	}
}

static void judge_vm(const struct vh_vm *vm, bool gone, const struct thread *threads, size_t n,
	int64_t up_ns, struct vh_quick *q)
{
	struct tally sum = {.vm = vm, .gone = gone};
	int64_t started =
		(int64_t)(vm->id.start_ticks * (uint64_t)(VH_NS_PER_S / sysconf(_SC_CLK_TCK)));

	for (size_t i = 0; i < n; i++)
		sum.named |= threads[i].looks[AFTER].seen &&
			     is_vcpu_name(threads[i].looks[AFTER].stat.name);
	for (size_t i = 0; i < n; i++)
		count_thread(&sum, &threads[i]);
	*q = (struct vh_quick){.cpu_percent = sum.has_cpu ? 100 * sum.cpu_share : -1,
		.uptime_ns = up_ns > started ? up_ns - started : 0,
		.vcpus_busy = sum.busy,
		.vcpus_seen = vm->vcpus ? VH_MIN(sum.vcpus, vm->vcpus) : sum.vcpus};
	judge(&sum, q);
	q->attention = attention_of(&sum, q);
}

void vh_quick_look(struct vh_host *host, const struct vh_vm_list *list, int64_t interval_ns,
	struct vh_quick *out)
{
	size_t n;
	int64_t began = vh_now_ns();
	int64_t up_ns = vh_identity_uptime_ns(host, &(struct vh_identity){0});
	vh_auto_free bool *gone = vh_alloc(list->n + 1);
	struct thread *threads = list_threads(host, list, gone, &n);

	look(host, list, threads, n, BEFORE);
	if (vh_host_is_live(host) && n)
		vh_sleep_until_ns(began + (interval_ns > 0 ? interval_ns : VH_QUICK_INTERVAL_NS));
	look(host, list, threads, n, AFTER);
	for (size_t vm = 0, i = 0; vm < list->n; vm++) {
		size_t first = i;

		while (i < n && threads[i].vm == vm)
			i++;
		judge_vm(list->vms[vm], gone[vm], threads ? threads + first : NULL, i - first,
			up_ns, &out[vm]);
	}
	free(threads);
}
