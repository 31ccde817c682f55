/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/explore.h"

#include "guest/cpus.h"
#include "guest/kernel_watch.h"
#include "guest/modules.h"
#include "guest/printk.h"
#include "guest/tasks.h"

/* What the registers alone tell. */
static void add_vcpus(const struct vh_explore_input *input, struct vh_inside *in)
{
	in->n_vcpus = input->n_cpus;
	in->vcpus = vh_alloc((in->n_vcpus + 1) * sizeof(*in->vcpus));
	for (size_t i = 0; i < in->n_vcpus; i++) {
		const struct vh_cpu *c = &input->cpus[i];
		struct vh_inside_vcpu *v = &in->vcpus[i];

		*v = (struct vh_inside_vcpu){
			.index = c->index,
			.pid = -1,
			.tgid = -1,
			.nr_running = -1,
			.clock_lag_ns = -1,
			.lock = {.holder_pid = -1},
		};
		v->rip = vh_cpu_place(c).ip;
		if (c->is_arm) {
			v->arch = VH_ARCH_ARM64;
			v->cpl = vh_arm_el(&c->arm) ? 0 : 3;
			v->irqs_on = vh_arm_irqs_on(&c->arm);
			v->halted_unknown = true;
			continue;
		}
		v->stage = vh_stage_of(&c->x86);
		v->cpl = c->x86.cpl;
		v->irqs_on = vh_registers_if(&c->x86);
		v->halted = c->x86.hlt;
		v->halted_unknown = c->x86.hlt_unknown;
	}
}

static void read_log(struct vh_kernel *k, uint64_t from, struct vh_inside *in)
{
	struct vh_step step = vh_step_begin(vh_space_memory(k->space));

	vh_printk_read(k, from, in);
	if (!k->secrets)
		vh_kernel_describe_by_log(k, in);
	/* The log begins with the command line. */
	for (size_t i = 0; i < in->n_dmesg; i++)
		vh_secrets_hide(k->secrets, in->dmesg[i].text, in->dmesg[i].n);
	vh_step_end(in, "dmesg", vh_space_memory(k->space), step);
}

static void read_tasks(struct vh_kernel *k, struct vh_inside *in)
{
	struct vh_step step = vh_step_begin(vh_space_memory(k->space));

	vh_tasks_read(k, in);
	vh_step_end(in, "tasks", vh_space_memory(k->space), step);
}

static void read_vcpus(struct vh_kernel *k, const struct vh_explore_input *input,
	const struct vh_explore_options *options, struct vh_inside *in)
{
	struct vh_step step = vh_step_begin(input->memory);

	vh_explore_vcpus(k, input, options, in);
	vh_step_end(in, "vcpus", input->memory, step);
}

static void describe(struct vh_kernel *k, struct vh_inside *in)
{
	struct vh_step step = vh_step_begin(vh_space_memory(k->space));

	vh_kernel_describe(k, in);
	if (k->modules)
		vh_modules_list(k->modules, in);
	vh_step_end(in, "describe", vh_space_memory(k->space), step);
}

static void look_into(struct vh_kernel *k, const struct vh_explore_input *input,
	const struct vh_explore_options *options, struct vh_inside *in)
{
	describe(k, in);
	/* The log first: it is the best there is, should the time not do for all. */
	if (options->dmesg)
		read_log(k, options->dmesg_from, in);
	if (options->vcpus && input->n_cpus)
		read_vcpus(k, input, options, in);
	if (options->tasks)
		read_tasks(k, in);
	if (options->folded_ns && input->n_cpus)
		vh_explore_fold(k, input, options, in);
}

static void finish(struct vh_memory *m, int64_t began_ns, struct vh_inside *in)
{
	struct vh_memory_use use = vh_memory_used(m);

	in->bytes = use.bytes;
	in->reads = use.reads;
	in->absent = use.absent;
	in->took_ns = vh_now_ns() - began_ns;
	if (use.out_of_bytes)
		vh_inside_note(in,
			"the look ended early: the budget of guest memory that may be read is used "
			"up");
	if (use.out_of_time)
		vh_inside_note(in, "the look ended early: its time is used up");
}

struct vh_inside *vh_explore(
	const struct vh_explore_input *input, const struct vh_explore_options *options)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_UNREADABLE);
	struct vh_kernel_options kernel = options->kernel;
	struct vh_kernel k = {0};
	int64_t began_ns = vh_now_ns();

	kernel.only_log = !options->vcpus && !options->tasks && !options->folded_ns;
	add_vcpus(input, in);
	if (vh_kernel_find(input->memory, input->cpus, input->n_cpus, &kernel, in, &k)) {
		look_into(&k, input, options, in);
		in->secrets = k.secrets;
		k.secrets = NULL;
		vh_kernel_close(&k);
	}
	finish(input->memory, began_ns, in);
	return in;
}

/* --- Following the log ------------------------------------------------------------------------
 */

/* The unfinished record at the end is told once it is complete: what follows begins behind the last
 * one that is. */
static uint64_t next_seq(const struct vh_inside *in, uint64_t from)
{
	for (size_t i = 0; i < in->n_dmesg; i++)
		if (in->dmesg[i].complete && in->dmesg[i].seq >= from)
			from = in->dmesg[i].seq + 1;
	return from;
}

static void drop_unfinished(struct vh_inside *in)
{
	while (in->n_dmesg && !in->dmesg[in->n_dmesg - 1].complete)
		free(in->dmesg[--in->n_dmesg].text);
}

/* What is new since from, which goes on; or that there is no such kernel any more. */
static void follow_on(struct vh_kernel *k, struct vh_kernel_watch *watch, int64_t stands_ns,
	uint64_t *from, struct vh_inside *in)
{
	const char *lost = vh_kernel_watch_look(watch, k, *from, stands_ns);

	if (lost) {
		in->outcome = VH_INSIDE_NO_LINUX;
		vh_replace(&in->why, lost);
		return;
	}
	read_log(k, *from, in);
	drop_unfinished(in);
	*from = next_seq(in, *from);
}

struct vh_inside *vh_explore_follow(const struct vh_explore_input *input,
	const struct vh_explore_options *options, const struct vh_explore_follow *follow)
{
	struct vh_kernel_options kernel = options->kernel;
	struct vh_kernel k = {0};
	struct vh_kernel_watch watch;
	uint64_t from = options->dmesg_from;
	int64_t next_ns = vh_now_ns();
	struct vh_inside *in = vh_inside_new(VH_INSIDE_UNREADABLE);

	add_vcpus(input, in);
	kernel.only_log = true;
	if (!vh_kernel_find(input->memory, input->cpus, input->n_cpus, &kernel, in, &k))
		return in;
	describe(&k, in);
	vh_kernel_watch_begin(&watch, &k);
	for (bool goes_on = true; goes_on;) {
		int64_t began_ns = vh_now_ns();

		follow_on(&k, &watch, follow->stands_ns, &from, in);
		finish(input->memory, began_ns, in);
		goes_on = follow->emit(follow->self, in) && in->outcome != VH_INSIDE_NO_LINUX;
		vh_inside_free(in);
		in = vh_inside_new(VH_INSIDE_LINUX);
		next_ns += follow->interval_ns;
		if (goes_on)
			vh_sleep_until_ns(next_ns);
		follow->renew(follow->self);
	}
	vh_inside_free(in);
	vh_kernel_close(&k);
	return NULL;
}
