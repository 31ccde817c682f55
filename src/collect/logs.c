/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU's log and the serial logs. Only regular files are read: a pty, FIFO or socket would lose to
 * us what its reader waits for.
 */
#include <errno.h>
#include <stdio.h>

#include "collect/passive.h"

#define TAIL_CAP (64 * 1024)
#define LOGS_MAX 32

struct log {
	const char *source; /* "log.qemu" or "log.serial" */
	char *path;         /* as the VM names it: the subject */
	char *via;          /* the VM's descriptor that it is read through, or NULL: by its path */
};
struct logs {
	struct log list[LOGS_MAX];
	size_t n;
	struct vh_host *host;
	struct vh_case *c;
	enum vh_round round;
	struct vh_reading descriptors; /* /proc/PID/fd, first look only */
};

static void add_log(struct logs *logs, const char *source, const char *path, const char *via)
{
	for (size_t i = 0; i < logs->n; i++)
		if (vh_streq(logs->list[i].path, path))
			return;
	if (logs->n < LOGS_MAX)
		logs->list[logs->n++] = (struct log){source, vh_strdup(path), vh_strdup(via)};
}

static void add_skipped(struct logs *logs, const char *source, const char *subject,
	const char *where, const char *reason)
{
	vh_case_add_skipped(logs->c, logs->round, source, subject, where, reason);
}

static const char not_regular[] =
	"it is no regular file: reading it would take what its reader waits for";

/* A log that could not be read; takes r. */
static void add_unread(struct logs *logs, const char *source, const char *subject,
	const char *where, struct vh_reading *r)
{
	if (r->status == VH_FAILED && r->err == EINVAL)
		add_skipped(logs, source, subject, where, not_regular);
	else
		vh_case_add_reading(logs->c, logs->round, source, subject, where, r);
}

static char *path_in_vm(const struct logs *logs, const char *path)
{
	return logs->c->vm->in_container
		       ? vh_asprintf("/proc/%d/root%s", (int)logs->c->vm->id.pid, path)
		       : vh_strdup(path);
}

static const char waited_for[] = "a thread of the VM waits for this very file";

/* True where a thread of the VM waits in a call on this very file at the moment. Whoever opens such
 * a file on dead storage may not be able to end: FUSE lets even a killed process wait for the page
 * that the other one holds. */
static bool is_waited_for(const struct logs *logs, const char *path)
{
	const struct vh_case *c = logs->c;

	vh_case_foreach (c, e) {
		struct vh_str target, number;

		if (e->round != logs->round || strcmp(e->source, "task.fd") != 0)
			continue;
		target = vh_str_trim(vh_evidence_text(e));
		if (vh_next_part(&target, '\t', &number) && vh_str_is(target, path))
			return true;
	}
	return false;
}

/* True where the link is to a file that might be it, by its name where `named` says so. */
static bool is_candidate(struct vh_str target, const char *path, bool named)
{
	return vh_str_starts(target, "/") && !vh_str_starts(target, "/dev/") &&
	       vh_str_is(target, path) == named;
}

/* The descriptor of the VM that is this file, as its path in /proc; NULL where it has none. Those
 * of its name are tried first: a disk on a file server that is gone would cost a deadline each, and
 * the first one that does ends the search (*timed_out). */
static char *descriptor_of(
	const struct logs *logs, const char *name, const struct vh_reading *file, bool *timed_out)
{
	for (int others = 0; others < 2; others++) {
		struct vh_str rest = {logs->descriptors.data, logs->descriptors.size}, line, number;

		while (!*timed_out && vh_next_line(&rest, &line)) {
			vh_auto_reading struct vh_reading r = {0};

			if (!vh_next_part(&line, '\t', &number) ||
				!is_candidate(line, name, !others))
				continue;
			vh_auto_free char *target = vh_str_dup(line);

			if (is_waited_for(logs, target))
				continue;
			vh_auto_free char *path = vh_asprintf("/proc/%d/fd/%.*s",
				(int)logs->c->vm->id.pid, (int)number.n, number.s);

			vh_host_read_tail(logs->host, 0, &r, "%s", path);
			if (vh_status_has_data(r.status) && r.device == file->device &&
				r.inode == file->inode)
				return vh_strdup(path);
			*timed_out = r.status == VH_TIMED_OUT;
		}
	}
	return NULL;
}

/*
 * A log that the VM names. vmhang may read what the VM's user may not: a command line that names
 * /etc/shadow must not bring it into a case. So the file is read through the descriptor by which
 * the VM has it open; one that it does not have open is left alone. In a captured host descriptors
 * are links that lead out of it, and a reader who may not list them has no more rights than the VM.
 */
