/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was found inside the guest, in a report: a summary as JSON, and with --verbose the text. */
#include "decode/insight.h"
#include "report/inside.h"
#include "report/json.h"
#include "report/view.h"

#define LOG_LINES 20

static struct json_object *vcpu(const struct vh_inside_vcpu *v)
{
	struct json_object *o = json_object_new_object();
	const struct vh_frame *f = vh_inside_spin_frame(&v->stack);

	vh_report_put_known(o, "index", v->index);
	vh_json_put_text(o, "doing", vh_doing_name(vh_inside_doing(v)));
	vh_report_put_known(o, "pid", v->pid);
	vh_report_put(o, "comm", v->comm);
	vh_report_put(o, "function", f ? f->symbol : NULL);
	vh_report_put(o, "module", f ? f->module : NULL);
	vh_json_put_bool(o, "irqs_on", v->irqs_on);
	return o;
}

struct json_object *vh_report_inside(const struct vh_inside *in)
{
	if (!in)
		return NULL;
	vh_auto_free char *headline = vh_inside_headline(in);
	struct json_object *o = json_object_new_object();
	struct json_object *vcpus = json_object_new_array();
	int64_t blocked = 0;

	for (size_t i = 0; i < in->n_tasks; i++)
		blocked += in->tasks[i].state == 'D';
	vh_json_put_text(o, "outcome", vh_inside_outcome_name(in->outcome));
	vh_json_put_text(o, "headline", headline);
	vh_report_put(o, "release", in->kernel.release);
	vh_report_put_known(o, "uptime_ns", in->kernel.uptime_ns);
	vh_report_put_known(o, "tasks", in->has_tasks ? (int64_t)in->n_tasks : -1);
	vh_report_put_known(o, "tasks_in_d", in->has_tasks ? blocked : -1);
	vh_json_put_u64(o, "log_records", in->n_dmesg);
	for (size_t i = 0; i < in->n_vcpus; i++)
		json_object_array_add(vcpus, vcpu(&in->vcpus[i]));
	json_object_object_add(o, "vcpus", vcpus);
	return o;
}

void vh_view_add_inside(struct vh_view *v, const struct vh_report *r)
{
	const struct vh_inside_show show = {
		.name = "guest", .stacks = true, .dmesg = LOG_LINES, .width = VH_DEFAULT_WIDTH};
	vh_auto_buf struct vh_buf text = {0};
	struct vh_str rest, line;

	if (!r->model->inside)
		return;
	vh_inside_text(r->model->inside, &show, &text);

	struct vh_view_section *s = vh_view_add(v, "inside", VH_VIEW_LINES, "Inside the guest");

	rest = (struct vh_str){text.data, text.len};
	while (vh_next_line(&rest, &line))
		vh_view_line(s, "%.*s", (int)line.n, line.s);
}
