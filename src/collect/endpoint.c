/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

/* How long a full backlog may take to drain before it counts as full, and how often to look. */
#define BACKLOG_PATIENCE_NS (100 * VH_NS_PER_MS)
#define BACKLOG_RETRY_NS    (10 * VH_NS_PER_MS)

/* Everything the look-up touches lives here, for it may outlive the call. */
struct connect_job {
	struct vh_job job;
	char *root;    /* directory that stands for the VM's / (or its working directory) */
	char *path;    /* without a leading slash */
	bool fallback; /* the root may not be opened by us: the path itself is worth a try */
	int fd;        /* the socket, or a negative errno */
};

static void connect_job_destroy(struct vh_job *job)
{
	struct connect_job *j = (struct connect_job *)job;

	if (j->fd >= 0)
		close(j->fd);
	free(j->root);
	free(j->path);
	free(j);
}

/* Opens the socket's inode. An absolute symbolic link on the way means the VM's root, not ours;
 * kernels before 5.6 have no openat2 and follow it from ours. */
static int open_inside(int root, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

	if (fd < 0 && (errno == ENOSYS || errno == EINVAL))
		fd = openat(root, path, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_inode(const struct connect_job *j)
{
	vh_auto_close int root = open(j->root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root >= 0)
		return open_inside(root, j->path);
	if (!j->fallback || (errno != EACCES && errno != EPERM))
		return -errno;
	vh_auto_free char *path = vh_asprintf("/%s", j->path);
	int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A stream socket connected to an inode that was opened with O_PATH: /proc/self/fd/N names it
 * whatever its real path's length is. */
static int connect_inode(int inode)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct stat st;

	if (fstat(inode, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(to.sun_path, sizeof(to.sun_path), "/proc/self/fd/%d", inode);
	int64_t give_up = vh_now_ns() + BACKLOG_PATIENCE_NS;

	while (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		int err = errno;

		if (err == EINTR)
			continue;
		if (err == EAGAIN && vh_now_ns() < give_up) {
			vh_sleep_until_ns(vh_now_ns() + BACKLOG_RETRY_NS);
			continue;
		}
		close(fd);
		return -err;
	}
	return fd;
}

static void connect_job_run(struct vh_job *job)
{
	struct connect_job *j = (struct connect_job *)job;
	vh_auto_close int inode = open_inode(j);

	j->fd = inode < 0 ? inode : connect_inode(inode);
}

static char *explain(const char *address, int err)
{
	switch (err) {
	case ENOENT:
	case ENOTDIR:
		return vh_asprintf("there is no socket %s", address);
	case ENOTSOCK:
		return vh_asprintf("%s is not a socket", address);
	case ECONNREFUSED:
		return vh_asprintf("nobody listens on %s", address);
	case EAGAIN:
		return vh_asprintf(
			"the backlog of %s is full: other clients wait to be accepted", address);
	case EACCES:
	case EPERM:
		return vh_asprintf("permission denied on %s: run as root", address);
	case ENOTCONN:
		return vh_asprintf("%s is another process's socket by now", address);
	case ETIMEDOUT:
		return vh_asprintf("connecting to %s did not end within its deadline", address);
	default:
		return vh_asprintf("connecting to %s: %s", address, strerror(err));
	}
}

/* True where the socket is another process's that took the path over: QEMU removes what is in the
 * way of its own. Whoever called listen() counts (unix(7), SO_PEERCRED); 0 is a process that has no
 * number here. */
static bool is_of_another(int fd, pid_t pid)
{
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0 &&
	       peer.pid != pid;
}

static int connect_unix(struct vh_host *host, struct vh_guard *guard, pid_t pid, const char *path,
	struct vh_deadline deadline)
{
	struct connect_job *j = vh_alloc(sizeof(*j));
	/* A relative path counts from the VM's working directory. */
	vh_auto_free char *root =
		vh_asprintf("/proc/%d/%s", (int)pid, path[0] == '/' ? "root" : "cwd");

	j->job = (struct vh_job){.run = connect_job_run, .destroy = connect_job_destroy};
	j->root = vh_host_path(host, root);
	j->path = vh_strdup(path + strspn(path, "/"));
	j->fallback = vh_host_is_live(host) && path[0] == '/';
	j->fd = -ETIMEDOUT;
	if (!vh_guard_call(guard, &j->job, deadline))
		return -ETIMEDOUT;
	int fd = j->fd;

	j->fd = -1;
	j->job.destroy(&j->job);
	if (fd < 0 || !vh_host_is_live(host) || !is_of_another(fd, pid))
		return fd;
	close(fd);
	return -ENOTCONN;
}

/* "host:port" where host is this machine; an empty or wildcard host is where a server listens on
 * every address. */
static bool parse_loopback(const char *text, struct sockaddr_storage *to, socklen_t *size)
{
	struct vh_str all = vh_str(text), port_text;
	const char *colon = strrchr(text, ':');
	uint64_t port;

	if (!colon)
		return false;
	port_text = vh_str(colon + 1);
	all.n = colon - text;
	ssize_t comma = vh_str_find(port_text, ",");

	if (comma >= 0)
		port_text.n = comma;
	if (!vh_parse_u64(port_text, 10, &port) || port < 1 || port > 65535)
		return false;
	*to = (struct sockaddr_storage){0};
	if (vh_str_is(all, "[::1]") || vh_str_is(all, "::1")) {
		*(struct sockaddr_in6 *)to = (struct sockaddr_in6){.sin6_family = AF_INET6,
			.sin6_port = htons((uint16_t)port),
			.sin6_addr = in6addr_loopback};
		*size = sizeof(struct sockaddr_in6);
		return true;
	}
	struct in_addr address = {.s_addr = htonl(INADDR_LOOPBACK)};
	vh_auto_free char *name = vh_str_dup(all);

	if (all.n && !vh_str_is(all, "localhost") && !vh_str_is(all, "0.0.0.0") &&
		!vh_str_is(all, "::") && !vh_str_is(all, "[::]") &&
		(inet_pton(AF_INET, name, &address) != 1 || ntohl(address.s_addr) >> 24 != 127))
		return false;
	*(struct sockaddr_in *)to = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = address};
	*size = sizeof(struct sockaddr_in);
	return true;
}

static int connect_tcp(const struct sockaddr_storage *to, socklen_t size, struct vh_deadline d)
{
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err = 0;
	socklen_t length = sizeof(err);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)to, size) < 0 && errno != EINPROGRESS) {
		err = errno;
		close(fd);
		return -err;
	}
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int ready;

	do
		ready = poll(&p, 1, vh_deadline_left_ms(d));
	while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		err = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &length) < 0)
		err = errno;
	if (!err)
		return fd;
	close(fd);
	return -err;
}

