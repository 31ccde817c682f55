/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/exits_view.h"

#include <inttypes.h>
#include <time.h>

#include "base/clock.h"
#include "base/units.h"

bool vh_exits_is_statistics(const struct vh_exits *e)
{
	return vh_streq(e->backend, "statistics");
}

bool vh_exits_has_reasons(const struct vh_exits *e)
{
	const struct vh_trace_event *exit = vh_exits_event(e, "kvm:kvm_exit");

	if (e->sees_exits)
		return true;
	if (!exit || (exit->state != VH_EVENT_ATTACHED && exit->state != VH_EVENT_SAMPLED))
		return false;
	for (size_t i = 0; i < e->n_vcpus; i++)
		if (e->vcpus[i]->n_keys || vh_exits_share(e->vcpus[i], VH_PLACE_INSIDE, -1) > 0)
			return false;
	return true;
}

double vh_exits_per_second(const struct vh_exits *e, double count)
{
	return e->span_ns > 0 ? count * (double)VH_NS_PER_S / e->span_ns : NAN;
}

/* "pid 4711, all 4 vCPUs, counted by bpf for 1.0 s, nothing lost, 2026-11-22 14:26:56 UTC" */
static char *identity(const struct vh_exits *e, const struct vh_exits_about *about,
	const struct vh_exits_options *o)
{
	vh_auto_buf struct vh_buf out = {0};
	time_t at = (time_t)(about->at_wall_ns / VH_NS_PER_S);
	struct tm tm;
	char text[32] = "";

	if (about->pid)
		vh_buf_printf(&out, "pid %d, ", (int)about->pid);
	if (o->vcpu != VH_ALL_VCPUS)
		vh_buf_printf(&out, "vCPU %d of %zu, ", o->vcpu, e->n_vcpus);
	else
		vh_buf_printf(&out, "%s%zu vCPU%s, ", e->n_vcpus > 1 ? "all " : "", e->n_vcpus,
			e->n_vcpus == 1 ? "" : "s");
	vh_buf_printf(&out, "counted by %s for %s", e->backend ? e->backend : "?",
		vh_duration_text((int64_t)e->span_ns).s);
	if (e->lost)
		vh_buf_printf(&out, ", %" PRIu64 " lost", e->lost);
	else if (!vh_exits_is_statistics(e))
		vh_buf_puts(&out, ", nothing lost");
	if (at > 0 && gmtime_r(&at, &tm) && strftime(text, sizeof(text), "%F %T UTC", &tm))
		vh_buf_printf(&out, ", %s", text);
	return vh_escaped(vh_buf_str(&out));
}

struct vh_exits_view *vh_exits_view(const struct vh_exits *e, const struct vh_exits_about *about,
	const struct vh_exits_options *o)
{
	struct vh_exits_view *view = vh_alloc(sizeof(*view));
	struct vh_exits_merged *m = vh_exits_merge(e, o->vcpu);

	vh_exits_drop_first_halves(m);

	view->v = vh_alloc(sizeof(*view->v));
	view->v->name = vh_escaped(about->name);
	if (m->n_vcpus) {
		view->v->headline = vh_exits_headline(e, m, o);
		if (!vh_exits_is_statistics(e))
			vh_exits_add_split(view->v, e, m, o);
		vh_exits_add_table(view->v, e, m, o);
	} else if (o->vcpu == VH_ALL_VCPUS) {
		view->v->headline = vh_strdup("no vCPU was seen");
	} else {
		view->v->headline = vh_asprintf("there is no vCPU %d", o->vcpu);
	}
	view->v->identity = identity(e, about, o);
	vh_exits_add_notes(view->v, e, o);
	vh_exits_merged_free(m);
	return view;
}

void vh_exits_view_free(struct vh_exits_view *view)
{
	if (!view)
		return;
	vh_view_free(view->v);
	free(view);
}
