/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/view.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/units.h"
#include "report/shell.h"

#define MAX_SOURCES 4
/* Facts of one kind about different vCPUs: more than this many are told as one. */
#define MAX_ALIKE 3
/* A fact mostly rules out more causes than anybody reads: this many by name, unless --verbose. */
#define MAX_RULED_OUT 4
/* A list that is longer than this is cut unless --verbose. */
#define MAX_ITEMS 24

struct vh_view_section *vh_view_add(
	struct vh_view *v, const char *id, enum vh_view_kind kind, const char *fmt, ...)
{
	struct vh_view_section *s = vh_alloc(sizeof(*s));
	vh_auto_free char *heading = NULL;
	va_list args;

	va_start(args, fmt);
	heading = vh_vasprintf(fmt, args);
	va_end(args);
	VH_PUSH(v->sections, v->n_sections) = s;
	s->id = id;
	s->heading = vh_escaped(heading);
	s->kind = kind;
	return s;
}

static char *escaped_format(const char *fmt, va_list args) VH_PRINTF(1, 0);
static char *escaped_format(const char *fmt, va_list args)
{
	char *text = vh_vasprintf(fmt, args);
	char *shown = vh_escaped(text);

	free(text);
	return shown;
}

void vh_view_line(struct vh_view_section *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	VH_PUSH(s->items, s->n_items).text = escaped_format(fmt, args);
	va_end(args);
}

void vh_view_cell(struct vh_view_section *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	char *text = escaped_format(fmt, args);

	va_end(args);
	if (!text[0])
		vh_replace(&text, "-");
	VH_PUSH(s->cells, s->n_cells) = text;
}

void vh_view_percent(struct vh_view_section *s, double share)
{
	if (isnan(share))
		vh_view_cell(s, "-");
	else
		vh_view_cell(s, "%.1f", 100 * share);
}

char *vh_view_sources(const struct vh_case *c, const struct vh_fact *f)
{
	const char *seen[MAX_SOURCES];
	struct vh_buf out = {0};
	size_t n = 0;

	for (size_t i = 0; i < f->n_evidence; i++) {
		if (f->evidence[i] >= c->n_evidence)
			continue;
		const char *source = c->evidence[f->evidence[i]]->source;
		size_t k = 0;

		while (k < n && strcmp(seen[k], source) != 0)
			k++;
		if (k < n)
			continue;
		if (n == MAX_SOURCES) {
			vh_buf_puts(&out, ", ...");
			break;
		}
		seen[n++] = source;
		vh_buf_puts(&out, n > 1 ? ", " : "");
		vh_escape(&out, vh_str(source), false);
	}
	return out.len ? vh_buf_steal(&out) : NULL;
}

/* "1, 2 and 5-7" in short: "1-2, 5-7". */
static void put_vcpus(struct vh_buf *out, const struct vh_fact *const *facts, size_t n,
	enum vh_fact_id id, int skip)
{
	int first = -1, last = -1;
	bool some = false;

	for (size_t i = 0; i <= n; i++) {
		int vcpu =
			i < n && facts[i]->id == id && facts[i]->vcpu != skip ? facts[i]->vcpu : -1;

		if (i < n && vcpu < 0)
			continue;
		if (i < n && last >= 0 && vcpu == last + 1) {
			last = vcpu;
			continue;
		}
		if (first >= 0) {
			vh_buf_printf(out, "%s%d", some ? ", " : "", first);
			if (last > first)
				vh_buf_printf(out, "-%d", last);
			some = true;
		}
		first = last = vcpu;
	}
}

/* Two facts may be one and the same line of a log: once is enough. */
static bool is_item(const struct vh_view_section *s, const char *text)
{
	for (size_t i = 0; i < s->n_items; i++)
		if (vh_streq(s->items[i].text, text))
			return true;
	return false;
}

/* Facts as items; many of one kind become the first of them and "the same of vCPUs 2-63". */
static void add_facts(struct vh_view_section *s, const struct vh_case *c,
	const struct vh_fact *const *facts, size_t n)
{
	size_t of_vcpus[VH_N_FACT] = {0};
	bool told[VH_N_FACT] = {false};

	for (size_t i = 0; i < n; i++)
		of_vcpus[facts[i]->id] += facts[i]->vcpu >= 0;
	for (size_t i = 0; i < n; i++) {
		const struct vh_fact *f = facts[i];
		bool alike = f->vcpu >= 0 && of_vcpus[f->id] > MAX_ALIKE;
		vh_auto_buf struct vh_buf text = {0};

		if (alike && told[f->id])
			continue;
		told[f->id] = true;
		vh_escape(&text, vh_str(f->text), false);
		if (alike) {
			vh_buf_puts(&text, "; the same goes for vCPUs ");
			put_vcpus(&text, facts, n, f->id, f->vcpu);
		}
		if (is_item(s, vh_buf_str(&text)))
			continue;
		struct vh_view_item *item = &VH_PUSH(s->items, s->n_items);

		item->text = vh_buf_steal(&text);
		item->sources = vh_view_sources(c, f);
		for (size_t k = 0; k < f->n_lines; k++)
			VH_PUSH(item->lines, item->n_lines) = vh_strdup(f->lines[k]);
	}
}

