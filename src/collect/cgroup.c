/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cgroups, v1, v2 and both at once: kernel Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.
 * The groups are those of the process and of its threads: libvirt puts every vCPU into a group of
 * its own below the VM's, and the quota on it.
 */
#include <errno.h>

#include "collect/passive.h"

#define GROUPS_MAX  256 /* groups of the threads, and their ancestors */
#define LEVELS_MAX  32
#define THREADS_MAX 4096
#define FILE_CAP    8192

enum { OWN_ONLY = 1, NOT_IN_ROOT = 2 };

struct group_file {
	const char *hierarchy; /* "v2", or the v1 controller */
	const char *source;    /* "cgroup." and the name of the file */
	int flags;
};

static const struct group_file group_files[] = {
	{"v2", "cgroup.cgroup.freeze", NOT_IN_ROOT},
	{"v2", "cgroup.cgroup.events", NOT_IN_ROOT},
	{"v2", "cgroup.cpu.max", NOT_IN_ROOT},
	{"v2", "cgroup.cpu.stat", 0},
	{"v2", "cgroup.cpu.weight", NOT_IN_ROOT},
	{"v2", "cgroup.cpu.idle", NOT_IN_ROOT},
	{"v2", "cgroup.cpu.pressure", OWN_ONLY},
	{"v2", "cgroup.memory.current", NOT_IN_ROOT},
	{"v2", "cgroup.memory.max", NOT_IN_ROOT},
	{"v2", "cgroup.memory.high", NOT_IN_ROOT},
	{"v2", "cgroup.memory.events", NOT_IN_ROOT},
	{"v2", "cgroup.memory.pressure", OWN_ONLY},
	{"v2", "cgroup.io.pressure", OWN_ONLY},
	{"v2", "cgroup.io.max", NOT_IN_ROOT},
	{"blkio", "cgroup.blkio.throttle.read_bps_device", 0},
	{"blkio", "cgroup.blkio.throttle.write_bps_device", 0},
	{"blkio", "cgroup.blkio.throttle.read_iops_device", 0},
	{"blkio", "cgroup.blkio.throttle.write_iops_device", 0},
	{"freezer", "cgroup.freezer.state", NOT_IN_ROOT},
	{"cpu", "cgroup.cpu.cfs_quota_us", 0},
	{"cpu", "cgroup.cpu.cfs_period_us", 0},
	{"cpu", "cgroup.cpu.stat", 0},
	{"cpu", "cgroup.cpu.shares", NOT_IN_ROOT},
	{"cpu", "cgroup.cpu.idle", NOT_IN_ROOT},
	{"memory", "cgroup.memory.limit_in_bytes", 0},
	{"memory", "cgroup.memory.usage_in_bytes", 0},
	{"memory", "cgroup.memory.failcnt", 0},
	{"memory", "cgroup.memory.oom_control", 0},
};
static const char *const v1_controllers[] = {"freezer", "cpu", "memory", "blkio"};

/* A cgroup to look at. */
struct group {
	const char *hierarchy;
	char *path;
	bool own; /* the process or a thread is in it; else an ancestor of such a one */
};
struct groups {
	struct group *list;
	size_t n;
};

static void groups_free(struct groups *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->list[i].path);
	free(g->list);
}

static void add_group(struct groups *g, const char *hierarchy, struct vh_str path, bool own)
{
	for (size_t i = 0; i < g->n; i++) {
		if (strcmp(g->list[i].hierarchy, hierarchy) == 0 &&
			vh_str_is(path, g->list[i].path)) {
			g->list[i].own |= own;
			return;
		}
	}
	if (g->n < GROUPS_MAX)
		VH_PUSH(g->list, g->n) = (struct group){hierarchy, vh_str_dup(path), own};
}

/* A group and its ancestors without the root, which has no limits. */
static void add_with_ancestors(struct groups *g, const char *hierarchy, struct vh_str path)
{
	bool own = true;

	for (int level = 0; level < LEVELS_MAX && path.n > (own ? 0 : 1); level++) {
		add_group(g, hierarchy, path, own);
		own = false;
		while (path.n && path.s[path.n - 1] != '/')
			path.n--;
		if (path.n > 1)
			path.n--;
	}
}

/* "ID:CONTROLLERS:PATH" lines; v2 has id 0 and no controllers (cgroups(7)). */
static void add_groups_of(struct groups *g, struct vh_str text)
{
	struct vh_str line, id, controllers, one;

	while (vh_next_line(&text, &line)) {
		if (!vh_next_part(&line, ':', &id) || !vh_next_part(&line, ':', &controllers) ||
			!line.n || line.s[0] != '/')
			continue;
		if (vh_str_is(id, "0") && !controllers.n)
			add_with_ancestors(g, "v2", line);
		while (vh_next_part(&controllers, ',', &one))
			for (size_t i = 0; i < VH_ARRAY_SIZE(v1_controllers); i++)
				if (vh_str_is(one, v1_controllers[i]))
					add_with_ancestors(g, v1_controllers[i], line);
	}
}

/* The directory of a group below its mount; NULL and *why where it is not visible from here. */
static char *group_directory(const struct vh_mounts *mounts, const struct group *g, char **why)
{
	bool v2 = !strcmp(g->hierarchy, "v2");
	const struct vh_mount *m =
		vh_mounts_find(mounts, v2 ? "cgroup2" : "cgroup", v2 ? NULL : g->hierarchy);

	if (!m) {
		*why = vh_asprintf("no %s cgroup hierarchy is mounted here", g->hierarchy);
		return NULL;
	}
	const char *below = g->path;
	size_t n = strlen(m->root);

	if (strcmp(m->root, "/")) {
		/* A container sees its part of the tree alone. */
		if (strncmp(below, m->root, n) || (below[n] && below[n] != '/'))
			below = NULL;
		else
			below += n;
	}
	/* "/../x": outside of our cgroup namespace. */
	if (!below || !strncmp(below, "/..", 3)) {
		*why = vh_asprintf(
			"the cgroup %s is not visible below %s (root %s): another cgroup "
			"namespace, or a container's mount",
			g->path, m->point, m->root);
		return NULL;
	}
	return vh_asprintf("%s%s", m->point, strcmp(below, "/") ? below : "");
}

