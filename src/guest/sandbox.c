/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <linux/capability.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* A killed process ends at once unless the kernel holds it in an uninterruptible wait. */
#define REAP_NS (500 * VH_NS_PER_MS)
/* One that has closed its end is given so long to end by itself, for its status to tell why. */
#define LAST_BREATH_NS (200 * VH_NS_PER_MS)

/* Exit statuses of a child that could not be locked in. */
enum { LEFT_ALONE = 101, NOT_LIMITED, NOT_STRIPPED, NOT_FILTERED };

/* --- The child --------------------------------------------------------------------------------
 */

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Closes everything but these. */
static void keep_only(int *fds, size_t n)
{
	unsigned from = 0;

	qsort(fds, n, sizeof(*fds), by_number);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned)fds[i] > from)
			syscall(SYS_close_range, from, (unsigned)fds[i] - 1, 0);
		from = (unsigned)fds[i] + 1;
	}
	syscall(SYS_close_range, from, ~0U, 0);
}

/* Bytes of address space that are taken already: what the parent mapped. */
static uint64_t mapped_now(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	if (f && fscanf(f, "%llu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool limit(int resource, uint64_t value)
{
	struct rlimit now, wanted;

	/* A limit that is lower already stays. */
	if (getrlimit((__rlimit_resource_t)resource, &now) == 0)
		value = VH_MIN(value, (uint64_t)now.rlim_max);
	wanted = (struct rlimit){value, value};
	return setrlimit((__rlimit_resource_t)resource, &wanted) == 0;
}

static bool limit_all(const struct vh_sandbox_plan *plan, uint64_t mapped)
{
	int64_t cpu_ns = plan->cpu_ns ? plan->cpu_ns : VH_SANDBOX_CPU_NS;
	uint64_t memory = plan->memory_bytes ? plan->memory_bytes : VH_SANDBOX_MEMORY;

	return limit(RLIMIT_CPU, (uint64_t)((cpu_ns + VH_NS_PER_S - 1) / VH_NS_PER_S)) &&
	       limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_CORE, 0) && limit(RLIMIT_NPROC, 0) &&
	       limit(RLIMIT_NOFILE, 0) && limit(RLIMIT_MEMLOCK, 0) &&
	       (VH_SANITIZED || limit(RLIMIT_AS, mapped + memory));
}

static bool drop_capabilities(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return syscall(SYS_capset, &head, none) == 0;
}

static void plain_signals(void)
{
	sigset_t none;

	/* The program's handlers are not to run here. */
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	/* Ctrl-C is the parent's, which then ends us; a parent that is gone is an error of write().
	 */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int by_byte(const void *a, const void *b)
{
	return *(const char *)a - *(const char *)b;
}

/* What is done lazily and would need a right by then: json-c's random seed for its hash tables; how
 * much memory there is, which qsort() asks for once; how many CPUs, for malloc's arenas. */
static void warm_up(void)
{
	struct json_object *o = json_object_new_object();
	char many[4096] = "";

	qsort(many, sizeof(many), 1, by_byte);
	mallopt(M_ARENA_MAX, 1);
	json_object_object_add(o, "a", json_object_new_double(0.5));
	json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	json_object_put(o);
}

/* What the child does between fork and _exit. glibc keeps malloc usable in the child of a process
 * with threads; nothing else of the parent is touched. */
static int child(const struct vh_sandbox_plan *plan, int wire, pid_t parent)
{
	int kept[VH_SANDBOX_FDS + 2];
	size_t n_kept = 0;
	uint64_t mapped = mapped_now();

	plain_signals();
	prctl(PR_SET_NAME, "vmhang-inside");
	warm_up();
	kept[n_kept++] = wire;
	for (size_t i = 0; i < plan->n_fds; i++)
		kept[n_kept++] = plan->fds[i];
	if (VH_SANITIZED)
		kept[n_kept++] = STDERR_FILENO;
	keep_only(kept, n_kept);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
		!drop_capabilities())
		return NOT_STRIPPED;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return LEFT_ALONE;
	if (!limit_all(plan, mapped))
		return NOT_LIMITED;
	if (vh_sandbox_filter(wire, plan->fds, plan->n_fds) < 0)
		return NOT_FILTERED;
	plan->run(plan->self, wire);
	return 0;
}

bool vh_sandbox_put(int wire, uint32_t kind, const void *data, size_t n)
{
	struct vh_sandbox_head head = {kind, (uint32_t)n};
	const char *parts[2] = {(const char *)&head, data};
	size_t left[2] = {sizeof(head), n};

	for (size_t i = 0; i < 2; i++)
		while (left[i]) {
			ssize_t done = write(wire, parts[i], left[i]);

			if (done < 0 && errno == EINTR)
				continue;
			if (done <= 0)
				return false;
			parts[i] += done;
			left[i] -= (size_t)done;
		}
	return true;
}

static bool get_all(int wire, void *to, size_t n)
{
	char *at = to;

	while (n) {
		ssize_t got = read(wire, at, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		n -= (size_t)got;
	}
	return true;
}

char *vh_sandbox_get(int wire, uint32_t *kind, size_t *n, size_t most)
{
	struct vh_sandbox_head head;

	if (!get_all(wire, &head, sizeof(head)) || head.size > most)
		return NULL;
	vh_auto_free char *data = vh_alloc((size_t)head.size + 1);

	if (!get_all(wire, data, head.size))
		return NULL;
	char *out = data;

	data = NULL;
	*kind = head.kind;
	*n = head.size;
	return out;
}

/* --- Outside ----------------------------------------------------------------------------------
 */

struct vh_error *vh_sandbox_start(const struct vh_sandbox_plan *plan, struct vh_sandbox *out)
{
	int pair[2];
	pid_t parent = getpid();

	*out = (struct vh_sandbox){.wire = -1};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return vh_error_new(errno, "starting the sandbox");
	out->pid = fork();
	if (out->pid == 0)
		_exit(child(plan, pair[1], parent));
	close(pair[1]);
	if (out->pid < 0) {
		struct vh_error *err = vh_error_new(errno, "starting the sandbox");

		close(pair[0]);
		out->pid = 0;
		return err;
	}
	out->wire = pair[0];
	return NULL;
}

static char *ending(int status)
{
	static const char *const unlocked[] = {
		[LEFT_ALONE] = "it lost its parent",
		[NOT_LIMITED] = "its limits could not be set",
		[NOT_STRIPPED] = "it could not give up its rights",
		[NOT_FILTERED] = "its system calls could not be filtered (libseccomp)",
	};

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return vh_strdup("it made a system call that it must not make (SIGSYS)");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
		return vh_strdup("it used up its CPU time (SIGXCPU)");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
		return vh_strdup("it aborted: it needed more memory than it may have, or is "
				 "broken (SIGABRT)");
	if (WIFSIGNALED(status))
		return vh_asprintf("it ended by signal %d (SIG%s)", WTERMSIG(status),
			sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?");
	if (WEXITSTATUS(status) >= LEFT_ALONE && WEXITSTATUS(status) <= NOT_FILTERED)
		return vh_strdup(unlocked[WEXITSTATUS(status)]);
	return vh_asprintf("it ended with status %d", WEXITSTATUS(status));
}

/* True where the wire is closed at its end: it is about to be gone. */
static bool has_hung_up(int wire)
{
	struct pollfd p = {.fd = wire, .events = POLLRDHUP};

	return wire >= 0 && poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLRDHUP));
}

char *vh_sandbox_end(struct vh_sandbox *s)
{
	int status = 0;
	pid_t got;

	if (!s->pid)
		return vh_strdup("it is not there");
	vh_auto_close int pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	if (pidfd >= 0 && has_hung_up(s->wire))
		poll(&p, 1, (int)(LAST_BREATH_NS / VH_NS_PER_MS));
	if (s->wire >= 0)
		close(s->wire);
	s->wire = -1;
	kill(s->pid, SIGKILL);
	if (pidfd >= 0)
		poll(&p, 1, (int)(REAP_NS / VH_NS_PER_MS));
	do
		got = waitpid(s->pid, &status, pidfd >= 0 ? WNOHANG : 0);
	while (got < 0 && errno == EINTR);
	s->pid = 0;
	return got > 0 ? ending(status) : vh_strdup("it does not end, although it was killed");
}

/* 0 when the wire is ready, else -ETIMEDOUT. */
static int wait_for(int fd, short events, struct vh_deadline deadline)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int n = poll(&p, 1, vh_deadline_left_ms(deadline));

		if (n > 0)
			return 0;
		if (n == 0 || errno != EINTR)
			return -ETIMEDOUT;
	}
}

