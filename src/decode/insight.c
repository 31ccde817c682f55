/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/insight.h"

#include <inttypes.h>

/* include/linux/sched.h, TASK_FROZEN, since 6.1; before that only the stack tells. */
#define STATE_FROZEN 0x8000u

static const char *const doing_names[VH_N_DOING] = {
	[VH_DOING_UNKNOWN] = "unknown",
	[VH_DOING_IDLE] = "idle",
	[VH_DOING_USER] = "user",
	[VH_DOING_PANIC] = "panic",
	[VH_DOING_PARKED] = "parked",
	[VH_DOING_LOCK] = "lock",
	[VH_DOING_IPI] = "ipi",
	[VH_DOING_IRQS_OFF] = "one-place-irqs-off",
	[VH_DOING_ONE_PLACE] = "one-place",
	[VH_DOING_KERNEL] = "kernel",
};

const char *vh_doing_name(enum vh_doing doing)
{
	return vh_name_of(doing_names, VH_ARRAY_SIZE(doing_names), (int)doing);
}

bool vh_frame_is(const struct vh_frame *f, const char *function)
{
	size_t n = strlen(function);

	/* Compilers add ".isra.0", ".constprop.0", ".cold". */
	return f->symbol && strncmp(f->symbol, function, n) == 0 &&
	       (!f->symbol[n] || f->symbol[n] == '.');
}

bool vh_inside_is_in(const struct vh_backtrace *b, const char *function)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->frames[i].kind != VH_FRAME_GUESS && !b->frames[i].module &&
			vh_frame_is(&b->frames[i], function))
			return true;
	return false;
}

static bool in_any(const struct vh_backtrace *b, const char *const *functions)
{
	for (; *functions; functions++)
		if (vh_inside_is_in(b, *functions))
			return true;
	return false;
}

static bool begins_any(const char *symbol, const char *const *begins)
{
	for (; symbol && *begins; begins++)
		if (vh_prefix(symbol, *begins))
			return true;
	return false;
}

/* kernel/locking/{qspinlock,qrwlock,spinlock}.c */
static const char *const locks[] = {"native_queued_spin_lock_slowpath", "queued_spin_lock_slowpath",
	"__pv_queued_spin_lock_slowpath", "queued_read_lock_slowpath", "queued_write_lock_slowpath",
	"do_raw_spin_lock", "resilient_queued_spin_lock_slowpath", NULL};

/* Where it spins, above what it was asked for. */
static bool spins_in(const struct vh_inside_vcpu *v, const char *const *functions)
{
	for (size_t i = 0; i < v->stack.n && i < 3; i++)
		for (size_t k = 0; functions[k]; k++)
			if (v->stack.frames[i].kind != VH_FRAME_GUESS &&
				!v->stack.frames[i].module &&
				vh_frame_is(&v->stack.frames[i], functions[k]))
				return true;
	return false;
}

/* kernel/sched/idle.c, arch/x86/kernel/process.c. */
static bool idles(const struct vh_inside_vcpu *v)
{
	static const char *const functions[] = {"do_idle", "cpu_startup_entry", "cpu_idle_poll",
		"default_idle", "default_idle_call", "native_safe_halt", "pv_native_safe_halt",
		"acpi_safe_halt", "acpi_idle_do_entry", "mwait_idle", "intel_idle",
		"cpuidle_enter_state", "poll_idle", "arch_cpu_idle", "cpu_do_idle", NULL};

	/* Who waits for a paravirtual lock halts as an idle task does (kvm_wait()). */
	if (v->pid > 0 || v->cpl == 3 || spins_in(v, locks))
		return false;
	/* What an interrupt interrupted is what it did before. */
	for (size_t i = 0; i < v->stack.n && v->stack.frames[i].kind != VH_FRAME_INTERRUPT; i++)
		for (size_t k = 0; functions[k]; k++)
			if (v->stack.frames[i].kind != VH_FRAME_GUESS &&
				vh_frame_is(&v->stack.frames[i], functions[k]))
				return true;
	return v->halted && v->irqs_on && v->pid == 0;
}

