/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cuts a text into blocks, and sorts the evidence in them by VM. */
#include "paste/recogniser.h"

#include <stdarg.h>
#include <stdio.h>

#define NOBODY SIZE_MAX
/* Text within answers within answers: no more than an answer of an answer. */
#define MAX_DEPTH 2
/* Further down than this a command's output has ended, whatever comes. */
#define MAX_OUTPUT 2000

struct vh_paste *vh_paste_new(void)
{
	struct vh_paste *p = vh_alloc(sizeof(*p));

	p->recognisers = vh_recognisers;
	p->context = NOBODY;
	p->files = json_object_new_array();
	return p;
}

bool vh_ends_output(const struct vh_paste *p, size_t at)
{
	return at >= p->page->n || vh_is_prompt(p, at) || vh_line_is_rule(vh_at(p, at));
}

struct vh_str vh_command_of(const struct vh_paste *p, size_t at, size_t within)
{
	if (p->base || (p->command.n && at > p->command_at && at - p->command_at <= within))
		return p->command;
	return (struct vh_str){"", 0};
}

unsigned vh_line_number(const struct vh_paste *p, size_t at)
{
	if (p->base)
		return (unsigned)p->base;
	return at < p->page->n ? p->page->lines[at].number
	       : p->page->n    ? p->page->lines[p->page->n - 1].number
			       : 1;
}

/* --- Whom it is about --------------------------------------------------------------------------
 */

static size_t root_of(const struct vh_paste *p, size_t id)
{
	while (id != NOBODY && p->ids[id].same != id)
		id = p->ids[id].same;
	return id;
}

static size_t find_id(const struct vh_paste *p, int64_t pid, struct vh_str name)
{
	for (size_t i = 0; i < p->n_ids; i++)
		if ((pid && p->ids[i].pid == pid) ||
			(name.n && p->ids[i].name && vh_str_is(name, p->ids[i].name)))
			return root_of(p, i);
	return NOBODY;
}

/* What was known of either is known of both from now on. */
static void unite(struct vh_paste *p, size_t a, size_t b)
{
	struct vh_paste_id *to = &p->ids[a], *from = &p->ids[b];

	if (a == b)
		return;
	from->same = a;
	if (!to->pid)
		to->pid = from->pid;
	if (!to->name)
		to->name = vh_strdup(from->name);
	to->libvirt |= from->libvirt;
}

static size_t new_id(struct vh_paste *p)
{
	if (p->n_ids >= VH_PASTE_MAX_VMS) {
		p->overflow = true;
		return NOBODY;
	}
	size_t id = p->n_ids;

	VH_PUSH(p->ids, p->n_ids).same = id;
	return id;
}

void vh_paste_identify(struct vh_paste *p, int64_t pid, struct vh_str name)
{
	struct vh_str no_name = {"", 0};

	if (pid <= 1 && !name.n)
		return;
	pid = pid > 1 ? pid : 0;
	size_t by_pid = pid ? find_id(p, pid, no_name) : NOBODY;
	size_t by_name = name.n ? find_id(p, 0, name) : NOBODY;

	if (by_pid != NOBODY && by_name != NOBODY)
		unite(p, by_pid, by_name);
	size_t id = by_pid != NOBODY ? by_pid : by_name != NOBODY ? by_name : new_id(p);

	if (id == NOBODY)
		return;
	id = root_of(p, id);
	if (pid && !p->ids[id].pid)
		p->ids[id].pid = pid;
	if (name.n && !p->ids[id].name)
		p->ids[id].name = vh_str_dup((struct vh_str){name.s, VH_MIN(name.n, 256)});
	p->context = id;
}

/* --- Evidence ----------------------------------------------------------------------------------
 */

