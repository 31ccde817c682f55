/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

#include "base/clock.h"

bool vh_vmm_holds_guest(const struct vh_facts *facts)
{
	static const enum vh_fact_id held[] = {VH_FACT_RUNSTATE_PAUSED, VH_FACT_RUNSTATE_IO_ERROR,
		VH_FACT_RUNSTATE_INTERNAL_ERROR, VH_FACT_RUNSTATE_PANICKED,
		VH_FACT_RUNSTATE_PRELAUNCH, VH_FACT_RUNSTATE_INMIGRATE, VH_FACT_RUNSTATE_SHUTDOWN,
		VH_FACT_RUNSTATE_POSTMIGRATE, VH_FACT_RUNSTATE_FINISH_MIGRATE,
		VH_FACT_RUNSTATE_SAVE_VM, VH_FACT_RUNSTATE_RESTORE_VM, VH_FACT_RUNSTATE_SUSPENDED,
		VH_FACT_RUNSTATE_WATCHDOG, VH_FACT_RUNSTATE_DEBUG, VH_FACT_RUNSTATE_COLO,
		VH_FACT_RUNSTATE_OTHER};

	for (size_t i = 0; i < VH_ARRAY_SIZE(held); i++)
		if (vh_fact(facts, held[i]))
			return true;
	return false;
}

bool vh_guest_is_visible(const struct vh_facts *facts)
{
	static const enum vh_fact_id outside[] = {VH_FACT_PROCESS_GONE, VH_FACT_CANNOT_END,
		VH_FACT_DUMPS_CORE, VH_FACT_PROCESS_STOPPED, VH_FACT_MAIN_TRACED,
		VH_FACT_VCPU_TRACED, VH_FACT_CGROUP_FROZEN};

	for (size_t i = 0; i < VH_ARRAY_SIZE(outside); i++)
		if (vh_fact(facts, outside[i]))
			return false;
	return !vh_vmm_holds_guest(facts);
}

static const struct vh_vcpu *vcpu_of(const struct vh_facts *facts, int vcpu)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_vcpus; i++)
		if (m->vcpus[i]->index == vcpu)
			return m->vcpus[i];
	return NULL;
}

bool vh_registers_known(const struct vh_facts *facts, int vcpu)
{
	const struct vh_vcpu *v = vcpu_of(facts, vcpu);

	return v && v->regs[0].valid && v->regs_are_guest;
}

unsigned vh_looks_at_registers(const struct vh_facts *facts, int vcpu)
{
	const struct vh_vcpu *v = vcpu_of(facts, vcpu);

	return v ? v->n_glimpses : 0;
}

enum vh_stage vh_stage_seen(const struct vh_facts *facts, int vcpu)
{
	const struct vh_fact *f = vh_fact_of(facts, VH_FACT_VCPU_STAGE, vcpu);

	return f ? (enum vh_stage)(int)f->value : VH_STAGE_UNKNOWN;
}

bool vh_boot_cpu_in_firmware(const struct vh_facts *facts)
{
	enum vh_stage stage = vh_stage_seen(facts, 0);

	return stage == VH_STAGE_UNKNOWN || vh_stage_is_firmware(stage);
}

const struct vh_fact *vh_runs_all_it_can(const struct vh_facts *facts, int vcpu)
{
	const struct vh_fact *busy = vh_fact_of(facts, VH_FACT_VCPU_BUSY, vcpu);

	return busy ? busy : vh_fact_of(facts, VH_FACT_VCPU_STARVED, vcpu);
}

/* Of a vCPU for which the other fact holds as well, and whose interrupts are off. */
static const struct vh_fact *closed_loop(const struct vh_facts *facts, enum vh_fact_id other)
{
	for (size_t i = 0; i < facts->n; i++) {
		const struct vh_fact *f = facts->list[i];

		if (f->id == VH_FACT_VCPU_CLOSED_LOOP && vh_fact_of(facts, other, f->vcpu) &&
			vh_fact_of(facts, VH_FACT_VCPU_IRQS_OFF, f->vcpu))
			return f;
	}
	return NULL;
}

const struct vh_fact *vh_starved_in_a_closed_loop(const struct vh_facts *facts)
{
	return closed_loop(facts, VH_FACT_VCPU_STARVED);
}

const struct vh_fact *vh_dead_loop(const struct vh_facts *facts)
{
	const struct vh_fact *busy = closed_loop(facts, VH_FACT_VCPU_BUSY);

	return busy ? busy : vh_starved_in_a_closed_loop(facts);
}

int64_t vh_vcpu_ran_ns(const struct vh_facts *facts, int vcpu)
{
	const struct vh_vcpu *v = vcpu_of(facts, vcpu);

	if (!v || !v->thread || !v->thread->last.seen)
		return 0;
	return VH_MAX(v->thread->last.cpu_ns, 0);
}

