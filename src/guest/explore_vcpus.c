/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Backtraces of vCPUs that may run while their stacks are read: the stack is copied in one read,
 * then the registers are read again. Where the vCPU is still in the same function, with the same
 * stack and frame pointer in the same address space, the copy is of what the first registers
 * belong to ("steady"); else it is tried again at once, some times.
 */
#include <json-c/linkhash.h>

#include "guest/cpus.h"
#include "guest/explore.h"
#include "guest/tasks.h"
#include "guest/unwind.h"

/* Times that registers are read again for one sample of vCPUs that move. */
#define TRIES 3u
/* A task's stack is 16 KiB (32 with KASAN). */
#define STACK_BYTES (32u << 10)

struct vcpu_look {
	struct vh_cpu before, first; /* of this sample, and of the first one */
	struct vh_space *space; /* its own, with the copy of its stack; NULL: not in the kernel */
	bool done;              /* in this sample */
};

struct look {
	struct vh_kernel *k;
	const struct vh_explore_input *input;
	struct vh_inside *in;
	struct vcpu_look *vcpus;
	struct vh_cpu *best; /* registers of the backtrace that was kept */
	bool *has_best;
};

/* An address in the upper half. */
static bool in_kernel(const struct vh_cpu *c)
{
	if (c->is_arm)
		return vh_arm_el(&c->arm) > 0 && c->arm.pc >> 63;
	return c->x86.valid && c->x86.cpl == 0 && vh_cpu_place(c).ip >> 63;
}

/* Its own address space where its tables map the kernel too: not in the user half that a kernel
 * with PTI enters with. */
static struct vh_space *space_of(const struct vh_kernel *k, const struct vh_cpu *c)
{
	struct vh_mapping m;
	struct vh_root root = *vh_space_root(k->space);
	struct vh_space *s;

	if (!c->is_arm)
		root = vh_root_of_x86(c->x86.cr3, c->x86.cr4);
	s = vh_space_new(vh_space_memory(k->space), &root);
	if (!vh_space_translate(s, vh_cpu_place(c).ip, &m) &&
		!vh_space_translate(s, vh_cpu_place(c).sp, &m))
		return s;
	vh_space_free(s);
	return vh_space_new(vh_space_memory(k->space), vh_space_root(k->space));
}

static void copy_stacks(struct look *l)
{
	for (size_t i = 0; i < l->input->n_cpus; i++) {
		struct vcpu_look *v = &l->vcpus[i];

		if (v->done)
			continue;
		vh_space_free(v->space);
		v->before = l->input->cpus[i];
		v->space = in_kernel(&v->before) ? space_of(l->k, &v->before) : NULL;
		if (v->space)
			vh_space_freeze(
				v->space, vh_cpu_place(&v->before).sp & ~UINT64_C(7), STACK_BYTES);
	}
}

static bool same_function(const struct vh_kernel *k, uint64_t a, uint64_t b)
{
	struct vh_frame x = {0}, y = {0};
	bool same = a == b;

	if (!same) {
		vh_kernel_name(k, a, &x);
		vh_kernel_name(k, b, &y);
		same = x.symbol && y.symbol && a - x.offset == b - y.offset;
		free(x.symbol);
		free(x.module);
		free(y.symbol);
		free(y.module);
	}
	return same;
}

/* As far as a loop goes: what it calls returns to where it is. */
static bool same_place(const struct vh_kernel *k, const struct vh_cpu *a, const struct vh_cpu *b)
{
	struct vh_cpu_place x = vh_cpu_place(a), y = vh_cpu_place(b);

	return x.sp == y.sp && x.root == y.root && same_function(k, x.ip, y.ip);
}

static bool is_steady(const struct vh_kernel *k, const struct vh_cpu *a, const struct vh_cpu *b)
{
	struct vh_cpu_place x = vh_cpu_place(a), y = vh_cpu_place(b);

	return x.sp == y.sp && x.bp == y.bp && x.root == y.root && same_function(k, x.ip, y.ip);
}

/* In user space: where, and no more. */
static void user_stack(const struct vh_cpu *c, struct vh_backtrace *out)
{
	struct vh_cpu_place at = vh_cpu_place(c);

	*out = (struct vh_backtrace){0};
	VH_PUSH(out->frames, out->n) =
		(struct vh_frame){.kind = VH_FRAME_USER, .ip = at.ip, .sp = at.sp};
}