struct vh_evidence *vh_paste_put(struct vh_paste *p, size_t from, size_t n, enum vh_round round,
	const char *source, const char *subject, struct vh_str data)
{
	if (p->n_pieces >= VH_PASTE_MAX_BLOCKS * 4) {
		p->overflow = true;
		return NULL;
	}
	unsigned first = vh_line_number(p, from), last = vh_line_number(p, from + (n ? n - 1 : 0));
	struct vh_evidence *e = vh_alloc(sizeof(*e));

	e->source = vh_strdup(source);
	e->subject = vh_strdup(subject);
	e->where = vh_asprintf("%s:%u", p->page->name, first);
	e->round = round;
	vh_evidence_set_data(e, data.s, VH_MIN(data.n, VH_PASTE_MAX_DATA));
	if (data.n > VH_PASTE_MAX_DATA)
		e->status = VH_TRUNCATED;
	vh_evidence_set_number(e, "line", first);
	vh_evidence_set_number(e, "lines", last - first + 1);
	VH_PUSH(p->pieces, p->n_pieces) = (struct vh_paste_piece){e, p->context};
	return e;
}

struct vh_evidence *vh_paste_put_lines(struct vh_paste *p, size_t from, size_t n,
	enum vh_round round, const char *source, const char *subject)
{
	vh_auto_free char *text = vh_page_text(p->page, from, n);

	return vh_paste_put(p, from, n, round, source, subject, vh_str(text));
}

enum vh_round vh_paste_answer_round(
	const struct vh_paste *p, const char *source, const char *subject)
{
	for (size_t i = p->n_pieces; i-- > 0;)
		if (root_of(p, p->pieces[i].id) == root_of(p, p->context) &&
			vh_streq(p->pieces[i].e->source, source) &&
			vh_streq(p->pieces[i].e->subject, subject))
			return VH_ASKED_AGAIN;
	return VH_ASKED;
}

void vh_paste_note(struct vh_paste *p, size_t from, size_t n, const char *fmt, ...)
{
	static const char *const sure[] = {"name", "command", "shape"};
	struct json_object *rows = vh_json_at(p->index, "blocks", NULL);
	struct json_object *row;
	va_list args;

	if (json_object_array_length(rows) >= VH_PASTE_MAX_BLOCKS) {
		p->overflow = true;
		return;
	}
	va_start(args, fmt);
	vh_auto_free char *what = vh_vasprintf(fmt, args);

	va_end(args);
	vh_auto_free char *shown = vh_escaped(what);

	row = json_object_new_object();
	vh_json_put_i64(row, "from", vh_line_number(p, from));
	vh_json_put_i64(row, "to", vh_line_number(p, from + (n ? n - 1 : 0)));
	vh_json_put_text(row, "by", p->by ? p->by->name : "?");
	vh_json_put_text(row, "sure", sure[p->by ? p->by->sure : VH_SURE_OF_SHAPE]);
	vh_json_put_text(row, "what", shown);
	json_object_array_add(rows, row);
}

/* --- Looking through ---------------------------------------------------------------------------
 */

/* A command that was typed tells whom what follows is about. */
static void take_command(struct vh_paste *p, size_t at)
{
	struct vh_str command = p->page->lines[at].command;
	struct vh_str domain = vh_command_domain(command);

	p->command = command;
	p->command_at = at;
	/* A pid and a domain that one command names need not be the same VM. */
	if (domain.n)
		vh_paste_identify(p, 0, domain);
	if (domain.n && p->context != NOBODY)
		p->ids[p->context].libvirt = true;
	if (!domain.n)
		vh_paste_identify(p, vh_command_pid(command), (struct vh_str){"", 0});
}

static size_t recognise_at(struct vh_paste *p, size_t at)
{
	for (size_t i = 0; p->recognisers[i]; i++) {
		p->by = p->recognisers[i];
		size_t n = p->by->extent(p, at);

		if (!n)
			continue;
		n = VH_MIN(n, p->page->n - at);
		p->by->take(p, at, n);
		return n;
	}
	return 0;
}

static void look_through(struct vh_paste *p, bool *taken)
{
	for (size_t at = 0; at < p->page->n;) {
		size_t n = vh_at(p, at).n ? recognise_at(p, at) : 0;

		if (!n && vh_is_prompt(p, at) && !p->base)
			take_command(p, at);
		for (size_t i = 0; taken && i < n; i++)
			taken[at + i] = true;
		at += VH_MAX(n, 1);
	}
}