const struct vh_fact *vh_many_shutdowns(const struct vh_facts *facts)
{
	const struct vh_fact *f = vh_fact(facts, VH_FACT_VCPU_SHUTDOWNS);

	return f && f->value >= 2 ? f : NULL;
}

int vh_first_vcpu(const struct vh_facts *facts, enum vh_fact_id id)
{
	const struct vh_fact *f = vh_fact(facts, id);

	return f ? f->vcpu : -1;
}

void vh_for_all(struct vh_judgement *j, const struct vh_facts *facts, enum vh_weight weight,
	enum vh_fact_id id)
{
	for (size_t i = 0; i < facts->n; i++)
		if (facts->list[i]->id == id)
			vh_for(j, weight, facts->list[i]);
}

void vh_title_of_spin(
	struct vh_judgement *j, const struct vh_facts *facts, int vcpu, const char *interrupts)
{
	enum vh_stage stage = vh_stage_seen(facts, vcpu);
	bool known = stage != VH_STAGE_UNKNOWN;

	vh_title(j, "vCPU %d spins with interrupts %s%s%s", vcpu, interrupts, known ? " in " : "",
		known ? vh_stage_title(stage) : "");
}

void vh_next_monitor(struct vh_judgement *j, const struct vh_facts *facts, const char *virsh,
	const char *qmp, const char *text)
{
	const struct vh_vm *vm = facts->model->vm;

	if (vm->libvirt.managed) {
		vh_auto_free char *command = vh_asprintf("virsh %s {name}", virsh);

		vh_next(j, command, "%s", text);
		return;
	}
	for (size_t i = 0; i < vm->n_monitors; i++) {
		const struct vh_monitor_addr *m = &vm->monitors[i];

		if (m->kind != VH_MONITOR_QMP || !vh_prefix(m->address, "unix:"))
			continue;
		vh_auto_free char *command = vh_asprintf(
			"printf '%%s' '{\"execute\":\"qmp_capabilities\"}{\"execute\":\"%s\"}' | "
			"socat -t2 - UNIX-CONNECT:{socket}",
			qmp);

		vh_next(j, command, "%s", text);
		return;
	}
	vh_next(j, NULL, "%s (monitor command \"%s\")", text, qmp);
}

/* Firmware that is well is through with so much CPU time, emulated or not (OVMF under TCG: 6 s),
 * and so is the part of a kernel's start that runs with interrupts off. */
#define BOOT_NS (10 * VH_NS_PER_S)

/* That the VM was started a short while ago, and has hardly run since; or NULL. In real mode a
 * small system may live for good. */
static const struct vh_fact *just_started(const struct vh_facts *facts)
{
	enum vh_stage stage = vh_stage_seen(facts, 0);
	int64_t ran_ns = vh_vcpu_ran_ns(facts, 0);

	return stage != VH_STAGE_UNKNOWN && stage != VH_STAGE_REAL_MODE && ran_ns > 0 &&
			       ran_ns < BOOT_NS
		       ? vh_fact(facts, VH_FACT_VM_YOUNG)
		       : NULL;
}

const struct vh_fact *vh_young_firmware(const struct vh_facts *facts)
{
	enum vh_stage stage = vh_stage_seen(facts, 0);

	return stage == VH_STAGE_LINUX_DECOMPRESSOR ||
			       (vh_stage_is_firmware(stage) && stage != VH_STAGE_RESET)
		       ? just_started(facts)
		       : NULL;
}

/* A CPU that comes up has its timer's ticks once others count them. */
static bool stands_without_ticks(const struct vh_facts *facts)
{
	for (size_t i = 0; i < facts->n; i++)
		if (facts->list[i]->id == VH_FACT_INSIDE_CLOCK_LAG &&
			vh_fact_of(facts, VH_FACT_VCPU_RIP_FIXED, facts->list[i]->vcpu))
			return true;
	return false;
}

void vh_doubt_spin_while_booting(
	struct vh_judgement *j, const struct vh_facts *facts, bool dead_loop)
{
	const struct vh_fact *kernel = vh_fact(facts, VH_FACT_KERNEL_YOUNG);
	const struct vh_fact *young = just_started(facts);

	if ((!kernel && !young) || dead_loop || vh_fact(facts, VH_FACT_TEXT_LOCKUP) ||
		vh_fact(facts, VH_FACT_TEXT_PANIC) || stands_without_ticks(facts))
		return;
	vh_against(j, VH_STRONG, kernel ? kernel : young);
	vh_at_most(j, VH_POSSIBLE,
		kernel ? "the kernel came up a short while ago, and wrote to its console within "
			 "the window"
		       : "the VM was started a short while ago: firmware and kernels wait in such "
			 "loops, too, while they come up");
}

