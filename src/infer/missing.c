/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A text holds what its writer thought of. What else would tell the causes apart, as a command. */
#include "infer/missing.h"

#define MAX_STEPS 3
/* What a cause that is the verdict, or one of the others, adds for a piece that would settle it. */
#define OF_VERDICT 6
#define OF_OTHER   3
/* For the registers of vCPUs that run, where those of others are there. */
#define OF_OTHERS_THAT_RUN 10

struct piece {
	const char *text;
	const char *virsh, *plain; /* the command: of a domain of libvirt, of another VM */
	const char *sources[6];    /* any of them: the text has it */
	const char *causes[14];    /* that it would settle or refute; a '*' at the end: begins so */
	int value;                 /* by itself */
	int if_encrypted;          /* added for an encrypted guest */
};

static const struct piece pieces[] = {
	{"the threads, each with its CPU use: which vCPU runs, and which sleep",
		"top -H -b -d 2 -n 2 -p {pid}", "top -H -b -d 2 -n 2 -p {pid}",
		{"pasted.top", "task.stat"}, {"guest-*", "boot-cpu-*", "cpu-*", "firmware-*"}, 10,
		0},
	{"registers of all vCPUs, twice, some seconds apart: they tell work from a spin, and idle "
	 "from "
	 "halted for ever",
		"virsh qemu-monitor-command {name} --hmp 'info registers -a'",
		"echo 'info registers -a' | socat - UNIX-CONNECT:MONITOR-SOCKET",
		{"hmp.info-registers"},
		{"guest-spins*", "boot-cpu-*", "guest-halted-forever", "guest-idle", "guest-busy",
			"guest-kernel-panic", "guest-panic-*", "firmware-*"},
		7, -6},
	{"the VMM's own state: paused, and why, or running", "virsh domstate --reason {name}",
		"echo 'info status' | socat - UNIX-CONNECT:MONITOR-SOCKET",
		{"qmp.query-status", "pasted.hmp-status", "pasted.domstate", "pasted.domstats",
			"pasted.dominfo"},
		{"vm-paused", "paused-*", "never-started", "guest-panicked", "vmm-internal-error",
			"guest-shut-down", "incoming-migration-waits"},
		6, 0},
	{"what makes the vCPUs leave the guest",
		"perf kvm --host stat record -p {pid} sleep 5 && perf kvm --host stat report",
		"perf kvm --host stat record -p {pid} sleep 5 && perf kvm --host stat report",
		{"pasted.perf-kvm-stat", "pasted.trace", "pasted.kvm-stat", "trace.exits"},
		{"guest-spins*", "guest-*-storm", "guest-busy", "boot-cpu-*", "guest-fault-loop"},
		5, 4},
	{"the end of the guest's serial console", "virsh dumpxml {name} | grep -A5 '<serial'", NULL,
		{"log.serial"},
		{"guest-kernel-panic", "guest-panic-*", "firmware-*", "guest-idle", "boot-cpu-*"},
		4, 1},
	{"QEMU's log", "tail -n 100 /var/log/libvirt/qemu/{name}.log", NULL, {"log.qemu"},
		{"vmm-internal-error", "paused-io-error", "guest-triple-fault"}, 3, 1},
	{"what each thread waits in", "grep -H . /proc/{pid}/task/*/wchan",
		"grep -H . /proc/{pid}/task/*/wchan", {"task.wchan", "task.stack"},
		{"vcpu-waits-for-page", "vmm-main-loop-blocked", "vcpu-blocked-on-serial",
			"paused-io-error", "guest-idle", "guest-halted-forever"},
		3, 0},
	{"QEMU's command line: firmware, machine, and whether the guest is encrypted",
		"tr '\\0' ' ' </proc/{pid}/cmdline", "tr '\\0' ' ' </proc/{pid}/cmdline",
		{"proc.cmdline", "libvirt.domain-xml"}, {"boot-cpu-*", "firmware-*"}, 2, 5},
	{"the host's kernel log of KVM and encryption",
		"dmesg | grep -iE 'kvm|sev|ccp|tdx|split.?lock|hung_task|I/O error' | tail -n 50",
		"dmesg | grep -iE 'kvm|sev|ccp|tdx|split.?lock|hung_task|I/O error' | tail -n 50",
		{"host.kmsg"}, {"vmm-internal-error", "guest-triple-fault"}, 1, 5},
	{"the state of its drives", "virsh qemu-monitor-command {name} --hmp 'info block'",
		"echo 'info block' | socat - UNIX-CONNECT:MONITOR-SOCKET",
		{"qmp.query-block", "pasted.hmp-block"}, {"paused-*", "vmm-main-loop-blocked"}, 0,
		0},
};

