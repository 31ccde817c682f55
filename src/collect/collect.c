/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/collect.h"

#include <errno.h>

#include "base/pulse.h"
#include "collect/inside.h"
#include "collect/passive.h"
#include "collect/pulse.h"
#include "collect/tracing.h"
#include "collect/vcpustate.h"

/* The threads come first: a window lies between their two readings, and what takes longer must not
 * shift them. */
const struct vh_collector *const vh_passive_collectors[] = {
	&vh_collect_threads,
	&vh_collect_cgroup,
	&vh_collect_process,
	&vh_collect_kvmstats,
	&vh_collect_rivals,
	&vh_collect_servers,
	&vh_collect_channels,
	&vh_collect_hostview,
	&vh_collect_logs,
	&vh_collect_hostlog,
	NULL,
};

/* How long a process whose monitor broke is given to be gone. */
#define DYING_NS (200 * VH_NS_PER_MS)

enum presence { PRESENT, ENDED, REPLACED, CANNOT_TELL };

/* Is the process still the VM's? A zombie is: what is left of it can be read. */
static enum presence presence_of(struct vh_host *host, const struct vh_identity *id)
{
	vh_auto_reading struct vh_reading r = {0};
	struct vh_procstat stat;

	vh_host_read(host, VH_PROC_FILE_CAP, &r, "/proc/%d/stat", (int)id->pid);
	if (r.status == VH_ABSENT)
		return ENDED;
	if (!vh_status_has_data(r.status) ||
		!vh_procstat_parse((struct vh_str){r.data, r.size}, &stat))
		return CANNOT_TELL;
	return stat.start_ticks == id->start_ticks ? PRESENT : REPLACED;
}

static const char *presence_text(enum presence presence)
{
	return presence == REPLACED ? "its pid belongs to another process by now"
				    : "the process has ended";
}

/* Says that there is no process in this look; later than any other proc.tasks of the round. */
static void add_gone(struct vh_case *c, enum vh_round round, enum presence presence)
{
	vh_auto_free char *where = vh_asprintf("/proc/%d/task", (int)c->vm->id.pid);
	struct vh_evidence *e = vh_case_add(c, round, "proc.tasks", "", where);

	vh_evidence_fail(e, VH_ABSENT, ESRCH, "%s", presence_text(presence));
}

static bool is_gone(enum presence presence)
{
	return presence == ENDED || presence == REPLACED;
}

static void run_collectors(
	struct vh_host *host, struct vh_case *c, enum vh_round round, bool without_process)
{
	for (const struct vh_collector *const *p = vh_passive_collectors; *p; p++)
		if (!without_process || !(*p)->of_process)
			(*p)->collect(host, c, round);
}

/* Adds to the case that the process is gone, where it is. */
static void check_process(struct vh_host *host, struct vh_case *c, enum vh_round round, bool *gone)
{
	enum presence presence = presence_of(host, &c->vm->id);

	if (!is_gone(presence))
		return;
	add_gone(c, round, presence);
	if (!*gone)
		vh_collect_note(c, round,
			"the VM's process %d went away during the observation: %s",
			(int)c->vm->id.pid, presence_text(presence));
	*gone = true;
}

/* One look. A process that has gone is not asked; the rest (cgroup, logs, host) still is. What was
 * read before it was found gone may be another process's: hence the second check. */
static void look(struct vh_host *host, struct vh_case *c, enum vh_round round, bool *gone)
{
	check_process(host, c, round, gone);
	bool before = *gone;

	run_collectors(host, c, round, before);
	if (!before)
		check_process(host, c, round, gone);
}

/* True where the other end of the monitor went away: mostly because the process dies. */
static bool monitor_broke(const struct vh_case *c)
{
	vh_case_foreach (c, e)
		if (e->err == ECONNRESET &&
			(vh_prefix(e->source, "qmp.") || vh_prefix(e->source, "hmp.")))
			return true;
	return false;
}

/* A killed process closes its sockets before its threads are gone: the look that follows must not
 * meet it half dead, and call it alive. */