void vh_doubt_health_without_storage(struct vh_judgement *j, const struct vh_facts *facts)
{
	static const enum vh_fact_id silent[] = {VH_FACT_STORAGE_SILENT, VH_FACT_REQUEST_UNANSWERED,
		VH_FACT_NBD_UNANSWERED, VH_FACT_REQUEST_NOT_TAKEN, VH_FACT_ANSWER_NOT_SEEN};
	static const enum vh_fact_id failing[] = {VH_FACT_NBD_RECONNECTS, VH_FACT_VIRTIO_BROKEN,
		VH_FACT_VHOST_USER_GONE, VH_FACT_VHOST_USER_STOPPED, VH_FACT_REQUESTS_FAIL,
		VH_FACT_DRIVE_THROTTLED};

	for (size_t i = 0; i < VH_ARRAY_SIZE(silent); i++)
		if (vh_fact(facts, silent[i])) {
			vh_at_most(j, VH_POSSIBLE,
				"a request to its storage got no answer all the while it was "
				"watched: what runs in the guest may wait for it");
			return;
		}
	for (size_t i = 0; i < VH_ARRAY_SIZE(failing); i++)
		if (vh_fact(facts, failing[i])) {
			vh_at_most(j, VH_POSSIBLE, "one of its drives does not serve it");
			return;
		}
}

void vh_doubt_health_of_unseen_drives(struct vh_judgement *j, const struct vh_facts *facts)
{
	static const char *const protocols[] = {"nbd:", "nbd+",
		"rbd:", "iscsi:", "ssh:", "sheepdog:", "gluster", "http:", "https:", "nfs:"};
	const struct vh_vm *vm = facts->model->vm;

	for (size_t i = 0; i < vm->n_drives; i++)
		for (size_t k = 0; k < VH_ARRAY_SIZE(protocols); k++)
			if (vh_prefix(vm->drives[i].file, protocols[k])) {
				vh_at_most(j, VH_LIKELY,
					"a drive of it is served over a connection: whether a "
					"request hangs "
					"there was not seen");
				return;
			}
}

void vh_doubt_health_of_kernel(struct vh_judgement *j, const struct vh_facts *facts)
{
	static const struct {
		enum vh_fact_id fact;
		const char *why;
	} rows[] = {
		{VH_FACT_TEXT_HUNG_TASK, "a task in it hangs, as its kernel says"},
		{VH_FACT_INSIDE_ON_STORAGE, "a task in it has waited for its disk for long"},
		{VH_FACT_INSIDE_ON_FILE_SERVER,
			"a task in it has waited for a file server for long"},
		{VH_FACT_INSIDE_ON_FREEZE, "a file system of it is frozen, and a task waits"},
		{VH_FACT_INSIDE_ON_LOCK, "a task in it has waited for a lock for long"},
		{VH_FACT_INSIDE_ON_RCU, "a task in it has waited for all CPUs for long"},
		{VH_FACT_INSIDE_BLOCKED, "a task in it has waited for long, not to be killed"},
		{VH_FACT_INSIDE_WAITS_FOR_ROOT, "its kernel waits for the root device"},
		{VH_FACT_INSIDE_RESCUE, "it is in rescue or emergency mode"},
		{VH_FACT_INSIDE_DEADLOCK, "tasks in it wait for each other's locks"},
		{VH_FACT_TEXT_OOM_LOOP, "it is out of memory, as its kernel says"},
		{VH_FACT_TEXT_READ_ONLY, "a file system of it is read-only after an error"},
		{VH_FACT_TEXT_WAITS_FOR_ROOT, "its start waits for a device"},
		{VH_FACT_TEXT_INIT_FROZEN, "its init process crashed"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++)
		if (vh_fact(facts, rows[i].fact))
			vh_at_most(j, VH_POSSIBLE, rows[i].why);
}

void vh_next_keep_and_reset(struct vh_judgement *j, const struct vh_facts *facts)
{
	vh_next(j, "vmhang diagnose {name} --save {name}.vmhang",
		"keep this evidence before anybody restarts the VM");
	/* Its registers are sealed, and cannot be set again: QEMU ends such a VM where it is told
	 * to reset it (system/runstate.c, cpus_are_resettable; not the newest). */
	if (vh_fact(facts, VH_FACT_REGISTERS_HIDDEN))
		vh_next(j, NULL,
			"then end it and start it anew: most versions of QEMU cannot reset an "
			"encrypted guest, and end it where they are told to");
	else
		vh_next_monitor(j, facts, "reset", "system_reset",
			"then reset the guest, which loses what it had not written");
}
