/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts of the run state: what the VMM says it does with the VM, and who holds it there. */
#include "infer/facts_build.h"

#include "base/units.h"

static void runstate_facts(struct vh_facts *facts)
{
	const char *state = facts->model->monitor.run_state;
	static const struct {
		const char *state; /* QEMU qapi/run-state.json RunState, 7.2 and 10.0 */
		enum vh_fact_id fact;
	} rows[] = {
		{"running", VH_FACT_RUNSTATE_RUNNING},
		{"paused", VH_FACT_RUNSTATE_PAUSED},
		{"io-error", VH_FACT_RUNSTATE_IO_ERROR},
		{"internal-error", VH_FACT_RUNSTATE_INTERNAL_ERROR},
		{"guest-panicked", VH_FACT_RUNSTATE_PANICKED},
		{"prelaunch", VH_FACT_RUNSTATE_PRELAUNCH},
		{"inmigrate", VH_FACT_RUNSTATE_INMIGRATE},
		{"shutdown", VH_FACT_RUNSTATE_SHUTDOWN},
		{"postmigrate", VH_FACT_RUNSTATE_POSTMIGRATE},
		{"finish-migrate", VH_FACT_RUNSTATE_FINISH_MIGRATE},
		{"save-vm", VH_FACT_RUNSTATE_SAVE_VM},
		{"restore-vm", VH_FACT_RUNSTATE_RESTORE_VM},
		{"suspended", VH_FACT_RUNSTATE_SUSPENDED},
		{"watchdog", VH_FACT_RUNSTATE_WATCHDOG},
		{"debug", VH_FACT_RUNSTATE_DEBUG},
		{"colo", VH_FACT_RUNSTATE_COLO},
	};
	enum vh_fact_id id = VH_FACT_RUNSTATE_OTHER;

	if (!state)
		return;
	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].state, state) == 0)
			id = rows[i].fact;
	vh_fact_ground(facts,
		vh_fact_add(facts, id, -1, NAN, "the VMM says that the VM is \"%s\"", state),
		"qmp.query-status", NULL);
}

/* QEMU names the stub's character device so (gdbstub), and shows a client behind the address that
 * it listens on: "tcp:127.0.0.1:1234,server=on <-> 127.0.0.1:40112". */
static void debugger_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_chardevs; i++) {
		const struct vh_chardev_view *v = &m->chardevs[i];
		bool connected = strstr(v->filename, "<->") ||
				 (vh_prefix(v->filename, "unix:") && strstr(v->filename, "server"));

		if (!vh_streq(v->label, "gdb") || !connected)
			continue;
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_GDB_CLIENT, -1, NAN,
				"a debugger is connected to the VM's gdb stub: %s", v->filename),
			"qmp.query-chardev", NULL);
		return;
	}
}

static void start_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	if (m->vm->preconfig)
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_OPTION_PRECONFIG, -1, NAN,
				"it was started to be configured before the machine is built "
				"(--preconfig)"),
			"proc.cmdline", NULL);
	if (m->pasted || !m->n_threads)
		return;
	for (size_t i = 0; i < m->n_threads; i++)
		if (m->threads[i]->role == VH_ROLE_VCPU)
			return;
	vh_fact_ground(facts,
		vh_fact_add(facts, VH_FACT_NO_VCPUS_YET, -1, NAN,
			"none of its %zu threads is a vCPU's", m->n_threads),
		"task.stat", NULL);
}

static void job_facts(struct vh_facts *facts)
{
	static const char *const jobs[] = {"saving", "dumping", "creating snapshot"};
	const struct vh_vm *vm = facts->model->vm;

	if (!vh_streq(vm->libvirt.state, "paused"))
		return;
	for (size_t i = 0; i < VH_ARRAY_SIZE(jobs); i++)
		if (vh_streq(vm->libvirt.reason, jobs[i]))
			vh_fact_add(facts, VH_FACT_LIBVIRT_JOB_REASON, -1, NAN,
				"libvirt says that it paused the VM for a job of its own: %s",
				jobs[i]);
}

void vh_facts_of_runstate(struct vh_facts *facts)
{
	runstate_facts(facts);
	debugger_facts(facts);
	start_facts(facts);
	job_facts(facts);
}