void vh_paste_inner(struct vh_paste *p, size_t at, struct vh_str text)
{
	struct vh_page page, *outer = p->page;
	const struct vh_recogniser *by = p->by;
	size_t base = p->base, barren = p->barren;

	if (p->depth >= MAX_DEPTH)
		return;
	vh_page_init(&page, outer->name, text);
	p->base = vh_line_number(p, at);
	p->page = &page;
	p->depth++;
	p->barren = 0;
	look_through(p, NULL);
	p->depth--;
	p->page = outer;
	p->base = base;
	p->barren = barren;
	p->by = by;
	vh_page_free(&page);
}

void vh_paste_add(struct vh_paste *p, const char *name, struct vh_str text)
{
	struct vh_page page;

	vh_page_init(&page, name, text);
	bool *taken = vh_alloc(page.n + 1);

	p->page = &page;
	p->command = (struct vh_str){"", 0};
	p->barren = 0;
	p->index = json_object_new_object();
	vh_json_put_text(p->index, "file", page.name);
	vh_json_put_i64(p->index, "lines", page.n ? page.lines[page.n - 1].number : 0);
	vh_json_put_bool(p->index, "cut", page.cut);
	json_object_object_add(p->index, "blocks", json_object_new_array());
	json_object_object_add(p->index, "unread", json_object_new_array());
	look_through(p, taken);
	vh_paste_unread(p, taken);
	vh_json_put_bool(p->index, "more", p->overflow);
	json_object_array_add(p->files, p->index);
	p->index = NULL;
	p->page = NULL;
	free(taken);
	vh_page_free(&page);
}

/* --- A case a VM -------------------------------------------------------------------------------
 */

/* Evidence in front of the first name is about the one that is named first: people tell whom they
 * talk about sooner or later. */
static void settle_nobody(struct vh_paste *p)
{
	size_t first = NOBODY;

	for (size_t i = 0; i < p->n_pieces && first == NOBODY; i++)
		first = root_of(p, p->pieces[i].id);
	if (first == NOBODY && p->n_ids)
		first = root_of(p, 0);
	if (first == NOBODY && p->n_pieces)
		first = new_id(p);
	for (size_t i = 0; i < p->n_pieces; i++)
		p->pieces[i].id = p->pieces[i].id == NOBODY ? first : root_of(p, p->pieces[i].id);
}

/* A VM with a pid and no name, and one with a name and no pid, in a text with no others: one. */
static void unite_halves(struct vh_paste *p)
{
	size_t with_pid = NOBODY, with_name = NOBODY, n = 0;

	for (size_t i = 0; i < p->n_ids; i++) {
		if (p->ids[i].same != i)
			continue;
		n++;
		if (p->ids[i].pid && !p->ids[i].name)
			with_pid = i;
		else if (p->ids[i].name && !p->ids[i].pid)
			with_name = i;
	}
	if (n == 2 && with_pid != NOBODY && with_name != NOBODY)
		unite(p, with_pid, with_name);
}

/* A command line alone is how a list of processes shows all VMs of a host: no evidence of a hang.
 */
static bool only_lists(const struct vh_paste *p, size_t id)
{
	for (size_t i = 0; i < p->n_pieces; i++)
		if (p->pieces[i].id == id && !vh_streq(p->pieces[i].e->source, "proc.cmdline") &&
			!vh_streq(p->pieces[i].e->source, "pasted.virsh-list"))
			return false;
	return true;
}

static void add_index(const struct vh_paste *p, struct vh_case *c)
{
	for (size_t i = 0; i < json_object_array_length(p->files); i++) {
		struct json_object *index = json_object_array_get_idx(p->files, i);
		const char *name = vh_json_string(index, "file", "");
		struct vh_evidence *e = vh_case_add(c, VH_ONCE, "pasted.index", name, name);
		const char *text = json_object_to_json_string_ext(index, JSON_C_TO_STRING_PLAIN);

		e->at_ns = 0;
		vh_evidence_set_data(e, text, strlen(text));
	}
}