/* kernel/panic.c: since 6.17 panic() is a wrapper of vpanic(). */
static const char *const panics[] = {"panic", "vpanic", "nmi_panic", NULL};

/* Where the others end: arch/x86/kernel/{process,smp,reboot,crash}.c, kernel/panic.c. */
static const char *const parked[] = {"stop_this_cpu", "crash_nmi_callback", "nmi_panic_self_stop",
	"panic_smp_self_stop", "native_stop_other_cpus", "local_cpu_stop", "ipi_cpu_crash_stop",
	NULL};

/* kernel/smp.c, kernel/stop_machine.c, arch/x86/mm/tlb.c, arch/x86/kernel/alternative.c */
static const char *const answers[] = {"smp_call_function_many_cond", "smp_call_function_single",
	"smp_call_function_many", "generic_exec_single", "csd_lock_wait", "__csd_lock_wait",
	"multi_cpu_stop", "native_flush_tlb_multi", "native_flush_tlb_others", "text_poke_sync",
	NULL};

bool vh_inside_stays(const struct vh_inside_vcpu *v)
{
	return v->samples >= 2 && (v->same_rip || v->same_place);
}

enum vh_doing vh_inside_doing(const struct vh_inside_vcpu *v)
{
	if (v->cpl == 3)
		return VH_DOING_USER;
	if (v->stage != VH_STAGE_LINUX_64 && v->stage != VH_STAGE_OS && !v->stack.n)
		return VH_DOING_UNKNOWN;
	if (in_any(&v->stack, panics))
		return VH_DOING_PANIC;
	if (in_any(&v->stack, parked))
		return VH_DOING_PARKED;
	if (idles(v))
		return VH_DOING_IDLE;
	/* Everybody does so for a moment; a dump has no second look. */
	if (spins_in(v, locks) && (v->samples < 2 || vh_inside_stays(v)))
		return VH_DOING_LOCK;
	if (spins_in(v, answers) && (v->samples < 2 || vh_inside_stays(v)))
		return VH_DOING_IPI;
	/* Nothing wakes it. Of a kernel that runs behind another (kdump), those that the first had
	 * stopped have no names. */
	if (v->halted && !v->irqs_on)
		return VH_DOING_PARKED;
	if (!v->stack.n)
		return VH_DOING_UNKNOWN;
	if (vh_inside_stays(v) && !v->halted)
		return v->irqs_on ? VH_DOING_ONE_PLACE : VH_DOING_IRQS_OFF;
	return VH_DOING_KERNEL;
}

bool vh_inside_knows_task(const struct vh_inside_vcpu *v)
{
	return (v->comm || v->pid >= 0) && !(v->cpl == 3 && v->pid == 0);
}

bool vh_inside_copies_memory(const struct vh_inside_vcpu *v)
{
	static const char *const begins[] = {"clear_page", "clear_user", "__clear_user",
		"copy_page", "copy_user", "__copy_user", "copy_mc", "rep_movs", "rep_stos",
		"memcpy", "__memcpy", "memmove", "__memmove", "memset", "__memset", NULL};

	return v->stack.n && v->stack.frames[0].kind != VH_FRAME_GUESS &&
	       begins_any(v->stack.frames[0].symbol, begins);
}

const struct vh_frame *vh_inside_spin_frame(const struct vh_backtrace *b)
{
	static const char *const primitives[] = {"native_queued_spin_lock_slowpath",
		"queued_spin_lock_slowpath", "__pv_queued_spin_lock_slowpath", "pv_",
		"queued_read_lock_slowpath", "queued_write_lock_slowpath", "_raw_spin_",
		"_raw_read_", "_raw_write_", "__raw_spin_", "do_raw_spin_", "delay_", "__delay",
		"__udelay", "__const_udelay", "__ndelay", "native_pause", "__x86_indirect_thunk",
		"read_tsc", "rdtsc", "ktime_get", "sched_clock", "native_sched_clock", NULL};
	const struct vh_frame *first = NULL;

	for (size_t i = 0; i < b->n; i++) {
		const struct vh_frame *f = &b->frames[i];

		if (!f->symbol || f->kind == VH_FRAME_GUESS || f->kind == VH_FRAME_USER)
			continue;
		first = first ? first : f;
		if (!begins_any(f->symbol, primitives))
			return f;
	}
	return first;
}