static void add_against(struct vh_view *v, const struct vh_report *r)
{
	const struct vh_cause *cause = r->verdict->cause;
	struct vh_view_section *s = vh_view_add(v, "against", VH_VIEW_ITEMS, "Against");

	add_facts(s, r->c, cause->against, cause->n_against);
	for (size_t i = 0; i < cause->n_limits; i++)
		vh_view_line(s, "less sure: %s", cause->limits[i]);
}

/* True where an earlier cause was ruled out by the same fact, which then told of this one too. */
static bool is_told(const struct vh_verdict *v, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (v->ruled_out[i]->against[0] == v->ruled_out[index]->against[0])
			return true;
	return false;
}

/* The causes that a fact rules out, from one of them on: a few by name. */
static char *ruled_out_by(
	const struct vh_verdict *v, size_t from, const struct vh_fact *by, bool verbose)
{
	struct vh_buf ids = {0};
	size_t more = 0, named = 0;

	for (size_t k = from; k < v->n_ruled_out; k++) {
		if (v->ruled_out[k]->against[0] != by)
			continue;
		if (!verbose && named == MAX_RULED_OUT) {
			more++;
			continue;
		}
		vh_buf_printf(&ids, "%s%s", named++ ? ", " : "", v->ruled_out[k]->rule->id);
	}
	if (more)
		vh_buf_printf(&ids, " and %zu more", more);
	return vh_buf_steal(&ids);
}

/* A line a fact: one answer of the monitor rules out two dozen causes. */
static void add_ruled_out(struct vh_view *v, const struct vh_report *r, bool verbose)
{
	struct vh_view_section *s = vh_view_add(v, "ruled-out", VH_VIEW_ITEMS, "Ruled out");
	const struct vh_verdict *verdict = r->verdict;

	for (size_t i = 0; i < verdict->n_ruled_out; i++) {
		/* Without a fact against it, it would not be ruled out. */
		const struct vh_fact *by = verdict->ruled_out[i]->against[0];

		if (is_told(verdict, i))
			continue;
		vh_auto_free char *ids = ruled_out_by(verdict, i, by, verbose);

		vh_view_line(s, "%s: %s", ids, by->text);
		s->items[s->n_items - 1].sources = vh_view_sources(r->c, by);
	}
}

/* A cause that the report does not give as the answer: what speaks for it most, and against it. */
static void add_other(
	struct vh_view_section *s, const struct vh_report *r, const struct vh_cause *cause)
{
	const struct vh_fact *against = cause->n_against ? cause->against[0] : NULL;
	const char *limit = cause->n_limits ? cause->limits[0] : NULL;
	bool tells = cause->n_for && !strstr(cause->title, cause->for_[0]->text);

	vh_view_line(s, "%s (%s, %s)%s%s%s%s%s%s", cause->title, cause->rule->id,
		vh_confidence_name(cause->confidence), tells ? ": " : "",
		tells ? cause->for_[0]->text : "", against ? "; against it: " : "",
		against ? against->text : "", limit ? "; no surer: " : "", limit ? limit : "");
	if (cause->n_for)
		s->items[s->n_items - 1].sources = vh_view_sources(r->c, cause->for_[0]);
}

static void add_others(struct vh_view *v, const struct vh_report *r)
{
	struct vh_view_section *s =
		vh_view_add(v, "others", VH_VIEW_ITEMS, "Other possible causes");

	for (size_t i = 0; i < r->verdict->n_causes; i++)
		if (r->verdict->causes[i] != r->verdict->cause)
			add_other(s, r, r->verdict->causes[i]);
}

static void add_not_seen(struct vh_view *v, const struct vh_report *r)
{
	struct vh_view_section *s = vh_view_add(v, "not-seen", VH_VIEW_ITEMS, "Not seen");

	for (size_t i = 0; i < r->verdict->n_not_seen; i++) {
		const struct vh_not_seen *n = &r->verdict->not_seen[i];

		vh_view_line(s, "%s: %s%s%s%s", n->what, n->why, n->how ? " (to see it: " : "",
			n->how ? n->how : "", n->how ? ")" : "");
	}
}