static void unwind(struct look *l, size_t i, struct vh_backtrace *out)
{
	const struct vcpu_look *v = &l->vcpus[i];
	struct vh_cpu_place at = vh_cpu_place(&v->before);
	struct vh_unwind_from from = {.ip = at.ip,
		.sp = at.sp,
		.bp = at.bp,
		.all = v->before.is_arm ? NULL : &v->before.x86,
		.arm = v->before.is_arm ? &v->before.arm : NULL,
		.space = v->space};

	*out = (struct vh_backtrace){0};
	if (v->space)
		vh_unwind(l->k, &from, out);
	else if (vh_cpu_valid(&v->before))
		user_stack(&v->before, out);
}

static void keep_state(struct vh_inside_vcpu *v, const struct vh_cpu *c)
{
	v->rip = vh_cpu_place(c).ip;
	if (c->is_arm) {
		v->cpl = vh_arm_el(&c->arm) ? 0 : 3;
		v->irqs_on = vh_arm_irqs_on(&c->arm);
		v->halted_unknown = true;
		return;
	}
	v->cpl = c->x86.cpl;
	v->irqs_on = vh_registers_if(&c->x86);
	v->halted = c->x86.hlt;
	v->halted_unknown = c->x86.hlt_unknown;
	v->stage = vh_stage_of(&c->x86);
}

/* The first backtrace that is steady is kept, else the newest. */
static void take(struct look *l, size_t i, bool steady)
{
	struct vh_inside_vcpu *v = &l->in->vcpus[i];
	const struct vh_cpu *c = &l->vcpus[i].before;

	if (!v->samples)
		l->vcpus[i].first = *c;
	v->same_rip = v->samples == 0 || (v->same_rip && v->rip == vh_cpu_place(c).ip);
	v->same_place =
		v->samples == 0 || (v->same_place && same_place(l->k, &l->vcpus[i].first, c));
	if (!l->has_best[i]) {
		vh_backtrace_free(&v->stack);
		unwind(l, i, &v->stack);
		keep_state(v, c);
		l->best[i] = *c;
		l->has_best[i] = steady;
	}
	v->samples++;
	v->steady += steady;
}

static bool sample_again(const struct look *l)
{
	return l->input->sample &&
	       l->input->sample(l->input->self, l->input->cpus, l->input->n_cpus);
}

/* One sample of all vCPUs; false: there are no registers to be had any more. */
static bool sample(struct look *l)
{
	size_t n = l->input->n_cpus, left = n;

	for (size_t i = 0; i < n; i++)
		l->vcpus[i].done = false;
	for (unsigned try = 1; left; try++) {
		copy_stacks(l);
		/* What does not change is of one moment. */
		bool again = sample_again(l), stands = !l->input->sample;

		for (size_t i = 0; i < n; i++) {
			struct vcpu_look *v = &l->vcpus[i];
			bool steady = stands ||
				      (again && is_steady(l->k, &v->before, &l->input->cpus[i]));

			if (v->done || (!steady && again && try < TRIES))
				continue;
			v->done = true;
			left--;
			take(l, i, steady);
		}
		if (!again)
			return false;
	}
	return true;
}

static void take_samples(struct look *l, const struct vh_explore_options *options)
{
	unsigned samples = options->samples ? options->samples : VH_EXPLORE_SAMPLES;
	int64_t gap_ns = options->gap_ns ? options->gap_ns : VH_EXPLORE_GAP_NS;
	int64_t next_ns = vh_now_ns();

	/* What was given is older than all that was read of the kernel meanwhile. */
	sample_again(l);
	for (unsigned s = 0; s < samples; s++) {
		if (!sample(l) || s + 1 == samples)
			break;
		next_ns += gap_ns;
		vh_sleep_until_ns(next_ns);
		if (!sample_again(l))
			break;
	}
}

static bool in_user_mode(const struct vh_inside_vcpu *v)
{
	return v->cpl == 3 && !(v->rip >> 63);
}

void vh_explore_vcpus(struct vh_kernel *k, const struct vh_explore_input *input,
	const struct vh_explore_options *options, struct vh_inside *in)
{
	size_t n = VH_MIN(input->n_cpus, in->n_vcpus);
	struct look l = {.k = k, .input = input, .in = in};

	l.vcpus = vh_alloc((n + 1) * sizeof(*l.vcpus));
	l.best = vh_alloc((n + 1) * sizeof(*l.best));
	l.has_best = vh_alloc(n + 1);
	take_samples(&l, options);
	vh_tasks_of_vcpus(k, in);
	for (size_t i = 0; i < n; i++) {
		struct vh_inside_vcpu *v = &in->vcpus[i];

		if (in_user_mode(v))
			vh_tasks_mapping(k, v);
		else if (v->stack.n && !l.best[i].is_arm)
			vh_tasks_spin(k, &l.best[i].x86, v);
		vh_space_free(l.vcpus[i].space);
	}
	free(l.vcpus);
	free(l.best);
	free(l.has_best);
}

