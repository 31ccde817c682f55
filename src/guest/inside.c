/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/inside.h"

static const char *const outcomes[] = {
	[VH_INSIDE_LINUX] = "linux",
	[VH_INSIDE_EARLY_LINUX] = "early-linux",
	[VH_INSIDE_NO_LINUX] = "no-linux",
	[VH_INSIDE_ENCRYPTED] = "encrypted",
	[VH_INSIDE_UNREADABLE] = "unreadable",
	[VH_INSIDE_GAVE_UP] = "gave-up",
};
VH_NAMES_DEFINE(vh_inside_outcome, enum vh_inside_outcome, outcomes)

static const char *const methods[] = {
	[VH_INSIDE_BY_REGISTERS] = "registers",
	[VH_INSIDE_BY_SCAN] = "scan",
};
VH_NAMES_DEFINE(vh_inside_method, enum vh_inside_method, methods)

static const char *const arches[] = {
	[VH_ARCH_X86_64] = "x86-64",
	[VH_ARCH_ARM64] = "arm64",
};
VH_NAMES_DEFINE(vh_arch, enum vh_arch, arches)

static const char *const frame_kinds[] = {
	[VH_FRAME_TOP] = "top",
	[VH_FRAME_CALL] = "call",
	[VH_FRAME_INTERRUPT] = "interrupt",
	[VH_FRAME_USER] = "user",
	[VH_FRAME_GUESS] = "guess",
};
VH_NAMES_DEFINE(vh_frame_kind, enum vh_frame_kind, frame_kinds)

static const char *const blocked_ons[] = {
	[VH_BLOCKED_UNKNOWN] = "unknown",
	[VH_BLOCKED_MUTEX] = "mutex",
	[VH_BLOCKED_RWSEM] = "rwsem",
	[VH_BLOCKED_SPINLOCK] = "spinlock",
	[VH_BLOCKED_COMPLETION] = "completion",
	[VH_BLOCKED_IO] = "io",
	[VH_BLOCKED_RCU] = "rcu",
	[VH_BLOCKED_FILE_SERVER] = "file-server",
	[VH_BLOCKED_FREEZE] = "freeze",
};
VH_NAMES_DEFINE(vh_blocked_on, enum vh_blocked_on, blocked_ons)

struct vh_inside *vh_inside_new(enum vh_inside_outcome outcome)
{
	struct vh_inside *in = vh_alloc(sizeof(*in));

	in->outcome = outcome;
	in->kernel.uptime_ns = in->kernel.panic_cpu = in->kernel.oops_in_progress = -1;
	return in;
}

void vh_backtrace_free(struct vh_backtrace *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->frames[i].symbol);
		free(b->frames[i].module);
		free(b->frames[i].line);
	}
	free(b->frames);
	free(b->end);
	*b = (struct vh_backtrace){0};
}

static void lock_free(struct vh_inside_lock *l)
{
	free(l->symbol);
	free(l->holder_comm);
}

static void kernel_free(struct vh_inside_kernel *k)
{
	free(k->release);
	free(k->banner);
	free(k->build_id);
	free(k->command_line);
	free(k->taint_text);
	free(k->system_state);
}

static void vcpus_free(struct vh_inside *in)
{
	for (size_t i = 0; i < in->n_vcpus; i++) {
		free(in->vcpus[i].comm);
		free(in->vcpus[i].mapping);
		vh_backtrace_free(&in->vcpus[i].stack);
		lock_free(&in->vcpus[i].lock);
	}
	free(in->vcpus);
}

static void tasks_free(struct vh_inside *in)
{
	for (size_t i = 0; i < in->n_tasks; i++) {
		free(in->tasks[i].comm);
		vh_backtrace_free(&in->tasks[i].stack);
		lock_free(&in->tasks[i].lock);
	}
	free(in->tasks);
}

void vh_inside_free(struct vh_inside *in)
{
	if (!in)
		return;
	kernel_free(&in->kernel);
	vcpus_free(in);
	tasks_free(in);
	for (size_t i = 0; i < in->n_dmesg; i++)
		free(in->dmesg[i].text);
	free(in->dmesg);
	for (size_t i = 0; i < in->n_modules; i++)
		free(in->modules[i].name);
	free(in->modules);
	for (size_t i = 0; i < in->n_folded; i++)
		free(in->folded[i].stack);
	free(in->folded);
	for (size_t i = 0; i < in->n_notes; i++)
		free(in->notes[i]);
	free(in->notes);
	for (size_t i = 0; i < in->n_steps; i++)
		free(in->steps[i].name);
	free(in->steps);
	free(in->why);
	vh_secrets_free(in->secrets);
	free(in);
}

void vh_inside_note(struct vh_inside *in, const char *fmt, ...)
{
	va_list args;

	/* A guest that breaks everything gets no longer report for it. */
	if (in->n_notes >= VH_INSIDE_MAX_NOTES)
		return;
	va_start(args, fmt);
	vh_auto_free char *note = vh_vasprintf(fmt, args);
	va_end(args);
	for (size_t i = 0; i < in->n_notes; i++)
		if (vh_streq(in->notes[i], note))
			return;
	VH_PUSH(in->notes, in->n_notes) = vh_strdup(note);
}

const struct vh_inside_task *vh_inside_task(const struct vh_inside *in, int64_t pid)
{
	for (size_t i = 0; pid >= 0 && i < in->n_tasks; i++)
		if (in->tasks[i].pid == pid)
			return &in->tasks[i];
	return NULL;
}
