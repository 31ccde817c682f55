/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of --verbose: what the verdict was made from, for those who want to see for
 * themselves. */
#include <inttypes.h>

#include "base/units.h"
#include "report/view.h"

#define LOG_LINES 10

static struct vh_view_section *add_table(struct vh_view *v, const char *id, const char *heading,
	const struct vh_view_column *columns, size_t n)
{
	struct vh_view_section *s = vh_view_add(v, id, VH_VIEW_TABLE, "%s", heading);

	s->columns = columns;
	s->n_columns = n;
	return s;
}

static void cell_number(struct vh_view_section *s, double value)
{
	if (isnan(value))
		vh_view_cell(s, "-");
	else
		vh_view_cell(s, value < 100 && value > 0 ? "%.1f" : "%.0f", value);
}

static void cell_syscall(struct vh_view_section *s, const struct vh_thread_sample *t)
{
	if (!t->has_syscall || t->syscall == VH_SYSCALL_NONE)
		vh_view_cell(s, "-");
	else if (t->syscall == VH_SYSCALL_RUNNING)
		vh_view_cell(s, "running");
	else if (t->in_kvm_run)
		vh_view_cell(s, "KVM_RUN");
	else
		vh_view_cell(s, "%" PRId64, t->syscall);
}

static void add_threads(struct vh_view *v, const struct vh_model *m)
{
	static const struct vh_view_column columns[] = {{"TID", true}, {"NAME", false},
		{"ROLE", false}, {"S", false}, {"RUN%", true}, {"WAIT%", true}, {"USER%", true},
		{"SYS%", true}, {"GUEST%", true}, {"SWITCHES/S", true}, {"WAITS FOR", false},
		{"WCHAN", false}, {"SYSCALL", true}, {"ON", false}};
	struct vh_view_section *s =
		add_table(v, "threads", "Threads", columns, VH_ARRAY_SIZE(columns));

	for (size_t i = 0; i < m->n_threads; i++) {
		const struct vh_thread *t = m->threads[i];
		const struct vh_thread_sample *last = t->last.seen ? &t->last : &t->first;

		vh_view_cell(s, "%d", (int)t->tid);
		vh_view_cell(s, "%s", t->name ? t->name : "");
		vh_view_cell(s, "%s", vh_role_name(t->role));
		vh_view_cell(s, "%c", last->seen && last->stat.state ? last->stat.state : '?');
		vh_view_percent(s, t->run_share);
		vh_view_percent(s, t->wait_share);
		vh_view_percent(s, t->user_share);
		vh_view_percent(s, t->system_share);
		vh_view_percent(s, t->guest_share);
		cell_number(s, t->switches_per_s);
		vh_view_cell(s, "%s", vh_wait_name(t->wait));
		vh_view_cell(
			s, "%s", last->wchan && !vh_streq(last->wchan, "0") ? last->wchan : "");
		cell_syscall(s, last);
		vh_view_cell(s, "%s", t->blocked_on ? t->blocked_on : "");
	}
}

static void add_counter_rows(
	struct vh_view_section *s, const char *subject, const struct vh_counters *counters)
{
	for (size_t i = 0; i < counters->n; i++) {
		const struct vh_counter *c = &counters->list[i];
		uint64_t value = c->has_last ? c->last : c->first;

		/* Most counters never count. */
		if (!value)
			continue;
		vh_view_cell(s, "%s", subject);
		vh_view_cell(s, "%s", c->name);
		vh_view_cell(s, "%" PRIu64, value);
		cell_number(s, vh_counter_rate(counters, c->name));
	}
}

static void add_counters(struct vh_view *v, const struct vh_model *m)
{
	static const struct vh_view_column columns[] = {
		{"OF", false}, {"COUNTER", false}, {"VALUE", true}, {"PER SECOND", true}};
	struct vh_view_section *s =
		add_table(v, "counters", "KVM counters", columns, VH_ARRAY_SIZE(columns));

	add_counter_rows(s, "VM", &m->vm_kvm);
	for (size_t i = 0; i < m->n_vcpus; i++) {
		vh_auto_free char *subject = vh_asprintf("vCPU %d", m->vcpus[i]->index);

		add_counter_rows(s, subject, &m->vcpus[i]->kvm);
	}
}

static void add_monitor(struct vh_view *v, const struct vh_model *m)
{
	const struct vh_monitor_view *mon = &m->monitor;
	struct vh_view_section *s = vh_view_add(v, "monitor", VH_VIEW_LINES, "Monitor");

	vh_view_line(s, "%s%s%s%s%s", vh_monitor_state_name(mon->state), mon->address ? " at " : "",
		mon->address ? mon->address : "", mon->why ? ": " : "", mon->why ? mon->why : "");
	if (mon->run_state)
		vh_view_line(s, "the VM is %s", mon->run_state);
	if (mon->failed_command)
		vh_view_line(s, "no answer to %s", mon->failed_command);
	for (size_t i = 0; i < mon->n_events; i++)
		vh_view_line(s, "event %s %s", mon->events[i].name,
			mon->events[i].text ? mon->events[i].text : "");
}

