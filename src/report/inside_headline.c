/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first line: what the guest is, and its state in one sentence. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/units.h"
#include "decode/insight.h"
#include "report/inside.h"

#define MOMENT_NS VH_NS_PER_S

/* A clause behind the others. */
static void clause(struct vh_buf *out, const char *fmt, ...) VH_PRINTF(2, 3);
static void clause(struct vh_buf *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vh_auto_free char *text = vh_vasprintf(fmt, args);
	va_end(args);
	if (out->len)
		vh_buf_puts(out, "; ");
	vh_buf_puts(out, text);
}

static const struct vh_inside_vcpu *first_that(const struct vh_inside *in, enum vh_doing doing)
{
	for (size_t i = 0; i < in->n_vcpus; i++)
		if (vh_inside_doing(&in->vcpus[i]) == doing)
			return &in->vcpus[i];
	return NULL;
}

static size_t count(const struct vh_inside *in, enum vh_doing doing)
{
	size_t n = 0;

	for (size_t i = 0; i < in->n_vcpus; i++)
		n += vh_inside_doing(&in->vcpus[i]) == doing;
	return n;
}

static void tell_spins(const struct vh_inside *in, struct vh_buf *out)
{
	for (size_t i = 0, told = 0; i < in->n_vcpus && told < 3; i++) {
		const struct vh_inside_vcpu *v = &in->vcpus[i];
		enum vh_doing doing = vh_inside_doing(v);
		const struct vh_frame *f = vh_inside_spin_frame(&v->stack);
		vh_auto_free char *where = f ? vh_frame_where(f) : vh_strdup("its kernel");
		vh_auto_free char *lock = vh_lock_name(&v->lock);

		if (doing == VH_DOING_IRQS_OFF)
			clause(out, "vCPU %d stays in %s with interrupts off", v->index, where);
		else if (doing == VH_DOING_LOCK)
			clause(out, "vCPU %d spins for %s in %s%s", v->index, lock, where,
				v->irqs_on ? "" : " with interrupts off");
		else if (doing == VH_DOING_IPI)
			clause(out, "vCPU %d waits for other CPUs to answer", v->index);
		else if (doing == VH_DOING_ONE_PLACE)
			clause(out, "vCPU %d stays in %s", v->index, where);
		else
			continue;
		told++;
	}
}

static void tell_programs(const struct vh_inside *in, struct vh_buf *out)
{
	const struct vh_inside_vcpu *user = first_that(in, VH_DOING_USER);
	size_t users = count(in, VH_DOING_USER), kernel = count(in, VH_DOING_KERNEL);

	if (users == 1 && !vh_inside_knows_task(user)) {
		clause(out, "vCPU %d runs a program", user->index);
	} else if (users == 1) {
		vh_auto_free char *name = vh_task_name(user->comm, user->pid);

		clause(out, "vCPU %d runs %s", user->index, name);
	} else if (users) {
		clause(out, "%zu vCPUs run programs", users);
	}
	if (kernel)
		clause(out,
			kernel == 1 ? "%zu vCPU works in the kernel"
				    : "%zu vCPUs work in the kernel",
			kernel);
}

/* The longest wait of those that are blocked. */
static void tell_blocked(const struct vh_inside *in, struct vh_buf *out)
{
	const struct vh_inside_task *longest = NULL;
	size_t n = 0;

	/* For a moment many do so in health: who waits for its disk, or sleeps in a driver. */
	for (size_t i = 0; i < in->n_tasks; i++)
		if (in->tasks[i].state == 'D' &&
			(in->tasks[i].waited_ns < 0 || in->tasks[i].waited_ns >= MOMENT_NS)) {
			n++;
			if (!longest || in->tasks[i].waited_ns > longest->waited_ns)
				longest = &in->tasks[i];
		}
	if (!longest)
		return;
	vh_auto_free char *name = vh_task_name(longest->comm, longest->pid);
	enum vh_guest_wait wait = vh_inside_wait(longest);

	if (n == 1)
		clause(out, "%s waits in state D", name);
	else
		clause(out, "%zu tasks wait in state D, %s longest", n, name);
	if (longest->waited_ns >= 0)
		vh_buf_printf(out, ", for %s", vh_duration_text(longest->waited_ns).s);
	if (wait != VH_GUEST_WAIT_UNKNOWN)
		vh_buf_printf(out, ", for %s", vh_guest_wait_name(wait));
}

