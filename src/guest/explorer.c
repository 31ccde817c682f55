/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/explorer.h"

#include <errno.h>

#include "guest/cpus.h"

/* What goes over the wire. */
enum {
	WANT_REGISTERS = 1, /* from within: no data */
	REGISTERS,          /* the answer: text; empty: no more */
	INSIDE,             /* the result as JSON */
	PAGES,              /* before it: number, addresses, bytes */
	RECORDS,            /* of a log that is followed: JSON */
	MORE,               /* the answer: no data; anything else ends it */
};

#define MAX_KEPT_PAGES 16384u /* 64 MiB */
/* Behind its deadline the reader has this long to say what it found until then. */
#define GRACE_NS (250 * VH_NS_PER_MS)
/* Something else than JSON may be there: the pages, and what each is. */
#define MAX_FRAME (MAX_KEPT_PAGES * (size_t)(VH_GUEST_PAGE + 8) + 8)

/* --- Within the sandbox ------------------------------------------------------------------------
 */

struct within {
	const struct vh_explorer *e;
	int wire;
	struct vh_memory *memory;                 /* of the view that is looked at */
	const struct vh_explorer_records *follow; /* NULL: one look */
	struct vh_deadline deadline;
};

static bool read_registers(void *self, struct vh_cpu *cpus, size_t n)
{
	struct within *w = self;
	uint32_t kind;
	size_t size;

	if (!vh_sandbox_put(w->wire, WANT_REGISTERS, "", 0))
		return false;
	vh_auto_free char *text = vh_sandbox_get(w->wire, &kind, &size, VH_MAX_CPUS_TEXT);

	if (!text || kind != REGISTERS || !size)
		return false;
	vh_auto_free struct vh_cpu *now = vh_alloc(n * sizeof(*now));

	if (vh_cpus_parse((struct vh_str){text, size}, now, n) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (now[i].index != cpus[i].index || !vh_cpu_valid(&now[i]))
			return false;
	memcpy(cpus, now, n * sizeof(*now));
	return true;
}

/* A log may be longer than a frame: its newest half, and so on. */
static void halve_log(struct vh_inside *in)
{
	size_t cut = in->n_dmesg - in->n_dmesg / 2;

	vh_inside_note(
		in, "the %zu oldest records of the log are left out: all of it is too long", cut);
	in->dmesg_lost += cut;
	for (size_t i = 0; i < cut; i++)
		free(in->dmesg[i].text);
	memmove(in->dmesg, in->dmesg + cut, (in->n_dmesg - cut) * sizeof(*in->dmesg));
	in->n_dmesg -= cut;
}

static bool put_inside(int wire, uint32_t kind, struct vh_inside *in)
{
	for (;;) {
		size_t n;
		vh_auto_json struct json_object *o = vh_inside_to_json(in);
		const char *text = json_object_to_json_string_length(
			o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);

		if (n <= VH_INSIDE_MAX_JSON || !in->n_dmesg)
			return vh_sandbox_put(wire, kind, text, VH_MIN(n, VH_INSIDE_MAX_JSON));
		halve_log(in);
	}
}

static void put_pages(const struct within *w, const struct vh_inside *in)
{
	struct vh_pages kept;
	vh_auto_buf struct vh_buf frame = {0};
	uint64_t n;

	vh_memory_take_kept(w->memory, &kept);
	vh_secrets_hide(in->secrets, kept.data, kept.n * VH_GUEST_PAGE);
	n = kept.n;
	vh_buf_add(&frame, &n, sizeof(n));
	vh_buf_add(&frame, kept.gpa, kept.n * sizeof(*kept.gpa));
	vh_buf_add(&frame, kept.data, kept.n * VH_GUEST_PAGE);
	vh_sandbox_put(w->wire, PAGES, vh_buf_str(&frame), frame.len);
	vh_pages_free(&kept);
}

static struct vh_explore_input input_of(struct within *w, const struct vh_explore_view *view)
{
	w->memory = view->memory;
	vh_memory_set_budget(view->memory, w->e->budget_bytes, w->deadline);
	if (w->e->keep_pages)
		vh_memory_keep_pages(
			view->memory, VH_MIN(w->e->keep_pages, (size_t)MAX_KEPT_PAGES));
	return (struct vh_explore_input){
		.memory = view->memory,
		.cpus = view->cpus,
		.n_cpus = view->n_cpus,
		.sample = w->e->registers ? read_registers : NULL,
		.self = w,
	};
}

static bool is_linux(const struct vh_inside *in)
{
	return in->outcome == VH_INSIDE_LINUX || in->outcome == VH_INSIDE_EARLY_LINUX;
}

static struct vh_inside *nothing_in(const struct vh_explore_view *view)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_UNREADABLE);

	in->why = vh_strdup(view->why ? view->why : "there is no memory to look at");
	return in;
}

static struct vh_inside *nowhere(void)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_UNREADABLE);

	in->why = vh_strdup("the guest's memory was not found in the VMM's");
	return in;
}

static struct vh_inside *look_at(struct within *w, struct vh_explore_view *view)
{
	struct vh_inside *in;