/* What a case of a live VM has and this text has not: so that the report says so. */
static void add_missing(struct vh_case *c)
{
	static const struct {
		const char *source, *or_else[4];
		enum vh_round round;
	} rows[] = {
		{"task.stat", {"pasted.top", "pasted.ps", "task.status"}, VH_LAST},
		{"qmp.query-status",
			{"pasted.hmp-status", "pasted.domstate", "pasted.dominfo",
				"pasted.domstats"},
			VH_ASKED},
		{"hmp.info-registers", {NULL}, VH_ASKED},
		{"trace.exits", {"pasted.perf-kvm-stat", "pasted.trace", "pasted.kvm-stat"},
			VH_LAST},
		{"log.serial", {NULL}, VH_LAST},
		{"log.qemu", {NULL}, VH_LAST},
		{"proc.cmdline", {"libvirt.domain-xml"}, VH_ONCE},
		{"host.kmsg", {NULL}, VH_ONCE},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		bool seen = vh_case_find(c, rows[i].source, NULL, VH_N_ROUND);

		for (size_t k = 0; k < VH_ARRAY_SIZE(rows[i].or_else) && rows[i].or_else[k]; k++)
			seen |= vh_case_find(c, rows[i].or_else[k], NULL, VH_N_ROUND) != NULL;
		if (!seen)
			vh_case_add_skipped(c, rows[i].round, rows[i].source, "", "pasted text",
				"not in the text");
	}
}

static struct vh_case *case_of(struct vh_paste *p, size_t id)
{
	struct vh_vm *vm = vh_vm_new();

	vm->id.pid = (pid_t)p->ids[id].pid;
	vm->name = vh_strdup(p->ids[id].name);
	vm->libvirt.managed = p->ids[id].libvirt;
	struct vh_case *c = vh_case_new(vm);

	c->began_wall_ns = 0;
	c->began_ns = 0;
	for (size_t i = 0; i < p->n_pieces; i++)
		if (p->pieces[i].id == id && p->pieces[i].e) {
			vh_case_take(c, p->pieces[i].e);
			p->pieces[i].e = NULL;
		}
	vh_paste_describe(vm, c);
	add_index(p, c);
	add_missing(c);
	for (size_t i = 0; i < c->n_evidence; i++)
		c->evidence[i]->at_ns = c->evidence[i]->took_ns = 0;
	return c;
}

static void tell_others(struct vh_case *const *cases, size_t n, size_t left_out)
{
	for (size_t i = 0; n + left_out > 1 && i < n; i++) {
		vh_auto_free char *note = NULL;
		struct vh_evidence *e;

		if (left_out && n > 1)
			note = vh_asprintf("the text is about %zu VMs, each with a report of its "
					   "own, and names %zu more, of which it shows nothing",
				n, left_out);
		else if (left_out)
			note = vh_asprintf(
				"the text names %zu more VM%s, of which it shows nothing", left_out,
				left_out == 1 ? "" : "s");
		else
			note = vh_asprintf(
				"the text is about %zu VMs, each with a report of its own", n);
		e = vh_case_add(cases[i], VH_ONCE, "vmhang.note", "", "pasted text");
		e->at_ns = 0;
		vh_evidence_set_data(e, note, strlen(note));
	}
}

static void paste_free(struct vh_paste *p)
{
	for (size_t i = 0; i < p->n_pieces; i++)
		vh_evidence_free(p->pieces[i].e);
	for (size_t i = 0; i < p->n_ids; i++)
		free(p->ids[i].name);
	free(p->ids);
	free(p->pieces);
	free(p->executed);
	json_object_put(p->files);
	json_object_put(p->ids_asked);
	free(p);
}

struct vh_case **vh_paste_finish(struct vh_paste *p, size_t *n)
{
	struct vh_case **cases = NULL;
	size_t left_out = 0, lists = 0;

	*n = 0;
	unite_halves(p);
	settle_nobody(p);
	for (int with_lists = 0; with_lists < 2 && !*n; with_lists++)
		for (size_t i = 0; i < p->n_ids; i++) {
			bool some = false;

			for (size_t k = 0; k < p->n_pieces && !some; k++)
				some = p->pieces[k].e && p->pieces[k].id == i;
			if (!some)
				continue;
			if (!with_lists && only_lists(p, i)) {
				lists++;
				continue;
			}
			VH_PUSH(cases, *n) = case_of(p, i);
		}
	left_out = *n && lists < p->n_ids ? lists : 0;
	tell_others(cases, *n, left_out);
	paste_free(p);
	return cases;
}