/* What an idle guest waits for: as its last program shows it. */
static void tell_last(const struct vh_inside *in, struct vh_buf *out)
{
	const struct vh_inside_task *t = vh_inside_ran_last(in, NULL);

	if (!t)
		return;
	vh_auto_free char *name = vh_task_name(t->comm, t->pid);
	vh_auto_free char *where = vh_frame_where(vh_inside_wait_frame(&t->stack));

	clause(out, "the program that ran last, %s, waits in %s", name, where);
}

static char *state_of_linux(const struct vh_inside *in)
{
	const struct vh_inside_vcpu *panic = first_that(in, VH_DOING_PANIC);
	struct vh_inside_cycle cycle;
	struct vh_buf out = {0};

	if (panic)
		clause(&out, "panicked, vCPU %d is in panic()", panic->index);
	else if (in->kernel.panic_cpu >= 0)
		clause(&out, "panicked on CPU %" PRId64, in->kernel.panic_cpu);
	if (!panic) {
		tell_spins(in, &out);
		tell_programs(in, &out);
	}
	if (in->n_vcpus && count(in, VH_DOING_IDLE) == in->n_vcpus)
		clause(&out, in->n_vcpus == 1 ? "its vCPU is idle" : "all %zu vCPUs are idle",
			in->n_vcpus);
	else if (!out.len && in->n_vcpus)
		clause(&out, "what its vCPUs do could not be told");
	if (vh_inside_find_cycle(in, &cycle))
		clause(&out,
			cycle.n == 1 ? "a task waits for a lock that it holds itself"
				     : "%zu tasks wait for each other's locks (deadlock)",
			cycle.n);
	if (!panic && vh_inside_waits_for_root(in))
		clause(&out, "its first process waits for the root device");
	else if (!panic)
		tell_blocked(in, &out);
	if (in->n_vcpus && count(in, VH_DOING_IDLE) == in->n_vcpus && !vh_inside_any_blocked(in))
		tell_last(in, &out);
	if (!out.len)
		vh_buf_puts(&out, in->n_dmesg ? "its log was read" : "its kernel was found");
	return vh_buf_steal(&out);
}

char *vh_inside_headline(const struct vh_inside *in)
{
	vh_auto_free char *release = vh_escaped(in->kernel.release);
	vh_auto_free char *why = vh_escaped(in->why);
	struct vh_buf out = {0};

	switch (in->outcome) {
	case VH_INSIDE_LINUX:
	case VH_INSIDE_EARLY_LINUX: {
		vh_auto_free char *state = state_of_linux(in);

		vh_buf_printf(&out, "Linux%s%s", in->kernel.release ? " " : "", release);
		if (in->outcome == VH_INSIDE_EARLY_LINUX)
			vh_buf_puts(&out, ", early in its boot");
		if (in->kernel.uptime_ns > 0)
			vh_buf_printf(&out, ", up %s", vh_duration_text(in->kernel.uptime_ns).s);
		vh_buf_printf(&out, ": %s", state);
		break;
	}
	case VH_INSIDE_NO_LINUX:
		vh_buf_printf(
			&out, "no Linux kernel: %s", in->why ? why : vh_stage_title(in->stage));
		break;
	case VH_INSIDE_ENCRYPTED:
		vh_buf_puts(&out, in->why ? why : "its memory is encrypted, and was not looked at");
		break;
	case VH_INSIDE_UNREADABLE:
		vh_buf_printf(&out, "its memory could not be read%s%s", in->why ? ": " : "", why);
		break;
	default:
		vh_buf_printf(&out, "looking into its memory failed%s%s", in->why ? ": " : "", why);
		break;
	}
	return vh_buf_steal(&out);
}

int vh_inside_exit_status(const struct vh_inside *in)
{
	return in->outcome == VH_INSIDE_ENCRYPTED || in->outcome == VH_INSIDE_UNREADABLE ||
			       in->outcome == VH_INSIDE_GAVE_UP
		       ? 2
		       : 0;
}