/* True where loopback means the same here and in the VM; where that cannot be told it is believed.
 */
static bool same_network(struct vh_host *host, pid_t pid)
{
	vh_auto_reading struct vh_reading theirs = {0}, ours = {0};

	vh_host_readlink(host, &theirs, "/proc/%d/ns/net", (int)pid);
	vh_host_readlink(host, &ours, "/proc/self/ns/net");
	return !vh_status_has_data(theirs.status) || !vh_status_has_data(ours.status) ||
	       vh_streq(theirs.data, ours.data);
}

bool vh_endpoint_usable(const char *address)
{
	struct sockaddr_storage to;
	socklen_t size;

	if (vh_prefix(address, "unix:"))
		return address[5] && address[5] != '@';
	return vh_prefix(address, "tcp:") && parse_loopback(address + 4, &to, &size);
}

int vh_endpoint_connect(struct vh_host *host, struct vh_guard *guard, pid_t pid,
	const char *address, struct vh_deadline deadline, char **why)
{
	struct sockaddr_storage to;
	socklen_t size;
	int fd;

	if (!vh_endpoint_usable(address)) {
		*why = vh_asprintf("%s is nothing that vmhang can connect to", address);
		return -EINVAL;
	}
	if (vh_prefix(address, "tcp:") && !same_network(host, pid)) {
		*why = vh_asprintf("%s is in another network namespace: here it would be another "
				   "program's",
			address);
		return -EINVAL;
	}
	if (vh_prefix(address, "unix:"))
		fd = connect_unix(host, guard, pid, address + 5, deadline);
	else if (parse_loopback(address + 4, &to, &size))
		fd = connect_tcp(&to, size, deadline);
	else
		fd = -EINVAL;
	if (fd < 0)
		*why = explain(address, -fd);
	return fd;
}
