/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pipes, sockets and terminals of the VM: whether there is room in them for what the VMM
 * writes, and who is at the other end. A duplicate of each descriptor (pidfd_getfd(2)) is asked and
 * closed again: nothing is read, written or set, and the process is not stopped for it. None of the
 * calls here waits for anybody.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "collect/passive.h"

#define BUDGET_NS    (30 * VH_NS_PER_MS)
#define MAX_FDS      4096
#define MAX_CHANNELS 256

/* Not in the C library of older distributions. */
static int duplicate(int process, int fd)
{
#ifdef SYS_pidfd_getfd
	return (int)syscall(SYS_pidfd_getfd, process, fd, 0);
#else
	(void)process, (void)fd;
	errno = ENOSYS;
	return -1;
#endif
}

static int open_process(pid_t pid)
{
#ifdef SYS_pidfd_open
	return (int)syscall(SYS_pidfd_open, pid, 0);
#else
	(void)pid;
	errno = ENOSYS;
	return -1;
#endif
}

/* The path of a pipe backend, which opens PATH.in and PATH.out where they are there. */
static bool is_fifo_of(const struct vh_vm *vm, struct vh_str target)
{
	for (size_t i = 0; i < vm->n_serials; i++) {
		const struct vh_serial *s = &vm->serials[i];

		if (vh_streq(s->kind, "fifo") && s->path && vh_str_starts(target, s->path))
			return true;
	}
	return false;
}

static const char *kind_of(const struct vh_vm *vm, struct vh_str target)
{
	if (vh_str_starts(target, "socket:["))
		return "socket";
	if (vh_str_starts(target, "pipe:[") || is_fifo_of(vm, target))
		return "pipe";
	return vh_str_is(target, "/dev/ptmx") || vh_str_is(target, "/dev/pts/ptmx") ? "pty" : NULL;
}

static void put_inet(struct vh_buf *line, const struct sockaddr_storage *peer, socklen_t n)
{
	char host[INET6_ADDRSTRLEN + 20], service[16];

	if (getnameinfo((const struct sockaddr *)peer, n, host, sizeof(host), service,
		    sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		vh_buf_printf(
			line, peer->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, service);
}

/* The path that a server is bound to: ours, or that of the other end. */
static void put_path(struct vh_buf *line, int fd)
{
	for (int other = 0; other < 2; other++) {
		struct sockaddr_un un = {0};
		socklen_t n = sizeof(un);
		int failed = other ? getpeername(fd, (struct sockaddr *)&un, &n)
				   : getsockname(fd, (struct sockaddr *)&un, &n);
		size_t head = offsetof(struct sockaddr_un, sun_path);

		if (failed || n <= head || !un.sun_path[0])
			continue;
		n = VH_MIN(n, (socklen_t)sizeof(un));
		vh_escape(
			line, (struct vh_str){un.sun_path, strnlen(un.sun_path, n - head)}, false);
		return;
	}
}

struct channel {
	const char *kind, *room;
	pid_t peer; /* 0: not told */
	struct vh_buf address;
};

/* Of a socket: the process at the other end, as it was when it connected (or listened), and the
 * address. False where it is no connection. */
static bool take_socket(int fd, struct channel *ch)
{
	int domain = 0, listens = 0;
	socklen_t n = sizeof(domain), m = sizeof(listens);
	struct sockaddr_storage peer = {0};
	socklen_t size = sizeof(peer);
	struct ucred credentials = {0};
	socklen_t length = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) ||
		getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &m) || listens ||
		getpeername(fd, (struct sockaddr *)&peer, &size))
		return false;
	if (domain == AF_UNIX) {
		if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length))
			ch->peer = credentials.pid;
		put_path(&ch->address, fd);
		ch->kind = "unix";
		return true;
	}
	put_inet(&ch->address, &peer, size);
	ch->kind = "tcp";
	return domain == AF_INET || domain == AF_INET6;
}

static bool take_pty(int fd, struct channel *ch)
{
	unsigned number;

	if (ioctl(fd, TIOCGPTN, &number))
		return false;
	vh_buf_printf(&ch->address, "/dev/pts/%u", number);
	return true;
}

static const char *room_of(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	if (poll(&p, 1, 0) < 0)
		return NULL;
	if (p.revents & (POLLHUP | POLLERR | POLLNVAL))
		return "closed";
	return p.revents & POLLOUT ? "room" : "full";
}

