/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One collector against one captured host, and a small tree made by the test itself. */
#pragma once

#include <stdio.h>
#include <sys/stat.h>

#include "collect/passive.h"
#include "tests/unit/test.h"

#define FIXTURE_PID 4711
/* Nothing in a fixture blocks, but the machine that runs the tests may be short of CPU. */
#define FIXTURE_READ_NS (20 * VH_NS_PER_S)

struct fixture {
	char *dir;
	bool scratch;
	struct vh_host *host;
	struct vh_case *c;
};

/* The host tests/hosts/NAME; pid 0: the one that its CAPTURE names. */
static inline struct fixture fixture_captured(const char *name)
{
	const char *top = getenv("VH_SOURCE_ROOT");
	struct fixture f = {.dir = vh_asprintf("%s/tests/hosts/%s", top ? top : ".", name)};
	struct vh_vm *vm = vh_vm_new();
	vh_auto_reading struct vh_reading r = {0};
	struct vh_str line;
	uint64_t pid = 0;

	f.host = vh_host_create(f.dir);
	vh_host_set_read_deadline(f.host, FIXTURE_READ_NS);
	vh_host_read(f.host, 4096, &r, "/CAPTURE");
	struct vh_str rest = {r.data, r.size};

	while (vh_next_line(&rest, &line))
		if (vh_str_starts(line, "pid "))
			vh_parse_u64((struct vh_str){line.s + 4, line.n - 4}, 10, &pid);
	assert_true(pid > 0);
	assert_int_equal(vh_identity_read(f.host, (pid_t)pid, &vm->id), 0);
	vm->name = vh_strdup("vm");
	vm->accel = VH_ACCEL_KVM;
	f.c = vh_case_new(vm);
	return f;
}

/* An empty host with a VM of FIXTURE_PID. */
static inline struct fixture fixture_empty(void)
{
	/* Thousands of small files are quick to make and to remove in memory only. */
	const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	struct fixture f = {.dir = vh_asprintf("%s/vmhang-test-XXXXXX", where), .scratch = true};
	struct vh_vm *vm = vh_vm_new();

	assert_non_null(mkdtemp(f.dir));
	f.host = vh_host_create(f.dir);
	vh_host_set_read_deadline(f.host, FIXTURE_READ_NS);
	vm->id = (struct vh_identity){.pid = FIXTURE_PID, .start_ticks = 50000};
	vm->name = vh_strdup("vm");
	f.c = vh_case_new(vm);
	return f;
}

/* The path within the fixture, with its directories made. */
static inline char *fixture_path(struct fixture *f, const char *path)
{
	char *full = vh_host_path(f->host, path);

	for (char *slash = full + strlen(f->dir) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		mkdir(full, 0755);
		*slash = '/';
	}
	return full;
}

static inline void fixture_put(struct fixture *f, const char *path, const char *text)
{
	vh_auto_free char *full = fixture_path(f, path);
	FILE *file = fopen(full, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static inline void fixture_link(struct fixture *f, const char *path, const char *target)
{
	vh_auto_free char *full = fixture_path(f, path);

	unlink(full);
	assert_int_equal(symlink(target, full), 0);
}

static inline void fixture_remove(struct fixture *f, const char *path)
{
	vh_auto_free char *command = vh_asprintf("rm -r '%s%s'", f->dir, path);

	assert_int_equal(system(command), 0);
}

static inline void fixture_free(struct fixture *f)
{
	vh_case_free(f->c);
	vh_host_destroy(f->host);
	if (f->scratch) {
		vh_auto_free char *command = vh_asprintf("rm -r '%s'", f->dir);

		assert_int_equal(system(command), 0);
	}
	free(f->dir);
}

static inline void fixture_run(
	struct fixture *f, const struct vh_collector *collector, enum vh_round round)
{
	collector->collect(f->host, f->c, round);
}

/* The data of a piece of evidence, which must be there and ok. */
static inline const char *fixture_data(
	struct fixture *f, enum vh_round round, const char *source, const char *subject)
{
	const struct vh_evidence *e = vh_case_find(f->c, source, subject, round);

	if (!e)
		fail_msg("no %s of \"%s\"", source, subject);
	if (e->status != VH_OK || !e->data)
		fail_msg("%s of \"%s\" is %s", source, subject, vh_status_name(e->status));
	return e->data;
}

/* Its status; VH_N_STATUS where there is no such piece. */
static inline enum vh_status fixture_status(
	struct fixture *f, enum vh_round round, const char *source, const char *subject)
{
	const struct vh_evidence *e = vh_case_find(f->c, source, subject, round);

	return e ? e->status : VH_N_STATUS;
}

static inline size_t fixture_count(struct fixture *f, const char *source)
{
	size_t n = 0;

	vh_case_foreach (f->c, e)
		n += strcmp(e->source, source) == 0;
	return n;
}
