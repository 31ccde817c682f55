/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts of the VMM: its monitor, the state it says the VM is in, its main loop, its drives. */
#include "infer/facts_build.h"

#include "base/units.h"

static void monitor_facts(struct vh_facts *facts)
{
	const struct vh_monitor_view *v = &facts->model->monitor;
	static const struct {
		enum vh_monitor_state state;
		enum vh_fact_id fact;
		const char *text;
	} rows[] = {
		{VH_MONITOR_ANSWERED, VH_FACT_MONITOR_ANSWERS, "the monitor answers"},
		{VH_MONITOR_SILENT, VH_FACT_MONITOR_SILENT,
			"the monitor took the connection and does not answer"},
		{VH_MONITOR_BUSY, VH_FACT_MONITOR_BUSY, "another client holds the monitor"},
		{VH_MONITOR_BROKEN, VH_FACT_MONITOR_BROKEN, "the monitor does not behave as one"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		if (rows[i].state != v->state)
			continue;
		bool why = v->why && v->state != VH_MONITOR_ANSWERED;
		struct vh_fact *f = vh_fact_add(facts, rows[i].fact, -1, NAN, "%s%s%s",
			rows[i].text, why ? ": " : "", why ? v->why : "");

		vh_fact_ground(facts, f, "qmp.greeting", NULL);
		vh_fact_ground(facts, f, "qmp.query-status", NULL);
	}
}

const char *vh_wait_text(enum vh_wait wait)
{
	switch (wait) {
	case VH_WAIT_FUSE:
		return "a FUSE file system that does not answer";
	case VH_WAIT_DISK:
		return "storage";
	case VH_WAIT_USERFAULT:
		return "a page that nobody delivers (userfaultfd)";
	case VH_WAIT_PIPE:
		return "somebody to read what it writes";
	case VH_WAIT_PEER:
		return "an answer that does not come";
	case VH_WAIT_CONNECT:
		return "somebody to take a connection";
	case VH_WAIT_MEMORY:
		return "memory";
	case VH_WAIT_KERNEL:
		return "the host's kernel";
	default:
		return NULL;
	}
}

bool vh_waits_all_the_time(const struct vh_thread *t)
{
	return t->first.seen && t->last.seen && t->first.wait == t->wait &&
	       t->last.wait == t->wait && t->first.has_switches && t->last.has_switches &&
	       t->first.voluntary == t->last.voluntary &&
	       t->first.involuntary == t->last.involuntary;
}

static void storage_silent_fact(struct vh_facts *facts, const struct vh_thread *t, const char *on)
{
	if (!vh_waits_all_the_time(t))
		return;
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_STORAGE_SILENT, -1, t->tid,
		"storage did not answer thread %d (%s) during the whole window%s", (int)t->tid,
		t->name, on);

	vh_fact_ground(facts, f, "task.wchan", vh_subject_tid(t->tid).s);
	vh_fact_ground(facts, f, "task.status", vh_subject_tid(t->tid).s);
}

static void thread_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_threads; i++) {
		const struct vh_thread *t = m->threads[i];
		const struct vh_thread_sample *s = t->last.seen ? &t->last : &t->first;
		const char *what = vh_wait_text(t->wait);
		struct vh_fact *f = NULL;
		const char *wchan = s->wchan && s->wchan[0] ? s->wchan : "?";
		vh_auto_free char *on =
			t->blocked_on ? vh_asprintf(": %s", t->blocked_on) : vh_strdup("");

		if (t->role == VH_ROLE_MAIN && vh_main_loop_is_nested(m))
			continue;
		if (t->role == VH_ROLE_MAIN && t->wait == VH_WAIT_POLL)
			f = vh_fact_add(facts, VH_FACT_MAIN_AT_REST, -1, NAN,
				"the main loop waits for events (%s), as it does at rest", wchan);
		else if (t->role == VH_ROLE_MAIN && what)
			f = vh_fact_add(facts, VH_FACT_MAIN_BLOCKED, -1, t->wait,
				"the main loop is blocked and waits for %s (%s)%s", what, wchan,
				on);
		else if (t->role != VH_ROLE_VCPU && t->role != VH_ROLE_KERNEL &&
			 (t->wait == VH_WAIT_FUSE || t->wait == VH_WAIT_DISK)) {
			f = vh_fact_add(facts, VH_FACT_THREAD_ON_STORAGE, -1, t->tid,
				"thread %d (%s) waits for %s (%s)%s", (int)t->tid, t->name, what,
				wchan, on);
			storage_silent_fact(facts, t, on);
		}
		if (!f)
			continue;
		vh_fact_ground(facts, f, "task.wchan", vh_subject_tid(t->tid).s);
		vh_fact_ground(facts, f, "task.stack", vh_subject_tid(t->tid).s);
		vh_fact_ground(facts, f, "task.fd", vh_subject_tid(t->tid).s);
	}
	if (!m->serial_full)
		return;
	for (size_t i = 0; i < m->n_vcpus; i++) {
		const struct vh_thread *t = m->vcpus[i]->thread;

		if (!t || !t->waits_on_serial)
			continue;
		vh_auto_free char *rate =
			isnan(t->switches_per_s)
				? vh_strdup("")
				: vh_asprintf(", %.0f tries a second", t->switches_per_s);
		struct vh_fact *f = vh_fact_add(facts, VH_FACT_VCPU_WAITS_ON_SERIAL,
			m->vcpus[i]->index, t->switches_per_s,
			"vCPU %d waits for room in %s, which nobody reads%s", m->vcpus[i]->index,
			t->blocked_on ? t->blocked_on : "a serial or debug port's other end", rate);

		vh_fact_ground(facts, f, "task.wchan", vh_subject_tid(t->tid).s);
		vh_fact_ground(facts, f, "task.stack", vh_subject_tid(t->tid).s);
		vh_fact_ground(facts, f, "task.status", vh_subject_tid(t->tid).s);
	}
}

