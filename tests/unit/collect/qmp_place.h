/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host with one process and a monitor in it: tests/hosts/qmp_server.py, well-behaved and not. */
#pragma once

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "collect/collect.h"
#include "collect/qmp.h"
#include "tests/unit/casebuild.h"
#include "tests/unit/test.h"

/* The deadline of what must run into it, and what a loaded machine may take beyond it; and one that
 * nothing runs into. */
#define STEP_MS    250
#define SLACK_MS   2000
#define PATIENT_MS 20000
/* Where the server must have said something by a deadline that is to be met, it is given more time,
 * up to this often, before it counts as wrong: four times as much each time. */
#define TRIES 4

#define KVM "kvm-7.2-spin"
#define TCG "tcg-7.2-seabios"

/* A directory that stands for a host with process CASE_PID, and a server inside that process's
 * root. */
struct place {
	char *dir;
	struct vh_host *host;
	struct vh_guard *guard;
	pid_t server;
	int keep; /* the server ends when this is closed */
};

static inline void make_directories(const char *dir, const char *path)
{
	vh_auto_free char *all = vh_asprintf("%s%s", dir, path);

	for (char *p = all + strlen(dir) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(all, 0755);
		*p = '/';
	}
	mkdir(all, 0755);
}

static inline struct place place_new(void)
{
	struct place p = {.dir = vh_strdup("/tmp/vmhang-test-XXXXXX"), .keep = -1};

	assert_non_null(mkdtemp(p.dir));
	make_directories(p.dir, "/proc/4711/root/run");
	p.host = vh_host_create(p.dir);
	p.guard = vh_guard_create();
	return p;
}

static inline void put_file(const struct place *p, const char *path, const char *text)
{
	vh_auto_free char *name = vh_asprintf("%s%s", p->dir, path);
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static inline void put_link(const struct place *p, const char *path, const char *target)
{
	vh_auto_free char *name = vh_asprintf("%s%s", p->dir, path);

	unlink(name);
	assert_int_equal(symlink(target, name), 0);
}

/* Runs the server on socket `name` of a directory below the process's root. */
static inline void serve(struct place *p, const char *directory, const char *name,
	const char *script, const char *const behaviours[])
{
	const char *top = getenv("VH_SOURCE_ROOT");
	char real[PATH_MAX], word[8] = "";
	int in[2], out[2];

	assert_non_null(realpath(top ? top : ".", real));
	vh_auto_free char *program = vh_asprintf("%s/tests/hosts/qmp_server.py", real);
	vh_auto_free char *recorded = vh_asprintf("%s/tests/hosts/qmp/%s.json", real, script);
	vh_auto_free char *where = vh_asprintf("%s/proc/4711/root%s", p->dir, directory);
	const char *argv[16] = {"/usr/bin/python3", program, name, recorded};

	for (size_t i = 0; behaviours && behaviours[i]; i++)
		argv[4 + i] = behaviours[i];
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	p->server = fork();
	if (!p->server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		/* The path may be longer than a sockaddr_un holds. */
		if (chdir(where) == 0)
			execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	p->keep = in[1];
	assert_int_equal(read(out[0], word, 6), 6);
	assert_string_equal(word, "ready\n");
	close(out[0]);
}

static inline void stop_server(struct place *p)
{
	if (p->keep >= 0)
		close(p->keep);
	p->keep = -1;
	if (p->server > 0)
		waitpid(p->server, NULL, 0);
	p->server = 0;
}

static inline void place_free(struct place *p)
{
	vh_auto_free char *command = vh_asprintf("rm -rf '%s'", p->dir);

	stop_server(p);
	vh_guard_destroy(p->guard);
	vh_host_destroy(p->host);
	assert_int_equal(system(command), 0);
	free(p->dir);
}

static inline int listen_unix(const struct place *p, const char *path, int backlog)
{
	vh_auto_free char *name = vh_asprintf("%s/proc/4711/root%s", p->dir, path);
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(strlen(name) < sizeof(at.sun_path));
	strcpy(at.sun_path, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
}