/* --- Folded stacks ----------------------------------------------------------------------------
 */

struct fold {
	struct look look;
	struct lh_table *index; /* of a stack's text to its row + 1 */
	struct vh_inside *in;
	uint64_t cut;
};

/* A ';' parts frames, a blank parts the count. */
static void put_part(struct vh_buf *line, const char *text)
{
	for (; *text; text++)
		vh_buf_putc(line, *text == ';' || *text == '\n' ? '_' : *text);
}

static void put_frame(struct vh_buf *line, const struct vh_frame *f)
{
	vh_buf_putc(line, ';');
	if (f->kind == VH_FRAME_USER)
		vh_buf_puts(line, "[user]");
	else if (f->symbol)
		put_part(line, f->symbol);
	else
		vh_buf_printf(line, "0x%llx", (unsigned long long)f->ip);
	if (f->symbol && f->module) {
		vh_buf_puts(line, " [");
		put_part(line, f->module);
		vh_buf_putc(line, ']');
	}
}

static void count(struct fold *f, struct vh_buf *line)
{
	struct lh_entry *e = lh_table_lookup_entry(f->index, vh_buf_str(line));

	if (e) {
		f->in->folded[(uintptr_t)lh_entry_v(e) - 1].times++;
		return;
	}
	if (f->in->n_folded >= VH_INSIDE_MAX_FOLDED) {
		f->cut++;
		return;
	}
	struct vh_inside_folded *row = &VH_PUSH(f->in->folded, f->in->n_folded);

	row->stack = vh_buf_steal(line);
	row->times = 1;
	lh_table_insert(f->index, row->stack, (const void *)(uintptr_t)f->in->n_folded);
}

static void fold_vcpu(struct fold *f, size_t i, const char *comm)
{
	struct vh_backtrace stack;
	vh_auto_buf struct vh_buf line = {0};

	unwind(&f->look, i, &stack);
	vh_buf_printf(&line, "vCPU %d;", f->look.vcpus[i].before.index);
	put_part(&line, comm && comm[0] ? comm : "?");
	for (size_t k = stack.n; k-- > 0;)
		/* What a scan of the stack found may never have been called. */
		if (stack.frames[k].kind != VH_FRAME_GUESS)
			put_frame(&line, &stack.frames[k]);
	count(f, &line);
	vh_backtrace_free(&stack);
}

/* One sample of all: whose task it is may be a moment older than its stack. */
static void fold_once(struct fold *f)
{
	const struct vh_explore_input *input = f->look.input;
	struct vh_inside *now = vh_inside_new(VH_INSIDE_LINUX);

	now->vcpus = vh_alloc((input->n_cpus + 1) * sizeof(*now->vcpus));
	now->n_vcpus = input->n_cpus;
	for (size_t i = 0; i < input->n_cpus; i++)
		now->vcpus[i] = (struct vh_inside_vcpu){
			.index = input->cpus[i].index, .pid = -1, .tgid = -1};
	copy_stacks(&f->look);
	vh_tasks_of_vcpus(f->look.k, now);
	for (size_t i = 0; i < input->n_cpus; i++)
		fold_vcpu(f, i, now->vcpus[i].comm);
	vh_inside_free(now);
}

void vh_explore_fold(struct vh_kernel *k, const struct vh_explore_input *input,
	const struct vh_explore_options *options, struct vh_inside *in)
{
	struct fold f = {.look = {.k = k, .input = input, .in = in}, .in = in};
	int64_t gap_ns = options->gap_ns ? options->gap_ns : VH_EXPLORE_GAP_NS;
	int64_t next_ns = vh_now_ns(), until_ns = next_ns + options->folded_ns;
	struct vh_step step = vh_step_begin(input->memory);

	f.look.vcpus = vh_alloc((input->n_cpus + 1) * sizeof(*f.look.vcpus));
	f.index = lh_kchar_table_new(256, NULL);
	do {
		fold_once(&f);
		next_ns = VH_MAX(next_ns + gap_ns, vh_now_ns());
		if (next_ns < until_ns)
			vh_sleep_until_ns(next_ns);
	} while (next_ns < until_ns && sample_again(&f.look));
	if (f.cut)
		vh_inside_note(in,
			"of the folded stacks %llu samples are left out: there are "
			"more than %u different ones",
			(unsigned long long)f.cut, VH_INSIDE_MAX_FOLDED);
	for (size_t i = 0; i < input->n_cpus; i++)
		vh_space_free(f.look.vcpus[i].space);
	free(f.look.vcpus);
	lh_table_free(f.index);
	vh_step_end(in, "folded", input->memory, step);
}