static int send_all(int fd, const char *data, size_t n, struct vh_deadline d)
{
	while (n) {
		ssize_t sent = send(fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0) {
			data += sent;
			n -= (size_t)sent;
		} else if (errno == EAGAIN && wait_for(fd, POLLOUT, d) < 0)
			return -ETIMEDOUT;
		else if (errno != EAGAIN && errno != EINTR)
			return -ECONNRESET;
	}
	return 0;
}

int vh_sandbox_send(
	struct vh_sandbox *s, uint32_t kind, const void *data, size_t n, struct vh_deadline d)
{
	struct vh_sandbox_head head = {kind, (uint32_t)n};
	int err = send_all(s->wire, (const char *)&head, sizeof(head), d);

	return err ? err : send_all(s->wire, data, n, d);
}

/* Between 1 and n bytes. */
static ssize_t receive_some(int fd, void *to, size_t n, struct vh_deadline d)
{
	for (;;) {
		ssize_t got = recv(fd, to, n, MSG_DONTWAIT);

		if (got > 0)
			return got;
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			return -ECONNRESET;
		if (errno == EAGAIN && wait_for(fd, POLLIN, d) < 0)
			return -ETIMEDOUT;
	}
}

int vh_sandbox_receive(struct vh_sandbox *s, uint32_t *kind, char **data, size_t *n, size_t most,
	struct vh_deadline d)
{
	struct vh_sandbox_head head;
	vh_auto_buf struct vh_buf body = {0};
	static const size_t piece = 1 << 16;

	for (size_t have = 0; have < sizeof(head);) {
		ssize_t got = receive_some(s->wire, (char *)&head + have, sizeof(head) - have, d);

		if (got < 0)
			return (int)got;
		have += (size_t)got;
	}
	if (head.size > most)
		return -EMSGSIZE;
	vh_auto_free char *chunk = vh_alloc(piece);

	while (body.len < head.size) {
		ssize_t got = receive_some(s->wire, chunk, VH_MIN(piece, head.size - body.len), d);

		if (got < 0)
			return (int)got;
		vh_buf_add(&body, chunk, (size_t)got);
	}
	*kind = head.kind;
	*n = body.len;
	*data = vh_buf_steal(&body);
	return 0;
}