/* "1200 (+3)"; without a first look, or where it counted on from less, the number alone. */
static void add_operations(
	struct vh_view_section *s, bool has_first, const uint64_t operations[2], int last)
{
	if (has_first && operations[last] >= operations[0])
		vh_view_cell(s, "%" PRIu64 " (+%" PRIu64 ")", operations[last],
			operations[last] - operations[0]);
	else
		vh_view_cell(s, "%" PRIu64, operations[last]);
}

static void add_drives(struct vh_view *v, const struct vh_model *m)
{
	static const struct vh_view_column columns[] = {{"DRIVE", false}, {"I/O STATUS", false},
		{"READS", true}, {"WRITES", true}, {"FAILED", true}, {"IDLE FOR", true},
		{"FILE", false}};
	struct vh_view_section *s =
		add_table(v, "drives", "Drives", columns, VH_ARRAY_SIZE(columns));

	for (size_t i = 0; i < m->n_drives; i++) {
		const struct vh_drive_view *d = &m->drives[i];
		int last = d->has_stats[1] ? 1 : 0;

		vh_view_cell(s, "%s", d->name ? d->name : "");
		vh_view_cell(s, "%s", d->io_status ? d->io_status : "");
		if (d->has_stats[last]) {
			add_operations(s, d->has_stats[0], d->rd_ops, last);
			add_operations(s, d->has_stats[0], d->wr_ops, last);
			vh_view_cell(s, "%" PRIu64, d->failed);
		} else {
			for (int k = 0; k < 3; k++)
				vh_view_cell(s, "-");
		}
		vh_view_cell(s, "%s", d->idle_ns < 0 ? "" : vh_duration_text(d->idle_ns).s);
		vh_view_cell(s, "%s", d->file ? d->file : d->empty ? "[not inserted]" : "");
	}
}

static void pressure_line(struct vh_view_section *s, const char *of, double avg10)
{
	if (!isnan(avg10))
		vh_view_line(s, "%s pressure %.1f %% (some, 10 s)", of, avg10);
}

static void add_cgroup(struct vh_view *v, const struct vh_model *m)
{
	const struct vh_cgroup_view *g = &m->cgroup;
	struct vh_view_section *s = vh_view_add(v, "cgroup", VH_VIEW_LINES, "Cgroup");

	if (!g->seen)
		return;
	if (g->path)
		vh_view_line(s, "%s", g->path);
	if (g->frozen >= 0)
		vh_view_line(s, "%s", g->frozen ? "frozen" : "not frozen");
	if (g->has_quota && !isnan(g->quota_cpus))
		vh_view_line(s, "CPU quota: %.2f CPUs", g->quota_cpus);
	if (g->has_throttle && g->periods)
		vh_view_line(s, "throttled in %" PRIu64 " of %" PRIu64 " periods, for %s",
			g->throttled, g->periods, vh_duration_text(g->throttled_ns).s);
	if (g->memory_bytes >= 0)
		vh_view_line(s, "memory: %s, limit %s", vh_bytes_text((uint64_t)g->memory_bytes).s,
			g->memory_limit_bytes < 0
				? "none"
				: vh_bytes_text((uint64_t)g->memory_limit_bytes).s);
	if (g->memory_max_events > 0)
		vh_view_line(s, "the memory limit was hit %" PRId64 " times in the window",
			g->memory_max_events);
	if (g->oom_kills > 0)
		vh_view_line(s, "%" PRId64 " OOM kills so far", g->oom_kills);
	pressure_line(s, "CPU", g->cpu_pressure_avg10);
	pressure_line(s, "memory", g->memory_pressure_avg10);
	pressure_line(s, "I/O", g->io_pressure_avg10);
}

/* The last lines of a text, without empty ones at its end. */
static struct vh_str last_lines(struct vh_str text, size_t lines)
{
	while (text.n && (text.s[text.n - 1] == '\n' || text.s[text.n - 1] == '\r'))
		text.n--;
	size_t at = text.n;

	if (!at)
		return vh_str("");
	while (at && lines) {
		at--;
		lines -= text.s[at] == '\n';
	}
	at += at < text.n && text.s[at] == '\n';
	return (struct vh_str){text.s + at, text.n - at};
}

static void add_lines(struct vh_view_section *s, struct vh_str text)
{
	struct vh_str line;

	while (vh_next_line(&text, &line)) {
		vh_auto_buf struct vh_buf shown = {0};

		vh_escape(&shown, line, false);
		vh_view_line(s, "%s", vh_buf_str(&shown));
	}
}

