/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which VM a person means. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/guard.h"
#include "discover/discover.h"

#define CANDIDATES_SHOWN 20

/* Looking at sockets, which may lie on a file system that does not answer. */
struct socket_job {
	struct vh_job job;
	char *what;
	size_t n;
	struct socket_path {
		char *path;
		bool same;
	} * sockets;
};

static void socket_run(struct vh_job *job)
{
	struct socket_job *j = (struct socket_job *)job;
	struct stat wanted, st;

	if (stat(j->what, &wanted) < 0)
		return;
	for (size_t i = 0; i < j->n; i++)
		j->sockets[i].same = stat(j->sockets[i].path, &st) == 0 &&
				     st.st_dev == wanted.st_dev && st.st_ino == wanted.st_ino;
}

static void socket_destroy(struct vh_job *job)
{
	struct socket_job *j = (struct socket_job *)job;

	for (size_t i = 0; i < j->n; i++)
		free(j->sockets[i].path);
	free(j->sockets);
	free(j->what);
	free(j);
}

/* A monitor's socket as the VM names it, or NULL. */
static const char *socket_of(const struct vh_monitor_addr *m)
{
	return vh_prefix(m->address, "unix:") ? m->address + 5 : NULL;
}

/* Marks the VMs one of whose monitors is the same socket as `what`, whatever it is called here. */
static void match_sockets(const struct vh_vm_list *list, const char *what, bool *matches)
{
	struct vh_guard *guard = vh_guard_create();
	struct socket_job *j = vh_alloc(sizeof(*j));
	size_t *owner = NULL, n_owner = 0, n = 0;

	j->job = (struct vh_job){.run = socket_run, .destroy = socket_destroy};
	j->what = vh_strdup(what);
	for (size_t i = 0; i < list->n; i++)
		for (size_t k = 0; k < list->vms[i]->n_monitors; k++) {
			const struct vh_vm *vm = list->vms[i];
			const char *path = socket_of(&vm->monitors[k]);

			if (!path || path[0] != '/')
				continue;
			VH_PUSH(j->sockets, j->n).path =
				vh_asprintf("/proc/%d/root%s", (int)vm->id.pid, path);
			VH_PUSH(owner, n_owner) = i;
		}
	n = j->n;
	if (vh_guard_call(guard, &j->job, vh_deadline_in(VH_READ_DEADLINE_NS))) {
		for (size_t i = 0; i < n; i++)
			matches[owner[i]] |= j->sockets[i].same;
		j->job.destroy(&j->job);
	}
	free(owner);
	vh_guard_destroy(guard);
}

static void match_socket_names(const struct vh_vm_list *list, const char *what, bool *matches)
{
	for (size_t i = 0; i < list->n; i++)
		for (size_t k = 0; k < list->vms[i]->n_monitors; k++)
			matches[i] |= vh_streq(socket_of(&list->vms[i]->monitors[k]), what);
}

static size_t count(const bool *matches, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += matches[i];
	return sum;
}

/* The ways to name a VM, the first that matches any decides. */
static void match_name(const struct vh_vm_list *list, const char *what, bool *matches)
{
	for (size_t i = 0; i < list->n; i++)
		matches[i] = vh_streq(list->vms[i]->name, what);
}

static void match_uuid(const struct vh_vm_list *list, const char *what, bool *matches)
{
	for (size_t i = 0; i < list->n; i++)
		matches[i] = list->vms[i]->uuid && strcasecmp(list->vms[i]->uuid, what) == 0;
}

static void match_id(const struct vh_vm_list *list, const char *what, bool *matches)
{
	uint64_t id;

	for (size_t i = 0; i < list->n; i++)
		matches[i] = vh_parse_u64(vh_str(what), 10, &id) && id <= INT_MAX &&
			     list->vms[i]->libvirt.id == (int)id;
}

static void match_pid(const struct vh_vm_list *list, const char *what, bool *matches)
{
	uint64_t pid;

	for (size_t i = 0; i < list->n; i++)
		matches[i] = vh_parse_u64(vh_str(what), 10, &pid) && pid <= INT_MAX &&
			     list->vms[i]->id.pid == (pid_t)pid;
}

static void match_socket(const struct vh_vm_list *list, const char *what, bool *matches)
{
	if (vh_prefix(what, "unix:"))
		what += 5;
	match_socket_names(list, what, matches);
	if (!count(matches, list->n) && *what)
		match_sockets(list, what, matches);
}

/* only: NULL for all of the list. */
static void put_candidates(struct vh_buf *text, const struct vh_vm_list *list, const bool *only)
{
	size_t total = only ? count(only, list->n) : list->n, shown = 0;

	for (size_t i = 0; i < list->n && shown < CANDIDATES_SHOWN; i++) {
		const struct vh_vm *vm = list->vms[i];

		if (only && !only[i])
			continue;
		shown++;
		vh_buf_printf(text, "\n  %s (pid %d%s%s)", vm->name, (int)vm->id.pid,
			vm->uuid ? ", uuid " : "", vm->uuid ? vm->uuid : "");
	}
	if (total > shown)
		vh_buf_printf(text, "\n  and %zu more: see `vmhang list`", total - shown);
}

static struct vh_error *failure(
	int code, const struct vh_vm_list *list, const char *what, const bool *only)
{
	vh_auto_buf struct vh_buf text = {0};

	if (code == ENOTUNIQ)
		vh_buf_printf(
			&text, "\"%s\" is more than one virtual machine; use a pid or UUID:", what);
	else if (list->n)
		vh_buf_printf(&text, "no virtual machine is called \"%s\"; there are:", what);
	else
		vh_buf_printf(&text, "no virtual machine is called \"%s\": none was found", what);
	put_candidates(&text, list, only);
	struct vh_error *err = vh_error_new(0, "%s", vh_buf_str(&text));

	err->code = code;
	return err;
}

struct vh_error *vh_vm_select(const struct vh_vm_list *list, const char *what, struct vh_vm **out)
{
	static void (*const ways[])(const struct vh_vm_list *, const char *, bool *) = {
		match_name, match_uuid, match_id, match_pid, match_socket};
	vh_auto_free bool *matches = vh_alloc(list->n + 1);

	*out = NULL;
	for (size_t way = 0; way < VH_ARRAY_SIZE(ways) && *what; way++) {
		ways[way](list, what, matches);
		size_t n = count(matches, list->n);

		if (n > 1)
			return failure(ENOTUNIQ, list, what, matches);
		for (size_t i = 0; n && i < list->n; i++)
			if (matches[i]) {
				*out = vh_vm_copy(list->vms[i]);
				return NULL;
			}
	}
	return failure(ESRCH, list, what, NULL);
}
