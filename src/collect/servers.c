/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processes that serve the VM over Unix sockets: NBD servers and vhost-user backends. A server
 * that accepted a connection has its own path on that socket (/proc/PID/net/unix), and its inode
 * among its descriptors. It is searched for within the window, where time costs nothing, and its
 * state is read again at the looks behind it.
 */
#include "collect/passive.h"

#define BUDGET_NS   (300 * VH_NS_PER_MS)
#define UNIX_CAP    (4 * 1024 * 1024)
#define LIST_CAP    (1024 * 1024)
#define CMDLINE_CAP (1024 * 1024)
#define MAX_FDS     4096
#define MAX_SERVERS 16

struct server {
	char *path, *socket; /* "/run/nbd.sock", "socket:[4711]" */
	pid_t pid;           /* 0: not found */
};
struct servers {
	struct server list[MAX_SERVERS];
	size_t n;
};

static void servers_free(struct servers *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->list[i].path);
		free(s->list[i].socket);
	}
}

/* The command line names it: "path=/run/a.sock," or "server.path=/run/a.sock". */
static bool is_named(struct vh_str cmdline, const char *path)
{
	size_t n = strlen(path);
	ssize_t at;

	while ((at = vh_str_find(cmdline, path)) >= 0) {
		char before = at ? cmdline.s[at - 1] : 0;
		size_t end = (size_t)at + n;
		char behind = end < cmdline.n ? cmdline.s[end] : 0;

		if ((before == '=' || before == ':' || before == '"') &&
			(!behind || behind == '\n' || behind == ',' || behind == '"' ||
				behind == ':'))
			return true;
		cmdline.s += end;
		cmdline.n -= end;
	}
	return false;
}

/* vh_str_find ends at no NUL, so the arguments are joined by newlines. */
static void join_arguments(struct vh_reading *r)
{
	for (size_t i = 0; i < r->size; i++)
		if (!r->data[i])
			r->data[i] = '\n';
}

/* "Num RefCount Protocol Flags Type St Inode Path", St 03: connected. */
static void take_socket(struct servers *s, struct vh_str line, struct vh_str cmdline)
{
	struct vh_str word[7];

	for (size_t i = 0; i < VH_ARRAY_SIZE(word); i++)
		if (!vh_next_word(&line, &word[i]))
			return;
	vh_auto_free char *path = vh_str_dup(vh_str_trim(line));

	if (!vh_str_is(word[5], "03") || path[0] != '/' || s->n == MAX_SERVERS ||
		!is_named(cmdline, path))
		return;
	vh_auto_free char *inode = vh_str_dup(word[6]);

	s->list[s->n++] = (struct server){
		.path = vh_strdup(path), .socket = vh_asprintf("\tsocket:[%s]\n", inode)};
}

static void find_sockets(struct vh_host *host, pid_t vm, struct servers *s)
{
	vh_auto_reading struct vh_reading cmdline = {0}, sockets = {0};
	struct vh_str line;

	vh_host_read(host, CMDLINE_CAP, &cmdline, "/proc/%d/cmdline", (int)vm);
	join_arguments(&cmdline);
	struct vh_str arguments = {cmdline.data, cmdline.size};

	if (vh_str_find(arguments, "vhost-user") < 0 && vh_str_find(arguments, "nbd") < 0)
		return;
	vh_host_read(host, UNIX_CAP, &sockets, "/proc/%d/net/unix", (int)vm);
	struct vh_str rest = {sockets.data, sockets.size};

	while (vh_next_line(&rest, &line))
		take_socket(s, line, arguments);
}

/* Those of its descriptors that are one of the sockets are served by it. */
static size_t look_at_process(struct vh_host *host, pid_t pid, struct servers *s)
{
	vh_auto_reading struct vh_reading fds = {0};
	size_t found = 0;

	vh_host_list_links(host, MAX_FDS, &fds, "/proc/%d/fd", (int)pid);
	struct vh_str text = {fds.data, fds.size};

	for (size_t i = 0; i < s->n; i++)
		if (!s->list[i].pid && vh_str_find(text, s->list[i].socket) >= 0) {
			s->list[i].pid = pid;
			found++;
		}
	return found;
}

static void find_processes(struct vh_host *host, pid_t vm, struct servers *s)
{
	vh_auto_reading struct vh_reading processes = {0};
	struct vh_deadline deadline = vh_deadline_in(BUDGET_NS);
	struct vh_str line;
	size_t found = 0;
	int64_t pid;

	vh_host_list(host, LIST_CAP, &processes, "/proc");
	struct vh_str rest = {processes.data, processes.size};

	while (found < s->n && vh_next_line(&rest, &line) && !vh_deadline_passed(deadline))
		if (vh_parse_i64(line, 10, &pid) && pid != vm)
			found += look_at_process(host, (pid_t)pid, s);
}

/* The servers that were found within the window. */
static void known_servers(const struct vh_case *c, struct servers *s)
{
	vh_case_foreach (c, e) {
		struct vh_str rest = vh_evidence_text(e), word;
		int64_t pid;

		if (e->round == VH_ONCE && strcmp(e->source, "host.server") == 0 &&
			s->n < MAX_SERVERS && vh_next_word(&rest, &word) &&
			vh_parse_i64(word, 10, &pid))
			s->list[s->n++] =
				(struct server){.path = vh_strdup(e->subject), .pid = (pid_t)pid};
	}
}

static void collect(struct vh_host *host, struct vh_case *c, enum vh_round round)
{
	struct servers s = {0};

	if (round == VH_FIRST)
		return;
	if (round == VH_ONCE) {
		find_sockets(host, c->vm->id.pid, &s);
		if (s.n)
			find_processes(host, c->vm->id.pid, &s);
	} else
		known_servers(c, &s);
	for (size_t i = 0; i < s.n; i++) {
		vh_auto_free char *path = vh_asprintf("/proc/%d/stat", (int)s.list[i].pid);

		if (s.list[i].pid)
			vh_collect_file(host, c, round, "host.server", s.list[i].path, path);
	}
	servers_free(&s);
}

const struct vh_collector vh_collect_servers = {
	.name = "servers",
	.collect = collect,
	.of_process = true,
};