static void let_it_die(struct vh_host *host, const struct vh_case *c)
{
	struct vh_deadline deadline = vh_deadline_in(DYING_NS);

	while (!vh_deadline_passed(deadline)) {
		vh_auto_reading struct vh_reading tasks = {0};
		bool alive = vh_identity_alive(host, &c->vm->id);

		vh_host_list(host, 64, &tasks, "/proc/%d/task", (int)c->vm->id.pid);
		/* What is left of it then is its main thread, a zombie. */
		if (!alive && (!tasks.data || memchr(tasks.data, '\n', tasks.size) ==
						      tasks.data + tasks.size - 1))
			return;
		vh_sleep_until_ns(vh_now_ns() + 5 * VH_NS_PER_MS);
	}
}

static void ask(struct vh_host *host, struct vh_case *c, const struct vh_collect_options *options,
	bool *gone)
{
	vh_collect_monitor(host, c, options);
	if (monitor_broke(c))
		let_it_die(host, c);
	/* Did the touch change anything? */
	look(host, c, VH_AFTER, gone);
}

/* One window: the case as it is at its end, and its pulse. Tracing is stopped, and read meanwhile.
 */
struct window {
	struct vh_case *c;
	struct vh_tracing *tracing;
	struct vh_pulse pulse;
	int64_t began_ns;
	bool gone;
};

static void window_open(struct window *w, struct vh_host *host, const struct vh_vm *vm,
	const struct vh_collect_options *options)
{
	int64_t window_ns = options->window_ns > 0 ? options->window_ns : VH_WINDOW_NS;

	*w = (struct window){.c = vh_case_new(vh_vm_copy(vm))};
	w->c->passive = options->passive;
	w->began_ns = vh_now_ns();
	w->tracing = vh_tracing_begin(host, w->c, options);
	look(host, w->c, VH_FIRST, &w->gone);
	vh_pulse_begin(&w->pulse, host, w->c);
	vh_pulse_look(&w->pulse, host, w->c);
	/* Within the window, where it costs no time. */
	run_collectors(host, w->c, VH_ONCE, w->gone);
	vh_pulse_look(&w->pulse, host, w->c);
	if (!w->gone)
		vh_collect_vcpu_state(host, w->c, options);
	vh_pulse_wait(&w->pulse, host, w->c, w->began_ns + window_ns);
	vh_tracing_wait(w->tracing, window_ns);
	w->c->window_ns = vh_now_ns() - w->began_ns;
	vh_tracing_stop(w->tracing);
}

static bool has_turned(const struct window *w)
{
	struct vh_str pulse = {vh_buf_str(&w->pulse.text), w->pulse.text.len};

	return !w->gone && vh_pulse_turn(pulse).kind != VH_TURN_NONE;
}

struct vh_case *vh_collect(struct vh_host *host, const struct vh_vm *vm,
	const struct vh_collect_options *options, struct vh_error **err)
{
	enum presence presence = presence_of(host, &vm->id);
	struct window w, before = {0};

	if (is_gone(presence)) {
		*err = vh_error_new(ESRCH, "observing process %d: %s", (int)vm->id.pid,
			presence_text(presence));
		return NULL;
	}
	window_open(&w, host, vm, options);
	/* Half of one state and half of another tell of neither: what is so now is looked at for a
	 * window of its own, once, and that it turned is kept. */
	if (has_turned(&w)) {
		before = w;
		vh_tracing_end(before.tracing);
		vh_case_free(before.c);
		window_open(&w, host, vm, options);
	}
	struct vh_case *c = w.c;

	look(host, c, VH_LAST, &w.gone);
	vh_pulse_to_case(c, VH_ONCE, &before.pulse, before.began_ns);
	vh_pulse_to_case(c, VH_LAST, &w.pulse, w.began_ns);
	vh_tracing_take(w.tracing, c);
	if (!options->passive)
		ask(host, c, options, &w.gone);
	else if (!w.gone)
		vh_collect_inside_passively(host, c, options);
	vh_tracing_end(w.tracing);
	vh_buf_free(&before.pulse.text);
	vh_buf_free(&w.pulse.text);
	return c;
}