/* "lines 7-22: ...", and of which file where there are several */
static void add_lines(struct vh_view_section *s, const struct vh_pasted_view *v,
	const struct vh_pasted_file *f, const struct vh_pasted_block *b, const char *what)
{
	const char *name = v->n_files > 1 ? f->name : "", *sep = v->n_files > 1 ? ", " : "";

	if (b->from == b->to)
		vh_view_line(s, "%s%sline %u: %s", name, sep, b->from, what);
	else
		vh_view_line(s, "%s%slines %u-%u: %s", name, sep, b->from, b->to, what);
}

/* What the report stands on, where somebody pasted it: by line, and what was passed over. */
static void add_pasted(struct vh_view *v, const struct vh_report *r)
{
	const struct vh_pasted_view *p = r->model->pasted;
	struct vh_view_section *s = vh_view_add(v, "read", VH_VIEW_ITEMS, "Read in the text");

	for (size_t i = 0; p && i < p->n_files; i++) {
		for (size_t k = 0; k < p->files[i].n_blocks; k++)
			add_lines(s, p, &p->files[i], &p->files[i].blocks[k],
				p->files[i].blocks[k].what);
		if (p->files[i].cut)
			vh_view_line(s, "%s is longer than vmhang looks at: its end was not read",
				p->files[i].name);
		if (p->files[i].more)
			vh_view_line(s, "%s holds more than vmhang keeps: not all of it was used",
				p->files[i].name);
	}
	s = vh_view_add(v, "unread", VH_VIEW_ITEMS, "Not understood in the text");
	for (size_t i = 0; p && i < p->n_files; i++)
		for (size_t k = 0; k < p->files[i].n_unread; k++)
			add_lines(s, p, &p->files[i], &p->files[i].unread[k],
				"looks like evidence, but vmhang does not know it");
}

static void add_next(struct vh_view *v, const struct vh_report *r)
{
	struct vh_view_section *s = vh_view_add(v, "next", VH_VIEW_STEPS, "Next");
	const struct vh_verdict *verdict = r->verdict;

	for (size_t i = 0; i < verdict->n_next; i++) {
		vh_view_line(s, "%s", verdict->next[i].text);
		if (verdict->next[i].command)
			s->items[s->n_items - 1].command =
				vh_shell_command(verdict->next[i].command, r->model);
	}
	if (!verdict->cause || verdict->hung == VH_HUNG_NO)
		return;
	vh_view_line(s, "read what this cause means and how it is told from others");
	s->items[s->n_items - 1].command =
		vh_asprintf("vmhang explain %s", verdict->cause->rule->id);
}

static void add_sections(struct vh_view *v, const struct vh_report *r, bool verbose)
{
	const struct vh_verdict *verdict = r->verdict;
	struct vh_view_section *s;

	if (verdict->cause) {
		s = vh_view_add(v, "because", VH_VIEW_ITEMS, "Because");
		add_facts(s, r->c, verdict->cause->for_, verdict->cause->n_for);
		add_against(v, r);
	} else {
		s = vh_view_add(v, "seen", VH_VIEW_ITEMS, "What is seen");
		add_facts(s, r->c, (const struct vh_fact *const *)r->facts->list, r->facts->n);
	}
	add_ruled_out(v, r, verbose);
	add_others(v, r);
	add_pasted(v, r);
	add_not_seen(v, r);
	s = vh_view_add(v, "remarks", VH_VIEW_ITEMS, "Remarks");
	for (size_t i = 0; i < verdict->n_remarks; i++)
		vh_view_line(s, "%s", verdict->remarks[i]);
	add_next(v, r);
}

static void put_part(struct vh_buf *out, const char *fmt, ...) VH_PRINTF(2, 3);
static void put_part(struct vh_buf *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vh_auto_free char *text = escaped_format(fmt, args);
	va_end(args);
	vh_buf_printf(out, "%s%s", out->len ? ", " : "", text);
}

static void put_vmm(struct vh_buf *out, const struct vh_model *m)
{
	const int *version = m->monitor.version;

	if (m->monitor.state == VH_MONITOR_ANSWERED && version[0] >= 0)
		put_part(out, "%s %d.%d.%d", vh_vmm_name(m->vm->vmm), version[0],
			VH_MAX(version[1], 0), VH_MAX(version[2], 0));
	else if (!m->pasted || m->vm->vmm != VH_VMM_OTHER) /* a text that does not say it */
		put_part(out, "%s", vh_vmm_name(m->vm->vmm));
	if (m->vm->libvirt.managed || m->vm->libvirt.answered)
		put_part(out, "libvirt %s", m->vm->libvirt.uri ? m->vm->libvirt.uri : "domain");
	if (m->confidential != VH_CONF_NONE)
		put_part(out, "encrypted (%s)", vh_conf_title(m->confidential));
}

