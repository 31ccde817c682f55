/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/unwind_parts.h"

#define MAX_GUESSES 24u

struct vh_unwinder *vh_unwinder_new(struct vh_kernel *k, struct vh_inside *in)
{
	struct vh_unwinder *u = vh_alloc(sizeof(*u));

	if (vh_kernel_is_arm(k))
		vh_arm_setup(u, k);
	else
		vh_orc_setup(u, k, in);
	return u;
}

void vh_unwinder_free(struct vh_unwinder *u)
{
	if (!u)
		return;
	for (size_t i = 0; i < VH_ORC_SLOTS; i++)
		free(u->pages[i]);
	free(u);
}

bool vh_unwinder_has_orc(const struct vh_unwinder *u)
{
	return u->kernel.n;
}

static void name(struct vh_kernel *k, struct vh_frame *f)
{
	/* What a return address is behind of: the call may be its function's last instruction. */
	bool behind = f->kind == VH_FRAME_CALL || f->kind == VH_FRAME_GUESS;

	if (f->kind == VH_FRAME_USER)
		return;
	vh_kernel_name(k, f->ip - behind, f);
	if (f->symbol)
		f->offset += behind;
}

static enum vh_unwound step(struct vh_walk *w)
{
	enum vh_unwound s = VH_STEP_UNKNOWN;

	if (vh_kernel_is_arm(w->k))
		return vh_step_arm(w);
	if (vh_unwinder_has_orc(w->k->unwinder))
		s = vh_step_orc(w);
	/* Code that was made at run time, as BPF's, keeps frame pointers. */
	if (s == VH_STEP_UNKNOWN)
		s = vh_step_frame_pointer(w);
	return s;
}

static bool was_there(const struct vh_backtrace *b, const struct vh_walk *w)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->frames[i].ip == w->ip && b->frames[i].sp == w->sp)
			return true;
	return false;
}

static void add(struct vh_kernel *k, struct vh_backtrace *b, struct vh_frame f)
{
	name(k, &f);
	b->frames[b->n++] = f;
}

/* Goes on by looking at what is left on the stack. */
static void guess(struct vh_walk *w, struct vh_backtrace *b)
{
	struct vh_frame found[MAX_GUESSES];
	size_t n = vh_stack_scan(w, found, VH_MIN(MAX_GUESSES, VH_INSIDE_MAX_FRAMES - b->n));

	for (size_t i = 0; i < n; i++)
		add(w->k, b, found[i]);
}

static void walk(struct vh_walk *w, struct vh_backtrace *b)
{
	enum vh_unwound s = VH_STEP_NEXT;
	struct vh_walk before;

	while (b->n < VH_INSIDE_MAX_FRAMES && w->kind != VH_FRAME_USER) {
		before = *w;
		s = step(w);
		if (s != VH_STEP_NEXT)
			break;
		if (was_there(b, w)) {
			s = vh_step_broken(w, "the stack leads back into itself");
			break;
		}
		if (w->ip && w->kind != VH_FRAME_USER && !vh_kernel_is_text(w->k, w->ip) &&
			w->kind != VH_FRAME_INTERRUPT) {
			s = vh_step_broken(w, "its caller, %#llx, is no code of the kernel",
				(unsigned long long)w->ip);
			before.end = w->end;
			*w = before;
			break;
		}
		add(w->k, b, (struct vh_frame){.kind = w->kind, .ip = w->ip, .sp = w->sp});
	}
	if (s == VH_STEP_BROKEN)
		guess(w, b);
	else if (s == VH_STEP_NEXT && w->kind != VH_FRAME_USER)
		vh_step_broken(w, "it is longer than %u frames", VH_INSIDE_MAX_FRAMES);
}

/* A task that has not run yet returns to the begin of a function, not to behind a call. */
static bool never_ran(struct vh_kernel *k, uint64_t ip)
{
	struct vh_frame f = {0};

	vh_kernel_name(k, ip, &f);
	bool begin = f.symbol && !f.offset;

	free(f.symbol);
	free(f.module);
	return begin;
}

/* A vCPU's other registers, as far as unwinding needs them. */
static void take_registers(struct vh_walk *w, const struct vh_unwind_from *from)
{
	const struct vh_registers *x86 = from->all;
	const struct vh_arm_registers *arm = from->arm;

	if (x86) {
		w->has_registers = true;
		w->ax = x86->rax;
		w->dx = x86->rdx;
		w->di = x86->rdi;
		w->r10 = x86->r[2];
		w->r13 = x86->r[5];
	}
	if (arm) {
		w->has_lr = arm->x_seen >> 30 & 1;
		w->lr = arm->x[30];
	}
}

void vh_unwind(struct vh_kernel *k, const struct vh_unwind_from *from, struct vh_backtrace *out)
{
	bool user = (from->all && from->all->cpl == 3) || (from->arm && !vh_arm_el(from->arm));
	struct vh_walk w = {
		.k = k,
		.s = from->space ? from->space : k->space,
		.ip = from->ip,
		.sp = from->sp,
		.bp = from->bp,
		.exact = from->all || from->arm || never_ran(k, from->ip),
		.kind = user ? VH_FRAME_USER : VH_FRAME_TOP,
	};

	take_registers(&w, from);
	*out = (struct vh_backtrace){
		.frames = vh_alloc(VH_INSIDE_MAX_FRAMES * sizeof(*out->frames))};
	add(k, out, (struct vh_frame){.kind = w.kind, .ip = w.ip, .sp = w.sp});
	walk(&w, out);
	out->end = w.end;
}