const struct vh_frame *vh_inside_wait_frame(const struct vh_backtrace *b)
{
	const struct vh_frame *first = NULL;

	for (size_t i = 0; i < b->n; i++) {
		const struct vh_frame *f = &b->frames[i];

		if (!f->symbol || f->kind == VH_FRAME_USER)
			continue;
		first = first ? first : f;
		if (!vh_guest_function_is_common(f->symbol))
			return f;
	}
	return first;
}

enum vh_guest_wait vh_inside_wait(const struct vh_inside_task *t)
{
	static const enum vh_guest_wait of[VH_N_BLOCKED_ON] = {
		[VH_BLOCKED_MUTEX] = VH_GUEST_WAIT_LOCK,
		[VH_BLOCKED_RWSEM] = VH_GUEST_WAIT_LOCK,
		[VH_BLOCKED_SPINLOCK] = VH_GUEST_WAIT_LOCK,
		[VH_BLOCKED_COMPLETION] = VH_GUEST_WAIT_EVENT,
		[VH_BLOCKED_IO] = VH_GUEST_WAIT_STORAGE,
		[VH_BLOCKED_RCU] = VH_GUEST_WAIT_RCU,
		[VH_BLOCKED_FILE_SERVER] = VH_GUEST_WAIT_FILE_SERVER,
		[VH_BLOCKED_FREEZE] = VH_GUEST_WAIT_FREEZE,
	};
	enum vh_guest_wait wait = VH_GUEST_WAIT_UNKNOWN;
	bool percpu = false;

	for (size_t i = 0; i < t->stack.n; i++)
		if (t->stack.frames[i].symbol)
			wait = vh_guest_wait_further(wait, t->stack.frames[i].symbol, &percpu);
	return wait != VH_GUEST_WAIT_UNKNOWN ? wait : of[t->lock.kind];
}

char *vh_frame_where(const struct vh_frame *f)
{
	vh_auto_free char *symbol = vh_escaped(f->symbol);
	vh_auto_free char *module = vh_escaped(f->module);

	if (!f->symbol)
		return vh_asprintf("0x%" PRIx64, f->ip);
	return f->module ? vh_asprintf("%s [%s]", symbol, module) : vh_strdup(symbol);
}

char *vh_task_name(const char *comm, int64_t pid)
{
	vh_auto_free char *shown = vh_escaped(comm);

	if (pid < 0)
		return vh_strdup(comm ? shown : "a task");
	return comm ? vh_asprintf("%s (pid %" PRId64 ")", shown, pid)
		    : vh_asprintf("pid %" PRId64, pid);
}

char *vh_lock_name(const struct vh_inside_lock *l)
{
	static const char *const kinds[VH_N_BLOCKED_ON] = {
		[VH_BLOCKED_UNKNOWN] = "lock",
		[VH_BLOCKED_MUTEX] = "mutex",
		[VH_BLOCKED_RWSEM] = "rw semaphore",
		[VH_BLOCKED_SPINLOCK] = "spin lock",
		[VH_BLOCKED_COMPLETION] = "completion",
		[VH_BLOCKED_IO] = "I/O",
		[VH_BLOCKED_RCU] = "RCU",
		[VH_BLOCKED_FILE_SERVER] = "file server",
		[VH_BLOCKED_FREEZE] = "frozen file system",
	};
	vh_auto_free char *symbol = vh_escaped(l->symbol);
	const char *kind = l->kind < VH_N_BLOCKED_ON ? kinds[l->kind] : kinds[0];
	bool is_thing = l->kind != VH_BLOCKED_IO && l->kind != VH_BLOCKED_RCU;

	if (l->symbol)
		return vh_asprintf("%s%s %s", is_thing ? "the " : "", kind, symbol);
	if (l->gva)
		return vh_asprintf("%s%s at 0x%" PRIx64, is_thing ? "a " : "", kind, l->gva);
	return vh_asprintf("%s%s", is_thing ? "a " : "", kind);
}