/* A reboot is one reset; a guest that resets itself again within the moments of a session is in a
 * loop (a triple fault resets, target/i386 and KVM_EXIT_SHUTDOWN). */
static void reset_facts(struct vh_facts *facts)
{
	const struct vh_monitor_view *v = &facts->model->monitor;
	size_t n = 0;

	for (size_t i = 0; i < v->n_events; i++)
		n += vh_streq(v->events[i].name, "RESET");
	if (n >= 2)
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_RESETS, -1, (double)n,
				"the guest was reset %zu times while it was looked at", n),
			"qmp.event", "RESET");
}

static void drive_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_drives; i++) {
		const struct vh_drive_view *d = &m->drives[i];
		const char *name = d->name ? d->name : "?";
		vh_auto_free char *file = d->file ? vh_asprintf(" (%s)", d->file) : vh_strdup("");
		struct vh_fact *f = NULL;

		if (vh_streq(d->io_status, "nospace"))
			f = vh_fact_add(facts, VH_FACT_DRIVE_NO_SPACE, -1, i,
				"drive %s%s has no space left on the host", name, file);
		else if (vh_streq(d->io_status, "failed"))
			f = vh_fact_add(facts, VH_FACT_DRIVE_FAILED, -1, i,
				"requests of drive %s%s fail", name, file);
		if (!f)
			continue;
		vh_fact_ground(facts, f, "qmp.query-block", NULL);
		vh_fact_ground(facts, f, "pasted.hmp-block", NULL);
	}
}

static void option_facts(struct vh_facts *facts)
{
	const struct vh_vm *vm = facts->model->vm;

	if (vm->no_reboot)
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_OPTION_NO_REBOOT, -1, NAN,
				"it was started so that a reset ends it (-no-reboot)"),
			"proc.cmdline", NULL);
	if (vm->start_paused)
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_OPTION_PAUSED_AT_START, -1, NAN,
				"it was started paused (-S)"),
			"proc.cmdline", NULL);
	if (vm->libvirt.reason && vm->libvirt.state)
		vh_fact_add(facts, VH_FACT_LIBVIRT_REASON, -1, NAN, "libvirt says: %s (%s)",
			vm->libvirt.state, vm->libvirt.reason);
	/* Of a pasted text: a live VM has a process. */
	if (facts->model->pasted && vh_streq(vm->libvirt.state, "shut off") &&
		(vh_streq(vm->libvirt.reason, "crashed") || vh_streq(vm->libvirt.reason, "failed")))
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_PROCESS_GONE, -1, NAN,
				"no process runs it any more: it is shut off (%s)",
				vm->libvirt.reason),
			"pasted.domstate", NULL);
}

/* Did asking change what it was asked about? Compares the looks before and after the monitor. */
static void probe_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_vcpus; i++) {
		const struct vh_thread *t = m->vcpus[i]->thread;

		if (!t || !t->first.seen || !t->last.seen || !t->after.seen ||
			t->first.wait != t->last.wait || t->after.wait == t->last.wait)
			continue;
		/* A vCPU that is woken now and then is seen in either state; one that slept through
		 * the window, or ran all through it, is not. */
		bool slept = vh_fact_of(facts, VH_FACT_VCPU_NEVER_WAKES, m->vcpus[i]->index);
		bool held = t->last.wait == VH_WAIT_USERFAULT || t->last.wait == VH_WAIT_FUSE;

		if (!slept && !held)
			continue;
		struct vh_fact *f = vh_fact_add(facts, VH_FACT_PROBE_CHANGED, m->vcpus[i]->index,
			NAN, "vCPU %d went from \"%s\" to \"%s\" while the monitor was asked",
			m->vcpus[i]->index, vh_wait_name(t->last.wait),
			vh_wait_name(t->after.wait));

		vh_fact_ground(facts, f, "task.wchan", vh_subject_tid(t->tid).s);
	}
}

void vh_facts_of_vmm(struct vh_facts *facts)
{
	monitor_facts(facts);
	thread_facts(facts);
	reset_facts(facts);
	drive_facts(facts);
	option_facts(facts);
	probe_facts(facts);
}