static char *identity(const struct vh_report *r)
{
	const struct vh_vm *vm = r->c->vm;
	struct vh_buf out = {0};
	char when[40] = "";
	time_t t = (time_t)(r->c->began_wall_ns / VH_NS_PER_S);
	struct tm tm;

	if (vm->id.pid > 0)
		put_part(&out, "pid %d", (int)vm->id.pid);
	if (vm->vcpus)
		put_part(&out, "%u vCPU%s", vm->vcpus, vm->vcpus == 1 ? "" : "s");
	if (vm->memory_bytes)
		put_part(&out, "%s", vh_bytes_text(vm->memory_bytes).s);
	if (vm->accel != VH_ACCEL_UNKNOWN)
		put_part(&out, "%s", vh_accel_name(vm->accel));
	put_vmm(&out, r->model);
	if (r->c->window_ns)
		put_part(&out, "seen for %s", vh_duration_text(r->c->window_ns).s);
	else
		put_part(&out, r->model->pasted ? "from pasted text" : "seen once");
	if (r->c->passive)
		put_part(&out, "not asked (--passive)");
	if (t > 0 && gmtime_r(&t, &tm) && strftime(when, sizeof(when), "%F %T UTC", &tm))
		put_part(&out, "%s", when);
	return vh_buf_steal(&out);
}

static void item_free(struct vh_view_item *item)
{
	free(item->text);
	free(item->sources);
	free(item->command);
	for (size_t i = 0; i < item->n_lines; i++)
		free(item->lines[i]);
	free(item->lines);
}

static void section_free(struct vh_view_section *s)
{
	for (size_t i = 0; i < s->n_items; i++)
		item_free(&s->items[i]);
	for (size_t i = 0; i < s->n_cells; i++)
		free(s->cells[i]);
	free(s->items);
	free(s->cells);
	free(s->own_columns);
	free(s->heading);
	free(s);
}

static void drop_empty(struct vh_view *v)
{
	size_t kept = 0;

	for (size_t i = 0; i < v->n_sections; i++) {
		if (v->sections[i]->n_items || v->sections[i]->n_cells)
			v->sections[kept++] = v->sections[i];
		else
			section_free(v->sections[i]);
	}
	v->n_sections = kept;
}

/* Nobody reads a thousand lines, which a strange case may well give. */
static void cut_long(struct vh_view *v)
{
	for (size_t i = 0; i < v->n_sections; i++) {
		struct vh_view_section *s = v->sections[i];
		size_t n = s->n_items;

		if (s->kind != VH_VIEW_ITEMS || n <= MAX_ITEMS)
			continue;
		while (s->n_items >= MAX_ITEMS)
			item_free(&s->items[--s->n_items]);
		s->items[s->n_items++] = (struct vh_view_item){
			.text = vh_asprintf(
				"... and %zu more: --verbose shows them all", n - MAX_ITEMS + 1)};
	}
}

struct vh_view *vh_view_build(const struct vh_report *r, bool verbose)
{
	static const char *const answers[] = {
		[VH_HUNG_UNKNOWN] = "could not tell",
		[VH_HUNG_YES] = "hung",
		[VH_HUNG_NO] = "healthy",
	};
	struct vh_view *v = vh_alloc(sizeof(*v));
	const struct vh_cause *cause = r->verdict->cause;

	v->name = r->c->vm->name && r->c->vm->name[0] ? vh_escaped(r->c->vm->name)
		  : r->c->vm->id.pid > 0              ? vh_asprintf("pid %d", (int)r->c->vm->id.pid)
						      : vh_strdup("a VM without a name");
	v->hung = r->verdict->hung;
	v->answer = answers[v->hung];
	/* What is told says nothing of hanging, and something else that the VM is well. */
	if (cause && cause->rule->hung == VH_HUNG_UNKNOWN && v->hung == VH_HUNG_NO)
		v->answer = "not hung";
	v->headline = vh_escaped(r->verdict->headline);
	v->also = r->verdict->also ? vh_escaped(r->verdict->also) : NULL;
	v->changed = r->verdict->changed ? vh_escaped(r->verdict->changed) : NULL;
	v->confidence = cause ? vh_confidence_name(cause->confidence) : NULL;
	v->identity = identity(r);
	add_sections(v, r, verbose);
	if (verbose)
		vh_view_add_tables(v, r);
	else
		cut_long(v);
	drop_empty(v);
	return v;
}

void vh_view_free(struct vh_view *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n_sections; i++)
		section_free(v->sections[i]);
	free(v->sections);
	free(v->name);
	free(v->headline);
	free(v->also);
	free(v->changed);
	free(v->identity);
	free(v);
}
