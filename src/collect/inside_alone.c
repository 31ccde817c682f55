/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A look inside one VM and at nothing else: for `vmhang inside`. */
#include <errno.h>

#include "collect/look.h"
#include "collect/passive.h"
#include "guest/cpus.h"
#include "guest/pages.h"

struct vh_session *vh_look_session(struct vh_session *s, struct vh_host *host, struct vh_case *c,
	const struct vh_inside_options *options, struct vh_collect_options *collect)
{
	*collect = (struct vh_collect_options){
		.passive = options->passive,
		.step_ns = options->step_ns,
		/* Registers are asked for as long as the look goes on. */
		.monitor_ns = (options->deadline_ns ? options->deadline_ns : VH_INSIDE_NS) +
			      options->explore.folded_ns + VH_MONITOR_NS,
		.no_libvirt = options->no_libvirt,
		.libvirt_uri = options->libvirt_uri,
	};
	vh_collect_threads.collect(host, c, VH_FIRST);
	vh_collect_process.collect(host, c, VH_FIRST);
	vh_session_begin(s, host, c, collect);
	if (options->passive) {
		vh_case_add_skipped(c, VH_ASKED, "qmp.greeting", NULL, "monitor",
			"only passive looks were wanted");
		return NULL;
	}
	/* libvirt's connection is what the monitor may be reached through. */
	if (!s->outlook.against[VH_NEED_CONTACT])
		vh_session_ask_libvirt(s);
	return vh_session_open(s) && vh_session_identify(s) ? s : NULL;
}

static struct vh_inside_options with_folded_time(const struct vh_inside_options *options)
{
	struct vh_inside_options o = *options;

	o.deadline_ns = (o.deadline_ns ? o.deadline_ns : VH_INSIDE_NS) + o.explore.folded_ns;
	return o;
}

struct vh_case *vh_collect_inside(
	struct vh_host *host, const struct vh_vm *vm, const struct vh_inside_options *options)
{
	struct vh_case *c = vh_case_new(vh_vm_copy(vm));
	struct vh_collect_options collect;
	struct vh_session s;

	c->passive = options->passive;
	struct vh_session *asked = vh_look_session(&s, host, c, options, &collect);
	struct vh_look l = VH_LOOK_INIT(.host = host, .c = c, .s = asked, .outlook = &s.outlook,
		.options = with_folded_time(options));

	vh_look_take(&l, options->passive ? VH_LAST : VH_ASKED);
	vh_look_free(&l);
	/* What firmware and boot loaders say stands nowhere else. */
	if (asked && !vh_plan_objection(&s.outlook, vh_plan_find("guest.screen", NULL)) &&
		vh_session_goes_on(&s))
		vh_session_read_screen(&s);
	vh_session_end(&s);
	return c;
}

/* --- Pages that a case kept --------------------------------------------------------------------
 */

bool vh_case_has_pages(const struct vh_case *c)
{
	return vh_case_find_data(c, "guest.pages", NULL, VH_N_ROUND);
}

/* Within the sandbox. */
static bool open_pages(void *self, unsigned n, struct vh_explore_view *out)
{
	const struct vh_pages_view *v = self;

	if (n)
		return false;
	out->memory = vh_memory_of_pages(v->gpa, v->n, v->data);
	if (!v->registers.n)
		return true;
	out->cpus = vh_alloc(VH_MAX_CPUS * sizeof(*out->cpus));
	out->n_cpus = vh_cpus_parse(v->registers, out->cpus, VH_MAX_CPUS);
	return true;
}

struct vh_inside *vh_inside_of_pages(
	const struct vh_case *c, const struct vh_inside_options *options)
{
	const struct vh_evidence *e = vh_case_find_data(c, "guest.pages", NULL, VH_N_ROUND);
	struct vh_pages_view view;
	const char *why;

	if (!vh_pages_parse(vh_evidence_text(e), &view, &why)) {
		struct vh_inside *in = vh_inside_new(VH_INSIDE_UNREADABLE);

		in->why = vh_asprintf("the pages that the case kept cannot be used: %s", why);
		return in;
	}
	struct vh_explorer explorer = {
		.open = open_pages,
		.self = &view,
		.options = options->explore,
		.budget_bytes = options->budget_bytes ? options->budget_bytes : VH_INSIDE_BYTES,
		.deadline_ns = options->deadline_ns ? options->deadline_ns : VH_INSIDE_NS,
	};
	struct vh_inside *in = vh_explorer_run(&explorer, NULL);

	vh_pages_view_free(&view);
	return in;
}