static void add_claimed(struct logs *logs, const char *source, const char *path)
{
	vh_auto_free char *where = path_in_vm(logs, path);
	vh_auto_reading struct vh_reading file = {0};
	bool timed_out = false;

	if (!vh_host_is_live(logs->host) || !vh_status_has_data(logs->descriptors.status)) {
		add_log(logs, source, path, NULL);
		return;
	}
	if (is_waited_for(logs, path)) {
		add_skipped(logs, source, path, where, waited_for);
		return;
	}
	vh_host_read_tail(logs->host, 0, &file, "%s", where);
	/* Not read again: by then the name may lead elsewhere. */
	if (!vh_status_has_data(file.status)) {
		add_unread(logs, source, path, where, &file);
		return;
	}
	vh_auto_free char *via = descriptor_of(logs, path, &file, &timed_out);

	if (via)
		add_log(logs, source, path, via);
	else
		add_skipped(logs, source, path, where,
			timed_out ? "whether the VM has that file open cannot be told: another of "
				    "its "
				    "files does not answer"
				  : "the VM does not have that file open");
}

/* A path as the command line gives it, which may be relative to QEMU's working directory. */
static void add_named(struct logs *logs, const char *source, const char *path)
{
	vh_auto_reading struct vh_reading cwd = {0};

	if (!path || !path[0])
		return;
	if (path[0] == '/') {
		add_claimed(logs, source, path);
		return;
	}
	vh_host_readlink(logs->host, &cwd, "/proc/%d/cwd", (int)logs->c->vm->id.pid);
	if (!vh_status_has_data(cwd.status))
		return;
	vh_auto_free char *absolute = vh_asprintf("%s/%s", cwd.data, path);

	add_claimed(logs, source, absolute);
}

static void add_serials(struct logs *logs)
{
	const struct vh_vm *vm = logs->c->vm;

	for (size_t i = 0; i < vm->n_serials; i++) {
		const struct vh_serial *s = &vm->serials[i];
		vh_auto_free char *reason = NULL;

		if (s->path) {
			add_named(logs, "log.serial", s->path);
			continue;
		}
		reason = vh_asprintf("its back end is \"%s\", which keeps nothing to read again",
			s->kind ? s->kind : "unknown");
		add_skipped(logs, "log.serial", s->label ? s->label : "", "", reason);
	}
}

/* libvirt's conventional places: of the system's daemon, and of a user's session, which its
 * monitor's path gives away ($HOME/.config/libvirt/qemu/lib/...). */
static void add_libvirt(struct logs *logs)
{
	static const char session[] = "/.config/libvirt/qemu/";
	const struct vh_vm *vm = logs->c->vm;

	if (!vm->libvirt.managed || !vm->name || strchr(vm->name, '/'))
		return;
	for (size_t i = 0; i < vm->n_monitors; i++) {
		const char *address = vm->monitors[i].address;
		const char *at = address ? strstr(address, session) : NULL;

		if (!at || !vh_prefix(address, "unix:/"))
			continue;
		vh_auto_free char *path = vh_asprintf("%.*s/.cache/libvirt/qemu/log/%s.log",
			(int)(at - address - 5), address + 5, vm->name);

		add_claimed(logs, "log.qemu", path);
		return;
	}
	/* Only root writes there. */
	vh_auto_free char *path = vh_asprintf("/var/log/libvirt/qemu/%s.log", vm->name);

	add_log(logs, "log.qemu", path, NULL);
}

static bool ends_with(struct vh_str s, const char *end)
{
	size_t n = strlen(end);

	return s.n >= n && !memcmp(s.s + s.n - n, end, n);
}

static const char *log_source(struct vh_str path)
{
	return vh_str_find_nocase(path, "serial") >= 0 || vh_str_find_nocase(path, "console") >= 0
		       ? "log.serial"
		       : "log.qemu";
}

/* An open descriptor: stdout and stderr where they are files, and whatever is called a log. */
static void add_descriptor(struct logs *logs, struct vh_str number, struct vh_str target)
{
	static const char gone[] = " (deleted)";
	bool out = vh_str_is(number, "1") || vh_str_is(number, "2");
	bool deleted = ends_with(target, gone);
	struct vh_str name = target;

	if (deleted)
		name.n -= strlen(gone);
	bool file = target.n && target.s[0] == '/' && !vh_str_starts(target, "/dev/") &&
		    !vh_str_starts(target, "/memfd:");

	if (out && !file && !vh_str_is(target, "/dev/null")) {
		vh_auto_free char *where = vh_str_dup(target);

		add_skipped(logs, "log.qemu", where, where,
			vh_str_is(number, "1") ? "stdout is no file: its reader has what was said"
					       : "stderr is no file: its reader has what was said");
	}
	if (!file || (!out && !ends_with(name, ".log")))
		return;
	vh_auto_free char *path = vh_str_dup(target);
	vh_auto_free char *via = vh_host_is_live(logs->host)
					 ? vh_asprintf("/proc/%d/fd/%.*s", (int)logs->c->vm->id.pid,
						   (int)number.n, number.s)
					 : NULL;

	add_log(logs, out ? "log.qemu" : log_source(name), path, via);
}

