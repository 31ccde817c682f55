/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looking into a guest's memory. Where the monitor answers it tells where the RAM is and what the
 * vCPUs' registers are; where it does not, or was not to be asked, the process's mappings tell
 * enough to scan for a kernel. The memory itself is read by a sandboxed child, of which this side
 * is the parent: it opens what is read, asks for registers, and keeps what it is told.
 */
#include "collect/inside.h"

#include <errno.h>
#include <fcntl.h>

#include "collect/look.h"
#include "collect/passive.h"
#include "guest/cpus.h"
#include "guest/pages.h"

#define MAX_MAPS (8u << 20)

static void close_fds(struct vh_look *l)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(l->fds); i++)
		if (l->fds[i] >= 0)
			close(l->fds[i]);
}

void vh_look_free(struct vh_look *l)
{
	close_fds(l);
	free(l->registers);
	free(l->maps);
	vh_pages_free(&l->pages);
}

/* --- What is opened ---------------------------------------------------------------------------
 */

static int open_one(pid_t pid, const char *name)
{
	vh_auto_free char *path = vh_asprintf("/proc/%d/%s", (int)pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The process's memory and which of its pages are there; false, and e tells why not. */
static bool open_process(struct vh_look *l, struct vh_evidence *e)
{
	static const char *const names[] = {"mem", "pagemap"};
	const struct vh_identity *id = &l->c->vm->id;

	for (size_t i = 0; i < VH_ARRAY_SIZE(names); i++) {
		l->fds[i] = open_one(id->pid, names[i]);
		if (l->fds[i] < 0) {
			vh_evidence_fail(e, vh_status_of_errno(-l->fds[i]), -l->fds[i],
				"opening the memory of process %d (%s): %s", (int)id->pid, names[i],
				strerror(-l->fds[i]));
			return false;
		}
	}
	/* The pid may have become another process's: what is opened stays what it is. */
	if (!vh_identity_alive(l->host, id)) {
		vh_evidence_fail(e, VH_ABSENT, ESRCH, "the process has ended");
		return false;
	}
	return true;
}

/* Each RAM block costs a question. */
static void ask_ram(struct vh_session *s, struct vh_look *l)
{
	vh_auto_qmp_answer struct vh_qmp_answer a = {0};
	struct vh_mtree tree = {0};
	struct vh_rammap map;

	vh_session_ask_hmp(s, "info mtree -f", -1, &a);
	vh_mtree_parse(&tree, vh_session_text(&a));
	vh_rammap_of_mtree(&map, &tree);
	for (size_t i = 0; vh_rammap_unknown(&map, &i) && vh_session_goes_on(s); i++) {
		vh_auto_qmp_answer struct vh_qmp_answer hva = {0};
		vh_auto_free char *line =
			vh_asprintf("gpa2hva 0x%llx", (unsigned long long)map.pieces[i].ram.gpa.a);
		vh_hva at;

		vh_session_ask_hmp(s, line, -1, &hva);
		if (vh_rammap_hva(vh_session_text(&hva), &at))
			vh_rammap_answer(&map, i, at);
	}
	l->n_ram = vh_rammap_take(&map, l->ram, VH_ARRAY_SIZE(l->ram));
	vh_rammap_free(&map);
	vh_mtree_free(&tree);
}

static char *ask_registers(void *self)
{
	struct vh_look *l = self;
	vh_auto_qmp_answer struct vh_qmp_answer a = {0};

	if (!vh_session_goes_on(l->s))
		return NULL;
	vh_session_ask_hmp(l->s, "info registers -a", -1, &a);
	struct vh_str text = vh_session_text(&a);

	return text.n ? vh_str_dup(text) : NULL;
}

static bool may_ask(struct vh_session *s, const char *source)
{
	return !vh_plan_objection(&s->outlook, vh_plan_find(source, NULL));
}

/* What the monitor tells, as far as it may be asked. */
static void ask(struct vh_look *l)
{
	struct vh_session *s = l->s;

	if (!s || s->outlook.against[VH_NEED_MAIN] || !vh_session_goes_on(s))
		return;
	ask_ram(s, l);
	if (l->n_ram && may_ask(s, "hmp.info-registers"))
		l->registers = ask_registers(l);
}

/* --- Within the sandbox ------------------------------------------------------------------------
 */

static void take_cpus(const struct vh_str text, struct vh_explore_view *out)
{
	if (!text.n)
		return;
	out->cpus = vh_alloc(VH_MAX_CPUS * sizeof(*out->cpus));
	out->n_cpus = vh_cpus_parse(text, out->cpus, VH_MAX_CPUS);
}

static bool open_view(void *self, unsigned n, struct vh_explore_view *out)
{
	struct vh_look *l = self;
	struct vh_ram guess[VH_MAX_RAM];
	size_t n_guess;

	if (l->n_ram) {
		if (n)
			return false;
		out->memory = vh_memory_of_process(l->fds[0], l->fds[1], l->ram, l->n_ram);
		take_cpus(vh_str(l->registers), out);
		return true;
	}
	n_guess = vh_rammap_guess(
		vh_str(l->maps), l->c->vm->memory_bytes, l->c->vm->machine, n, guess, VH_MAX_RAM);
	if (n_guess)
		out->memory = vh_memory_of_process(l->fds[0], l->fds[1], guess, n_guess);
	return n_guess > 0;
}

/* --- One look ---------------------------------------------------------------------------------
 */

/* Reading the list of mappings waits for the process's mmap lock: hence the host's deadline. */
static void read_maps(struct vh_look *l)
{
	vh_auto_reading struct vh_reading r = {0};

	vh_host_read(l->host, MAX_MAPS, &r, "/proc/%d/maps", (int)l->c->vm->id.pid);
	l->maps = r.data ? vh_str_dup((struct vh_str){r.data, r.size}) : NULL;
}

static void keep_inside(struct vh_evidence *e, const struct vh_inside *in)
{
	vh_auto_json struct json_object *o = vh_inside_to_json(in);
	size_t n;
	const char *text = json_object_to_json_string_length(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);

	vh_evidence_set_data(e, text, n);
	vh_replace(&e->attachment, "inside.json");
}

static void keep_pages(struct vh_look *l, enum vh_round round)
{
	vh_auto_buf struct vh_buf bytes = {0};
	size_t left_out;

	if (!l->options.pages || !l->pages.n)
		return;
	struct vh_evidence *e =
		vh_case_add(l->c, round, "guest.pages", NULL, "pages that guest.inside is of");

	vh_pages_write(&l->pages, vh_str(l->registers), &bytes, &left_out);
	vh_evidence_set_data(e, vh_buf_str(&bytes), bytes.len);
	vh_replace(&e->attachment, "pages.bin");
	vh_evidence_set_number(e, "pages", (int64_t)(l->pages.n - left_out));
	if (left_out)
		vh_evidence_fail(e, VH_TRUNCATED, 0, "%zu pages more have no room", left_out);
}

void vh_look_explorer(struct vh_look *l, struct vh_explorer *out)
{
	const struct vh_inside_options *o = &l->options;

	*out = (struct vh_explorer){
		.open = open_view,
		.fds = {l->fds[0], l->fds[1]},
		.n_fds = 2,
		.registers = l->registers ? ask_registers : NULL,
		.self = l,
		.options = o->explore,
		.budget_bytes = o->budget_bytes ? o->budget_bytes : VH_INSIDE_BYTES,
		.deadline_ns = o->deadline_ns ? o->deadline_ns : VH_INSIDE_NS,
		.keep_pages = VH_MIN(o->pages, (size_t)VH_INSIDE_MAX_PAGES),
	};
}

/* Why there is no look at all, as evidence; false where there can be one. */
static bool refused(struct vh_look *l, struct vh_evidence *e)
{
	const struct vh_outlook *o = l->outlook;
	const char *objection = vh_plan_objection(o, vh_plan_find("guest.inside", NULL));

	if (!objection)
		return false;
	if (objection != o->against[VH_NEED_MEMORY]) {
		vh_evidence_fail(e, VH_SKIPPED, 0, "%s", objection);
		return true;
	}
	struct vh_inside *in = vh_inside_new(VH_INSIDE_ENCRYPTED);

	in->why = vh_strdup(objection);
	keep_inside(e, in);
	vh_inside_free(in);
	return true;
}

bool vh_look_begin(struct vh_look *l, struct vh_evidence *e)
{
	if (refused(l, e) || !open_process(l, e))
		return false;
	ask(l);
	if (!l->n_ram) {
		read_maps(l);
		vh_replace(&e->where, "memory of the process, scanned");
	}
	if (l->n_ram || l->maps)
		return true;
	vh_evidence_fail(e, VH_FAILED, 0,
		"neither the monitor nor the process's mappings tell where the guest's memory is");
	return false;
}

void vh_look_take(struct vh_look *l, enum vh_round round)
{
	struct vh_evidence *e = vh_case_add(
		l->c, round, "guest.inside", NULL, "memory of the process; HMP info registers");
	int64_t began_ns = vh_now_ns();
	struct vh_explorer explorer;

	if (vh_look_begin(l, e)) {
		vh_look_explorer(l, &explorer);
		struct vh_inside *in = vh_explorer_run(&explorer, &l->pages);

		keep_inside(e, in);
		vh_inside_free(in);
	}
	e->at_ns = began_ns - l->c->began_ns;
	e->took_ns = vh_now_ns() - began_ns;
	keep_pages(l, round);
}