static char *group_subject(const struct group *g)
{
	return strcmp(g->hierarchy, "v2") ? vh_asprintf("v1:%s:%s", g->hierarchy, g->path)
					  : vh_asprintf("v2:%s", g->path);
}

static void add_path(struct vh_host *host, struct vh_case *c, const struct group *g,
	const char *directory, const char *why)
{
	vh_auto_free char *subject = group_subject(g);
	struct vh_evidence *e =
		vh_case_add(c, VH_ONCE, "cgroup.path", subject, directory ? directory : "");
	vh_auto_reading struct vh_reading r = {0};

	if (!directory) {
		vh_evidence_fail(e, VH_ABSENT, 0, "%s", why);
		return;
	}
	vh_host_list(host, 64, &r, "%s", directory);
	if (vh_status_has_data(r.status))
		vh_evidence_set_data(e, directory, strlen(directory));
	else
		vh_evidence_fail(e, r.status, r.err, "listing it: %s", strerror(r.err));
}

static void batch_group(struct vh_batch *batch, const struct group *g, const char *directory)
{
	vh_auto_free char *subject = group_subject(g);
	bool root = !strcmp(g->path, "/");

	for (size_t i = 0; i < VH_ARRAY_SIZE(group_files); i++) {
		const struct group_file *f = &group_files[i];

		if (strcmp(f->hierarchy, g->hierarchy) || (root && (f->flags & NOT_IN_ROOT)) ||
			(!g->own && (f->flags & OWN_ONLY)))
			continue;
		vh_batch_add(batch, f->source, subject, FILE_CAP, "%s/%s", directory,
			f->source + strlen("cgroup."));
		batch->wanted[batch->n_wanted - 1].only_if_there = !g->own;
	}
}

/* The groups of the process and of those threads that are in others than it. `threads` is the look
 * that listed the threads. */
static void find_groups(struct vh_host *host, struct vh_case *c, enum vh_round round,
	const struct vh_evidence *threads, struct groups *g)
{
	int pid = (int)c->vm->id.pid;
	vh_auto_batch struct vh_batch batch = {0};
	struct vh_str rest = vh_evidence_text(threads), line;

	vh_batch_add(&batch, "proc.cgroup", "", VH_PROC_FILE_CAP, "/proc/%d/cgroup", pid);
	while (vh_next_line(&rest, &line) && batch.n_files < THREADS_MAX) {
		vh_auto_free char *subject = vh_asprintf("tid:%.*s", (int)line.n, line.s);

		vh_batch_add(&batch, "task.cgroup", subject, VH_PROC_FILE_CAP,
			"/proc/%d/task/%.*s/cgroup", pid, (int)line.n, line.s);
	}
	vh_batch_read(host, &batch);
	for (size_t i = 0; i < batch.n_files; i++) {
		struct vh_file_read *f = &batch.files[i];

		if (i && (f->out.status == VH_ABSENT ||
				 vh_streq(f->out.data, batch.files[0].out.data)))
			continue;
		add_groups_of(g, (struct vh_str){f->out.data, f->out.size});
		if (i && vh_round_is_look(round))
			vh_case_add_reading(
				c, round, "task.cgroup", batch.wanted[i].subject, f->path, &f->out);
	}
	if (g->n == GROUPS_MAX && round == VH_ONCE)
		vh_collect_note(c, round, "the threads are in more than %d cgroups: not all read",
			GROUPS_MAX);
}

/* Where the process has ended its groups are those that the first look found. */
static void known_groups(struct vh_case *c, struct groups *g)
{
	vh_case_foreach (c, e) {
		struct vh_str rest = vh_str(e->subject), hierarchy;

		if (strcmp(e->source, "cgroup.path") || !vh_next_part(&rest, ':', &hierarchy))
			continue;
		if (vh_str_is(hierarchy, "v2"))
			add_group(g, "v2", rest, true);
		else if (vh_next_part(&rest, ':', &hierarchy))
			for (size_t i = 0; i < VH_ARRAY_SIZE(v1_controllers); i++)
				if (vh_str_is(hierarchy, v1_controllers[i]))
					add_group(g, v1_controllers[i], rest, true);
	}
}

static void collect(struct vh_host *host, struct vh_case *c, enum vh_round round)
{
	vh_auto_mounts struct vh_mounts mounts = {0};
	vh_auto_batch struct vh_batch batch = {0};
	struct groups g = {0};
	const struct vh_evidence *threads =
		vh_case_find(c, "proc.tasks", "", round == VH_ONCE ? VH_FIRST : round);

	vh_mounts_read(host, &mounts);
	if (threads && threads->status == VH_ABSENT)
		known_groups(c, &g);
	else
		find_groups(host, c, round, threads, &g);
	for (size_t i = 0; i < g.n; i++) {
		vh_auto_free char *why = NULL;
		vh_auto_free char *directory = group_directory(&mounts, &g.list[i], &why);

		if (round == VH_ONCE)
			add_path(host, c, &g.list[i], directory, why);
		else if (directory)
			batch_group(&batch, &g.list[i], directory);
	}
	vh_batch_read(host, &batch);
	vh_batch_to_case(&batch, c, round);
	groups_free(&g);
}

const struct vh_collector vh_collect_cgroup = {
	.name = "cgroup",
	.collect = collect,
};
