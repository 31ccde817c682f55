/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/notseen.h"

/* What each source is to a reader, and how to get it. `absent`: that it is not there matters. */
static const struct row {
	const char *source; /* a trailing '*' matches any rest */
	const char *what;
	bool absent;
	const char *how;
} rows[] = {
	{"task.stack", "kernel stacks", false, "run vmhang as root"},
	{"task.wchan", "what threads wait in", false, "run vmhang as root"},
	{"task.syscall", "system calls", false, "run vmhang as root"},
	{"task.schedstat", "scheduler statistics", true,
		"a kernel with CONFIG_SCHED_INFO, and kernel.sched_schedstats where it is off"},
	{"task.*", "details", false, NULL},
	{"proc.fd", "open files of the VMM", false, "run vmhang as root"},
	{"proc.*", "details of the process", false, NULL},
	{"cgroup.*", "cgroup settings", false, NULL},
	{"host.kmsg", "the host's kernel log", false,
		"run vmhang as root, or set kernel.dmesg_restrict=0"},
	{"host.*", "details of the host", false, NULL},
	{"log.qemu", "the VMM's log", false, NULL},
	{"log.serial", "the serial log", false, NULL},
	{"trace.vcpu", "what KVM keeps of the vCPUs (control registers, whether they were started)",
		false, "run vmhang as root"},
	{"hmp.info-registers", "registers", false, NULL},
	{"hmp.info-lapic", "local APICs", false, NULL},
	{"hmp.info-pic", "interrupt controllers", false, NULL},
	{"guest.code", "the code at RIP", false, NULL},
	{"guest.screen", "the screen as text", false, NULL},
	{"guest.screendump", "the screen as a picture", false, NULL},
	{"trace.exits", "what the vCPUs leave the guest for (exits)", true,
		"run vmhang as root, with tracefs and BPF or perf events"},
	{"qmp.greeting", "what only the monitor tells (run state, registers, screen, drives)", true,
		NULL},
	{"qmp.query-stats", "KVM statistics", false, NULL},
	{"qmp.query-status", "the VMM's own state", false, NULL},
	{"qmp.query-block", "the I/O status of drives", false, NULL},
	{"qmp.*", "answers of the monitor", false, NULL},
	{"libvirt.*", "libvirt's view", false, NULL},
};

/* Denied, but of no use to the reader where another source gave the same. */
static bool has_other_source(const struct vh_model *m, const struct vh_evidence *e)
{
	if (strcmp(e->source, "kvm.stats") == 0)
		return vh_case_find_data(m->c, "qmp.query-stats", NULL, VH_N_ROUND);
	/* Of other guests the monitor tells more. */
	if (strcmp(e->source, "trace.vcpu") == 0)
		return !vh_conf_hides_registers(m->confidential);
	if (strcmp(e->source, "guest.screendump") == 0 &&
		vh_case_find_data(m->c, "guest.screen", NULL, VH_N_ROUND))
		return true;
	/* A second look that failed is told by its own piece, unless the first one was all there
	 * is. */
	return vh_case_find_data(m->c, e->source, e->subject, VH_N_ROUND);
}

static bool matches(const char *pattern, const char *source)
{
	size_t n = strlen(pattern);

	if (n && pattern[n - 1] == '*')
		return strncmp(pattern, source, n - 1) == 0;
	return strcmp(pattern, source) == 0;
}

static const struct row *row_of(const char *source)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++)
		if (matches(rows[i].source, source))
			return &rows[i];
	return NULL;
}

/* A real VM has a handful; a case file may have been made up. */
#define MAX_GROUPS 256

/* One reason for one kind of thing. */
struct group {
	const struct row *row;
	const struct vh_evidence *first;
	size_t n; /* different subjects */
	char *reason;
};

static char *reason_of(const struct vh_evidence *e)
{
	const char *detail = e->detail ? e->detail : e->err ? strerror(e->err) : NULL;

	if (e->status == VH_SKIPPED)
		return vh_asprintf("not asked: %s", detail ? detail : "no reason given");
	return detail ? vh_asprintf("%s: %s", vh_status_name(e->status), detail)
		      : vh_strdup(vh_status_name(e->status));
}