	if (view->memory) {
		struct vh_explore_input input = input_of(w, view);

		in = vh_explore(&input, &w->e->options);
	} else {
		in = nothing_in(view);
	}
	if (view->note)
		vh_inside_note(in, "%s", view->note);
	return in;
}

static void view_free(struct vh_explore_view *view)
{
	vh_memory_free(view->memory);
	free(view->cpus);
	free(view->why);
	free(view->note);
}

static void run_once(void *self, int wire)
{
	struct within *w = self;
	struct vh_explore_view view = {0};
	struct vh_inside *in = NULL;

	w->wire = wire;
	for (unsigned n = 0; !in || !is_linux(in); n++) {
		struct vh_explore_view next = {0};

		if (in && vh_deadline_passed(w->deadline))
			break;
		if (!w->e->open(w->e->self, n, &next))
			break;
		/* What the likeliest look tells is told, where none finds Linux. */
		struct vh_inside *found = look_at(w, &next);

		if (in && !is_linux(found)) {
			vh_inside_free(found);
			view_free(&next);
			continue;
		}
		vh_inside_free(in);
		view_free(&view);
		in = found;
		view = next;
	}
	in = in ? in : nowhere();
	if (view.memory && w->e->keep_pages) {
		w->memory = view.memory;
		put_pages(w, in);
	}
	put_inside(wire, INSIDE, in);
	vh_inside_free(in);
	view_free(&view);
}

static void renew(void *self)
{
	struct within *w = self;

	vh_memory_set_budget(w->memory, vh_memory_used(w->memory).bytes + w->e->budget_bytes,
		vh_deadline_in(w->e->deadline_ns));
}

static bool emit(void *self, const struct vh_inside *in)
{
	struct within *w = self;
	uint32_t kind;
	size_t n;

	/* Its log may have to be cut, which only we know of. */
	if (!put_inside(w->wire, RECORDS, (struct vh_inside *)in))
		return false;
	vh_auto_free char *answer = vh_sandbox_get(w->wire, &kind, &n, 0);

	return answer && kind == MORE;
}

/* NULL: a kernel was followed; else why none was found. */
static struct vh_inside *follow_view(struct within *w, struct vh_explore_view *view)
{
	struct vh_explore_follow follow = {
		w->follow->interval_ns, w->follow->stands_ns, renew, emit, w};
	struct vh_explore_input input;

	if (!view->memory)
		return nothing_in(view);
	input = input_of(w, view);
	return vh_explore_follow(&input, &w->e->options, &follow);
}

static void run_follow(void *self, int wire)
{
	struct within *w = self;
	struct vh_inside *in = NULL;

	w->wire = wire;
	for (unsigned n = 0; !in || !vh_deadline_passed(w->deadline); n++) {
		struct vh_explore_view view = {0};

		if (!w->e->open(w->e->self, n, &view))
			break;
		struct vh_inside *found = follow_view(w, &view);

		view_free(&view);
		if (!found) {
			vh_inside_free(in);
			return;
		}
		/* What the likeliest look tells is told. */
		if (in)
			vh_inside_free(found);
		else
			in = found;
	}
	in = in ? in : nowhere();
	put_inside(wire, RECORDS, in);
	vh_inside_free(in);
}

/* --- Outside ----------------------------------------------------------------------------------
 */

static struct vh_inside *gave_up(const char *fmt, ...) VH_PRINTF(1, 2);
static struct vh_inside *gave_up(const char *fmt, ...)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_GAVE_UP);
	va_list args;

	va_start(args, fmt);
	vh_auto_free char *what = vh_vasprintf(fmt, args);

	va_end(args);
	in->why = vh_asprintf("the sandboxed reader of guest memory %s", what);
	return in;
}

static struct vh_inside *no_answer(struct vh_sandbox *s, int err, int64_t waited_ns)
{
	vh_auto_free char *how = vh_sandbox_end(s);

	if (err == -ETIMEDOUT)
		return gave_up("did not answer within %.1f s", (double)waited_ns / VH_NS_PER_S);
	if (err == -EMSGSIZE)
		return gave_up("wanted to say more than it may");
	return gave_up("did not answer: %s", how);
}

/* NULL and *why where it is none. */
static struct vh_inside *parse_inside(const char *data, size_t n, char **why)
{
	struct vh_error *err = NULL;
	struct vh_inside *in = vh_inside_parse((struct vh_str){data, n}, &err);

	*why = vh_strdup(err ? err->message : NULL);
	vh_error_free(err);
	return in;
}

static bool take_pages(const char *data, size_t n, struct vh_pages *out)
{
	uint64_t pages, last = 0;

	if (n < sizeof(pages))
		return false;
	memcpy(&pages, data, sizeof(pages));
	if (pages > MAX_KEPT_PAGES || n != 8 + pages * (8 + VH_GUEST_PAGE))
		return false;
	vh_pages_free(out);
	out->n = (size_t)pages;
	out->gpa = vh_alloc((out->n + 1) * sizeof(*out->gpa));
	out->data = vh_alloc(out->n * VH_GUEST_PAGE + 1);
	memcpy(out->gpa, data + 8, out->n * 8);
	memcpy(out->data, data + 8 + out->n * 8, out->n * VH_GUEST_PAGE);
	for (size_t i = 0; i < out->n; i++) {
		if (out->gpa[i].a % VH_GUEST_PAGE || (i && out->gpa[i].a <= last))
			return false;
		last = out->gpa[i].a;
	}
	return true;
}