static void add_logs(struct vh_view *v, const struct vh_model *m)
{
	for (size_t i = 0; i < m->n_logs; i++) {
		const struct vh_log_view *l = &m->logs[i];
		struct vh_str tail = last_lines(l->tail, LOG_LINES);
		vh_auto_buf struct vh_buf about = {0};

		if (l->kind != VH_LOG_HOST_KERNEL)
			vh_buf_printf(&about, ", %s", vh_bytes_text(l->size_bytes).s);
		if (l->age_ns >= 0)
			vh_buf_printf(
				&about, ", last written %s ago", vh_duration_text(l->age_ns).s);
		if (l->grew)
			vh_buf_puts(&about, ", grew in the window");
		struct vh_view_section *s = vh_view_add(v, "log", VH_VIEW_LINES, "Log %s%s",
			l->path ? l->path : "of the host's kernel", vh_buf_str(&about));

		if (!vh_status_has_data(l->status))
			vh_view_line(s, "(%s)", vh_status_name(l->status));
		else if (!tail.n)
			vh_view_line(s, "(empty)");
		add_lines(s, tail);
	}
}

static void add_screen(struct vh_view *v, const struct vh_model *m)
{
	struct vh_view_section *s = vh_view_add(v, "screen", VH_VIEW_LINES, "Screen");

	if (m->screen.kind == VH_SCREEN_TEXT && m->screen.text)
		add_lines(s, vh_str(m->screen.text));
	else if (m->screen.kind == VH_SCREEN_PICTURE)
		vh_view_line(s, "(a picture: evidence %zu, kept by --save)", m->screen.evidence);
}

static void add_evidence(struct vh_view *v, const struct vh_case *c)
{
	static const struct vh_view_column columns[] = {{"#", true}, {"SOURCE", false},
		{"ROUND", false}, {"STATUS", false}, {"BYTES", true}, {"TOOK", true},
		{"SUBJECT", false}};
	struct vh_view_section *s =
		add_table(v, "evidence", "Evidence", columns, VH_ARRAY_SIZE(columns));

	for (size_t i = 0; i < c->n_evidence; i++) {
		const struct vh_evidence *e = c->evidence[i];

		vh_view_cell(s, "%zu", i);
		vh_view_cell(s, "%s", e->source);
		vh_view_cell(s, "%s", vh_round_name(e->round));
		vh_view_cell(s, "%s", vh_status_name(e->status));
		if (e->data)
			vh_view_cell(s, "%zu", e->size);
		else
			vh_view_cell(s, "-");
		vh_view_cell(s, "%s", vh_duration_text(e->took_ns).s);
		vh_view_cell(s, "%s%s%s", e->subject, e->detail && e->subject[0] ? ": " : "",
			e->detail ? e->detail : "");
	}
}

static void add_confidential(struct vh_view *v, const struct vh_model *m)
{
	const struct vh_conf_view *c = &m->conf;
	struct vh_view_section *s = vh_view_add(v, "encryption", VH_VIEW_LINES, "Encryption");
	vh_auto_buf struct vh_buf policy = {0};

	if (m->confidential == VH_CONF_NONE && c->source == VH_CONF_BY_NOBODY)
		return;
	vh_view_line(s, "%s%s%s%s, as told by %s", vh_conf_title(m->confidential),
		c->object ? " (" : "", c->object ? c->object : "", c->object ? ")" : "",
		vh_conf_source_title(c->source));
	if (c->has_policy) {
		vh_conf_policy_text(m->confidential, c->policy, &policy);
		vh_view_line(s, "policy %" PRIx64 ": %s", c->policy, vh_buf_str(&policy));
	}
	if (c->launch)
		vh_view_line(s, "launch: %s", c->launch);
	if (c->api_major >= 0)
		vh_view_line(s, "firmware of the platform: API %d.%d, build %d", c->api_major,
			c->api_minor, c->build);
	const char *registers =
		vh_trust_without_dump(m->confidential, m->monitor.version, m->host.kernel);

	if (registers)
		vh_view_line(s, "registers: %s", registers);
}

void vh_view_add_tables(struct vh_view *v, const struct vh_report *r)
{
	const struct vh_model *m = r->model;

	add_threads(v, m);
	add_confidential(v, m);
	vh_view_add_inside(v, r);
	if (m->exits)
		vh_view_add_exits(v, m->exits);
	for (size_t i = 0; i < m->n_vcpus; i++)
		vh_view_add_registers(v, m->vcpus[i]);
	add_counters(v, m);
	add_monitor(v, m);
	add_drives(v, m);
	add_cgroup(v, m);
	add_logs(v, m);
	add_screen(v, m);
	add_evidence(v, r->c);
}