static void add_descriptors(struct logs *logs)
{
	struct vh_str rest = {logs->descriptors.data, logs->descriptors.size}, line, number;

	while (vh_next_line(&rest, &line))
		if (vh_next_part(&line, '\t', &number))
			add_descriptor(logs, number, line);
}

/* What the first look found, whether it is still open or not. Of a live host only what was read:
 * what was not there then need not be the VM's now. */
static void add_found(struct logs *logs)
{
	bool all = !vh_host_is_live(logs->host);

	vh_case_foreach (logs->c, e)
		if (e->round == VH_FIRST && e->status != VH_SKIPPED &&
			vh_prefix(e->source, "log.") &&
			(all || vh_status_has_data(e->status) || e->status == VH_TIMED_OUT))
			add_log(logs, !strcmp(e->source, "log.qemu") ? "log.qemu" : "log.serial",
				e->subject,
				vh_prefix(e->where, "/proc/") && strstr(e->where, "/fd/") ? e->where
											  : NULL);
}

static void find_logs(struct logs *logs)
{
	const struct vh_vm *vm = logs->c->vm;

	vh_host_list_links(logs->host, 4096, &logs->descriptors, "/proc/%d/fd", (int)vm->id.pid);
	add_named(logs, "log.qemu", vm->log_path);
	add_serials(logs);
	add_libvirt(logs);
	add_descriptors(logs);
	vh_reading_free(&logs->descriptors);
}

static void set_file_numbers(
	const struct logs *logs, struct vh_evidence *e, const struct vh_reading *r)
{
	vh_evidence_set_number(e, "size", (int64_t)r->total);
	vh_evidence_set_number(e, "offset", (int64_t)r->offset);
	vh_evidence_set_number(e, "mtime_ns", r->mtime_ns);
	if (vh_host_is_live(logs->host))
		vh_evidence_set_number(e, "age_ns", vh_wall_clock_ns() - r->mtime_ns);
}

/* True where it is as the newest evidence of it says. */
static bool is_unchanged(const struct vh_evidence *before, const struct vh_reading *r)
{
	return before && before->status == VH_OK && vh_status_has_data(r->status) &&
	       vh_evidence_number(before, "size", -1) == (int64_t)r->total &&
	       vh_evidence_number(before, "mtime_ns", -1) == r->mtime_ns;
}

static void read_log(const struct logs *logs, const struct log *log)
{
	struct vh_case *c = logs->c;
	struct vh_evidence *before = vh_case_find(c, log->source, log->path, VH_N_ROUND);
	vh_auto_free char *where = NULL;
	vh_auto_reading struct vh_reading r = {0};

	where = log->via ? vh_strdup(log->via) : path_in_vm(logs, log->path);
	if (before && (before->status == VH_TIMED_OUT || before->status == VH_SKIPPED)) {
		if (before->status == VH_TIMED_OUT)
			vh_case_add_skipped(c, logs->round, log->source, log->path, where,
				"it did not answer in an earlier look");
		return;
	}
	if (is_waited_for(logs, log->path)) {
		vh_case_add_skipped(c, logs->round, log->source, log->path, where, waited_for);
		return;
	}
	/* Size and time alone first. */
	vh_host_read_tail(logs->host, before ? 0 : TAIL_CAP, &r, "%s", where);
	bool unchanged = is_unchanged(before, &r);

	if (before && !unchanged && vh_status_has_data(r.status)) {
		vh_reading_free(&r);
		vh_host_read_tail(logs->host, TAIL_CAP, &r, "%s", where);
	}
	if (r.status == VH_FAILED && r.err == EINVAL) {
		if (!before)
			vh_case_add_skipped(
				c, logs->round, log->source, log->path, where, not_regular);
		return;
	}
	if (unchanged) {
		free(r.data);
		r.data = NULL;
		r.size = 0;
	}
	struct vh_reading numbers = r;
	struct vh_evidence *e =
		vh_case_add_reading(c, logs->round, log->source, log->path, where, &r);

	if (vh_status_has_data(e->status))
		set_file_numbers(logs, e, &numbers);
}

static void collect(struct vh_host *host, struct vh_case *c, enum vh_round round)
{
	struct logs logs = {.host = host, .c = c, .round = round};

	if (!vh_round_is_look(round))
		return;
	if (round == VH_FIRST)
		find_logs(&logs);
	else
		add_found(&logs);
	for (size_t i = 0; i < logs.n; i++) {
		read_log(&logs, &logs.list[i]);
		free(logs.list[i].path);
		free(logs.list[i].via);
	}
}

const struct vh_collector vh_collect_logs = {
	.name = "logs",
	.collect = collect,
};