/* "pid state name" of whoever is at the other end. */
static void put_peer(struct vh_host *host, struct vh_buf *text, pid_t pid)
{
	vh_auto_reading struct vh_reading r = {0};
	struct vh_procstat stat;

	if (pid > 0)
		vh_host_read(host, VH_PROC_FILE_CAP, &r, "/proc/%d/stat", (int)pid);
	if (pid > 0 && vh_status_has_data(r.status) &&
		vh_procstat_parse((struct vh_str){r.data, r.size}, &stat)) {
		vh_buf_printf(text, "\t%c\t", stat.state);
		vh_escape(text, vh_str(stat.name), false);
	} else {
		vh_buf_puts(text, "\t-\t-");
	}
}

static bool take_channel(int fd, const char *kind, struct vh_str target, struct channel *ch)
{
	int flags = fcntl(fd, F_GETFL);

	/* What is read from alone never has room. */
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return false;
	ch->kind = kind;
	if (vh_streq(kind, "socket") && !take_socket(fd, ch))
		return false;
	if (vh_streq(kind, "pty") && !take_pty(fd, ch))
		return false;
	if (vh_streq(kind, "pipe")) {
		/* A regular file of that name is none: it might not answer poll(2). */
		if (fcntl(fd, F_GETPIPE_SZ) < 0)
			return false;
		vh_escape(&ch->address, target, false);
	}
	ch->room = room_of(fd);
	return ch->room != NULL;
}

/* Adds a line of the evidence: "N room kind pid state name address". */
static bool look_at(struct vh_host *host, int fd, int64_t number, const char *kind,
	struct vh_str target, struct vh_buf *text)
{
	struct channel ch = {0};
	bool taken = take_channel(fd, kind, target, &ch);

	if (taken) {
		vh_buf_printf(text, "%lld\t%s\t%s\t%d", (long long)number, ch.room, ch.kind,
			(int)ch.peer);
		put_peer(host, text, ch.peer);
		vh_buf_printf(text, "\t%s\n", ch.address.len ? vh_buf_str(&ch.address) : "-");
	}
	vh_buf_free(&ch.address);
	return taken;
}

static void look_at_all(struct vh_host *host, struct vh_case *c, int process,
	const struct vh_reading *links, struct vh_evidence *e)
{
	struct vh_deadline deadline = vh_deadline_in(BUDGET_NS);
	struct vh_str rest = {links->data, links->size}, line, number;
	vh_auto_buf struct vh_buf text = {0};
	size_t n = 0;
	int64_t fd;

	while (vh_next_line(&rest, &line)) {
		if (!vh_next_part(&line, '\t', &number) || !vh_parse_i64(number, 10, &fd))
			continue;
		const char *kind = kind_of(c->vm, line);

		if (!kind)
			continue;
		if (n == MAX_CHANNELS || vh_deadline_passed(deadline))
			break;
		int copy = duplicate(process, (int)fd);

		if (copy < 0 && (errno == EPERM || errno == EACCES || errno == ENOSYS)) {
			vh_evidence_fail(e, VH_DENIED, errno,
				"its descriptors cannot be looked at (pidfd_getfd)");
			return;
		}
		if (copy < 0)
			continue;
		n += look_at(host, copy, fd, kind, line, &text);
		close(copy);
	}
	vh_evidence_set_data(e, vh_buf_str(&text), text.len);
}

static void collect(struct vh_host *host, struct vh_case *c, enum vh_round round)
{
	vh_auto_reading struct vh_reading links = {0};

	/* A captured host has no descriptors that could be asked. */
	if ((round != VH_FIRST && round != VH_LAST) || !vh_host_is_live(host))
		return;
	vh_host_list_links(host, MAX_FDS, &links, "/proc/%d/fd", (int)c->vm->id.pid);
	if (!vh_status_has_data(links.status))
		return;
	struct vh_evidence *e = vh_case_add(c, round, "proc.channels", "", "pidfd_getfd");
	int process = open_process(c->vm->id.pid);

	if (process < 0) {
		vh_evidence_fail(e, vh_status_of_errno(errno), errno, "pidfd_open");
		return;
	}
	look_at_all(host, c, process, &links, e);
	close(process);
}

const struct vh_collector vh_collect_channels = {
	.name = "channels",
	.collect = collect,
	.of_process = true,
};