bool vh_inside_waits_for_root(const struct vh_inside *in)
{
	const struct vh_inside_task *init = vh_inside_task(in, 1);

	return init && (vh_inside_is_in(&init->stack, "prepare_namespace") ||
			       vh_inside_is_in(&init->stack, "wait_for_root"));
}

bool vh_inside_is_blocked(const struct vh_inside_task *t)
{
	bool frozen = t->raw & STATE_FROZEN || vh_inside_is_in(&t->stack, "__refrigerator");

	return t->state == 'D' && !t->killable && !frozen;
}

bool vh_inside_ran_since(const struct vh_inside_task *t, double seconds)
{
	return t->waited_ns >= 0 && (double)t->waited_ns / 1e9 < seconds;
}

bool vh_inside_any_blocked(const struct vh_inside *in)
{
	for (size_t i = 0; i < in->n_tasks; i++)
		if (in->tasks[i].state == 'D')
			return true;
	return false;
}

/* Rows of one table: what ran at the same moment is told apart by its place there. */
static bool ran_before(const struct vh_inside_task *t, const struct vh_inside_task *other)
{
	return t->waited_ns > other->waited_ns || (t->waited_ns == other->waited_ns && t > other);
}

const struct vh_inside_task *vh_inside_ran_last(
	const struct vh_inside *in, const struct vh_inside_task *after)
{
	const struct vh_inside_task *last = NULL;

	for (size_t i = 0; i < in->n_tasks; i++) {
		const struct vh_inside_task *t = &in->tasks[i];

		if (t->state != 'S' || t->kernel_thread || t->on_cpu || t->waited_ns < 0 ||
			!vh_inside_wait_frame(&t->stack) || (after && !ran_before(t, after)))
			continue;
		if (!last || ran_before(last, t))
			last = t;
	}
	return last;
}

/* Those that wait for somebody, as many as have stacks at the most. */
static size_t waiters(
	const struct vh_inside *in, const struct vh_inside_task *out[VH_INSIDE_MAX_STACKS])
{
	size_t n = 0;

	for (size_t i = 0; i < in->n_tasks && n < VH_INSIDE_MAX_STACKS; i++)
		if (in->tasks[i].lock.holder_pid >= 0 && in->tasks[i].pid >= 0)
			out[n++] = &in->tasks[i];
	return n;
}

static const struct vh_inside_task *holder(
	const struct vh_inside_task *const *list, size_t n, const struct vh_inside_task *t)
{
	for (size_t i = 0; i < n; i++)
		if (list[i]->pid == t->lock.holder_pid)
			return list[i];
	return NULL;
}

bool vh_inside_find_cycle(const struct vh_inside *in, struct vh_inside_cycle *out)
{
	const struct vh_inside_task *list[VH_INSIDE_MAX_STACKS];
	size_t n = waiters(in, list);

	for (size_t i = 0; i < n; i++) {
		const struct vh_inside_task *t = list[i];

		*out = (struct vh_inside_cycle){0};
		while (t && out->n < VH_MAX_CYCLE) {
			out->tasks[out->n++] = t;
			t = holder(list, n, t);
			if (t == list[i])
				return true;
		}
	}
	*out = (struct vh_inside_cycle){0};
	return false;
}

char *vh_inside_cycle_text(const struct vh_inside_cycle *c)
{
	struct vh_buf out = {0};

	for (size_t i = 0; i < c->n; i++) {
		const struct vh_inside_task *t = c->tasks[i], *h = c->tasks[(i + 1) % c->n];
		vh_auto_free char *name = vh_task_name(t->comm, t->pid);
		vh_auto_free char *lock = vh_lock_name(&t->lock);
		vh_auto_free char *by = vh_task_name(h->comm, h->pid);

		vh_buf_printf(&out, "%s%s waits for %s, which %s holds", i ? "; " : "", name, lock,
			c->n == 1 ? "it" : by);
		if (c->n == 1)
			vh_buf_puts(&out, " itself");
	}
	return vh_buf_steal(&out);
}