size_t vh_undumped_vcpus(const struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	size_t n = 0;

	for (size_t i = 0; m->pasted && i < m->n_vcpus; i++)
		n += !m->vcpus[i]->regs[0].valid && !m->vcpus[i]->arm[0].valid &&
		     vh_fact_of(facts, VH_FACT_VCPU_BUSY, m->vcpus[i]->index);
	return n;
}

/* The registers of some vCPUs, but not of all that run. */
static bool is_half_there(const struct vh_facts *facts, const struct piece *p)
{
	return strcmp(p->sources[0], "hmp.info-registers") == 0 && vh_undumped_vcpus(facts);
}

static bool has(const struct vh_case *c, const struct piece *p)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(p->sources) && p->sources[i]; i++)
		if (vh_case_find_data(c, p->sources[i], NULL, VH_N_ROUND))
			return true;
	return false;
}

static bool bears_on(const struct piece *p, const char *cause)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(p->causes) && p->causes[i]; i++) {
		size_t n = strlen(p->causes[i]);
		bool open = p->causes[i][n - 1] == '*';

		if (open ? strncmp(p->causes[i], cause, n - 1) == 0
			 : strcmp(p->causes[i], cause) == 0)
			return true;
	}
	return false;
}

static const char *text_of(const struct vh_facts *facts, const struct piece *p)
{
	if (is_half_there(facts, p) && vh_conf_hides_registers(facts->model->confidential))
		return "registers of all vCPUs: of an encrypted guest the control registers and "
		       "the last event tell what each of them runs";
	return p->text;
}

static int value_of(const struct vh_facts *facts, const struct vh_verdict *v, const struct piece *p)
{
	int value = p->value;

	if (vh_conf_hides_registers(facts->model->confidential))
		value += p->if_encrypted;
	if (is_half_there(facts, p) && has(facts->model->c, p))
		value += OF_OTHERS_THAT_RUN;
	for (size_t i = 0; i < v->n_causes; i++)
		if (bears_on(p, v->causes[i]->rule->id))
			value += v->causes[i] == v->cause ? OF_VERDICT : OF_OTHER;
	return value;
}

void vh_missing_steps(const struct vh_facts *facts, struct vh_verdict *v)
{
	const struct vh_model *m = facts->model;
	bool told[VH_ARRAY_SIZE(pieces)] = {false};
	struct vh_step *next = NULL;
	size_t n = 0;

	if (!m->pasted || (v->cause && v->cause->confidence == VH_CERTAIN))
		return;
	while (n < MAX_STEPS) {
		size_t best = VH_ARRAY_SIZE(pieces);
		int most = 0;

		for (size_t i = 0; i < VH_ARRAY_SIZE(pieces); i++) {
			bool there = has(m->c, &pieces[i]) && !is_half_there(facts, &pieces[i]);
			int value = told[i] || there ? 0 : value_of(facts, v, &pieces[i]);

			if (value > most) {
				most = value;
				best = i;
			}
		}
		if (best == VH_ARRAY_SIZE(pieces))
			break;
		told[best] = true;
		VH_PUSH(next, n) = (struct vh_step){
			vh_asprintf("add to the text: %s", text_of(facts, &pieces[best])),
			vh_strdup(
				m->vm->libvirt.managed ? pieces[best].virsh : pieces[best].plain)};
	}
	for (size_t i = 0; i < v->n_next; i++)
		VH_PUSH(next, n) = v->next[i];
	free(v->next);
	v->next = next;
	v->n_next = n;
}