static int answer_registers(
	const struct vh_explorer *e, struct vh_sandbox *s, struct vh_deadline deadline)
{
	vh_auto_free char *text = e->registers ? e->registers(e->self) : NULL;
	size_t n = text ? strlen(text) : 0;

	return vh_sandbox_send(
		s, REGISTERS, text ? text : "", n <= VH_MAX_CPUS_TEXT ? n : 0, deadline);
}

struct outside {
	const struct vh_explorer *e;
	struct vh_sandbox s;
	int64_t began_ns;
};

static struct vh_inside *begin(
	struct outside *o, struct within *w, void (*run)(void *self, int wire))
{
	struct vh_sandbox_plan plan = {.run = run, .self = w, .n_fds = o->e->n_fds};
	vh_auto_error struct vh_error *err = NULL;

	/* Following goes on for days. */
	plan.cpu_ns = w->follow ? INT64_MAX / 2 : o->e->deadline_ns + 2 * VH_NS_PER_S;
	memcpy(plan.fds, o->e->fds, sizeof(plan.fds));
	o->began_ns = vh_now_ns();
	err = vh_sandbox_start(&plan, &o->s);
	if (!err)
		return NULL;
	struct vh_inside *in = vh_inside_new(VH_INSIDE_GAVE_UP);

	in->why = vh_strdup(err->message);
	return in;
}

/* The next frame that is not a question for registers. */
static struct vh_inside *next_frame(
	struct outside *o, struct vh_deadline deadline, uint32_t *kind, char **data, size_t *n)
{
	for (;;) {
		int err = vh_sandbox_receive(&o->s, kind, data, n,
			VH_MAX(MAX_FRAME, (size_t)VH_INSIDE_MAX_JSON), deadline);

		if (!err && *kind == WANT_REGISTERS) {
			free(*data);
			*data = NULL;
			err = answer_registers(o->e, &o->s, deadline);
			if (!err)
				continue;
		}
		if (err)
			return no_answer(&o->s, err, vh_now_ns() - o->began_ns);
		return NULL;
	}
}

/* What a frame of JSON says, where it is that and of that kind. */
static struct vh_inside *checked(
	uint32_t wanted, uint32_t kind, const char *data, size_t n, bool *valid)
{
	vh_auto_free char *why = NULL;
	struct vh_inside *in = NULL;

	*valid = false;
	if (kind != wanted || n > VH_INSIDE_MAX_JSON)
		return gave_up("said what was not asked for (frame of kind %u)", kind);
	in = parse_inside(data, n, &why);
	if (!in)
		return gave_up("said what is not valid: %s", why ? why : "no JSON");
	*valid = true;
	return in;
}

struct vh_inside *vh_explorer_run(const struct vh_explorer *e, struct vh_pages *pages)
{
	struct within w = {.e = e, .deadline = vh_deadline_in(e->deadline_ns)};
	struct outside o = {.e = e};
	struct vh_deadline deadline = vh_deadline_in(e->deadline_ns + GRACE_NS);
	vh_auto_free char *data = NULL;
	uint32_t kind = 0;
	size_t n = 0;
	bool valid;
	struct vh_inside *in = begin(&o, &w, run_once);

	if (pages)
		*pages = (struct vh_pages){0};
	if (!in)
		in = next_frame(&o, deadline, &kind, &data, &n);
	if (!in && kind == PAGES && pages) {
		bool taken = take_pages(data, n, pages);

		free(data);
		data = NULL;
		if (!taken) {
			vh_pages_free(pages);
			in = gave_up("said what is not valid: pages in disorder");
		} else
			in = next_frame(&o, deadline, &kind, &data, &n);
	}
	if (!in)
		in = checked(INSIDE, kind, data, n, &valid);
	free(vh_sandbox_end(&o.s));
	return in;
}

struct vh_inside *vh_explorer_follow(
	const struct vh_explorer *e, const struct vh_explorer_records *to)
{
	struct within w = {.e = e, .deadline = vh_deadline_in(e->deadline_ns), .follow = to};
	struct outside o = {.e = e};
	struct vh_inside *in = begin(&o, &w, run_follow);
	bool goes_on = !in;

	while (goes_on) {
		struct vh_deadline deadline =
			vh_deadline_in(to->interval_ns + e->deadline_ns + GRACE_NS);
		vh_auto_free char *data = NULL;
		uint32_t kind = 0;
		size_t n = 0;
		bool valid = false;

		vh_inside_free(in);
		in = next_frame(&o, deadline, &kind, &data, &n);
		if (!in)
			in = checked(RECORDS, kind, data, n, &valid);
		goes_on = valid && is_linux(in) && to->records(to->self, in) &&
			  vh_sandbox_send(&o.s, MORE, "", 0, deadline) == 0;
	}
	free(vh_sandbox_end(&o.s));
	return in;
}