static bool is_worth_telling(const struct vh_model *m, const struct vh_evidence *e)
{
	const struct row *row = row_of(e->source);

	if (!row || e->status == VH_OK)
		return false;
	if (e->status == VH_ABSENT && !row->absent)
		return false;
	/* Without KVM there is nothing to count. */
	if (strcmp(e->source, "trace.exits") == 0 && m->vm->accel != VH_ACCEL_KVM)
		return false;
	/* A thread that ended between two reads is no gap. */
	if (vh_prefix(e->source, "task.") && e->status == VH_ABSENT)
		return false;
	return e->status == VH_TRUNCATED || !has_other_source(m, e);
}

/* NULL where there are too many already. */
static struct group *group_of(struct group **groups, size_t *n, const struct vh_evidence *e)
{
	char *reason = reason_of(e);
	const struct row *row = row_of(e->source);

	for (size_t i = 0; i < *n; i++) {
		struct group *g = &(*groups)[i];

		if (g->row == row && strcmp(g->reason, reason) == 0) {
			free(reason);
			return g;
		}
	}
	if (*n == MAX_GROUPS) {
		free(reason);
		return NULL;
	}
	struct group *g = &VH_PUSH(*groups, *n);

	*g = (struct group){.row = row, .reason = reason};
	return g;
}

/* "registers of vCPU 2", "kernel stacks (6 threads)", "the serial log /x" */
static char *what_of(const struct group *g)
{
	const char *subject = g->first->subject;
	vh_auto_free char *escaped = vh_escaped(subject);

	if (vh_prefix(subject, "vcpu:"))
		return g->n == 1 ? vh_asprintf("%s of vCPU %s", g->row->what, escaped + 5)
				 : vh_asprintf("%s of %zu vCPUs", g->row->what, g->n);
	if (vh_prefix(subject, "tid:"))
		return g->n == 1 ? vh_asprintf("%s of thread %s", g->row->what, escaped + 4)
				 : vh_asprintf("%s of %zu threads", g->row->what, g->n);
	if (g->n == 1 && strchr(subject, '/'))
		return vh_asprintf("%s (%s)", g->row->what, escaped);
	return vh_strdup(g->row->what);
}

/* Adds what a group says; a reason that holds for several things is said once. */
static void tell(struct vh_verdict *v, const struct group *g)
{
	enum vh_status status = g->first->status;
	vh_auto_free char *what = what_of(g);
	vh_auto_free char *why = vh_escaped(g->reason);
	/* Only a refusal is mended by more rights. */
	const char *how = status == VH_DENIED ? g->row->how : NULL;

	for (size_t i = 0; i < v->n_not_seen; i++) {
		struct vh_not_seen *s = &v->not_seen[i];

		if (s->status != status || strcmp(s->why, why) != 0 ||
			strcmp(s->how ? s->how : "", how ? how : "") != 0)
			continue;
		char *both = vh_asprintf("%s, %s", s->what, what);

		free(s->what);
		s->what = both;
		return;
	}
	VH_PUSH(v->not_seen, v->n_not_seen) =
		(struct vh_not_seen){vh_strdup(what), vh_strdup(why), vh_strdup(how), status};
}

void vh_not_seen_list(const struct vh_model *model, struct vh_verdict *v)
{
	struct group *groups = NULL;
	size_t n = 0;

	vh_case_foreach (model->c, e) {
		if (!is_worth_telling(model, e))
			continue;
		struct group *g = group_of(&groups, &n, e);

		if (!g)
			continue;
		/* Later rounds repeat the subjects of the first. */
		if (!g->first || g->first->round == e->round)
			g->n++;
		if (!g->first)
			g->first = e;
	}
	for (size_t i = 0; i < n; i++) {
		tell(v, &groups[i]);
		free(groups[i].reason);
	}
	free(groups);
}
