/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts of the memory of the VM and of the host, and of what the host's kernel does to both. */
#include "infer/facts_build.h"

#include "base/units.h"

/* A vCPU that works reads in a page now and then; at this rate it is kept from working. */
#define MAJOR_FAULTS_MIN 10.0
/* PSI "some avg10", in per cent: from here on what is lost is felt. */
#define PRESSURE_MIN 20.0
/* Of the guest's memory, swapped out. */
#define SWAPPED_MIN  0.02
#define SWAP_INS_MIN 50.0
/* Of the host's memory. */
#define AVAILABLE_LOW 0.03
#define RECLAIMS_MIN  5.0
/* A second, on the whole host: balancing that settles stays far below (the scanner looks at 256 MB
 * a second and task at most). */
#define NUMA_FAULTS_MIN     20000.0
#define NUMA_MIGRATIONS_MIN 5000.0

static void vcpu_facts(struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_thread *t = v->thread;
	struct vh_fact *f;

	if (!t)
		return;
	if (t->major_faults_per_s >= MAJOR_FAULTS_MIN) {
		f = vh_fact_add(facts, VH_FACT_VCPU_MAJOR_FAULTS, v->index, t->major_faults_per_s,
			"vCPU %d waited %.0f times a second for a page that had to be read in",
			v->index, t->major_faults_per_s);
		vh_fact_ground(facts, f, "task.stat", vh_subject_tid(t->tid).s);
	}
	if (t->wait == VH_WAIT_MEMORY) {
		f = vh_fact_add(facts, VH_FACT_VCPU_RECLAIMS, v->index, NAN,
			"vCPU %d waits for memory in the host's kernel (%s)", v->index,
			t->last.wchan && t->last.wchan[0] ? t->last.wchan : "?");
		vh_fact_ground(facts, f, "task.stack", vh_subject_tid(t->tid).s);
		vh_fact_ground(facts, f, "task.wchan", vh_subject_tid(t->tid).s);
	}
	if (t->wait == VH_WAIT_SPLIT_LOCK) {
		f = vh_fact_add(facts, VH_FACT_VCPU_SPLIT_LOCK, v->index, NAN,
			"vCPU %d is held back by the host for a split lock (%s)", v->index,
			t->last.wchan && t->last.wchan[0] ? t->last.wchan : "?");
		vh_fact_ground(facts, f, "task.stack", vh_subject_tid(t->tid).s);
		vh_fact_ground(facts, f, "task.wchan", vh_subject_tid(t->tid).s);
	}
}

/* A thread of a post-copy migration, which serves the page faults itself. */
static bool serves_faults(const struct vh_model *m)
{
	for (size_t i = 0; i < m->n_threads; i++)
		if (m->threads[i]->role == VH_ROLE_MIGRATION)
			return true;
	return m->vm->incoming;
}

static void userfault_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_vcpus && !serves_faults(m); i++) {
		const struct vh_thread *t = m->vcpus[i]->thread;

		if (!t || t->wait != VH_WAIT_USERFAULT)
			continue;
		struct vh_fact *f = vh_fact_add(facts, VH_FACT_USERFAULT_UNSERVED,
			m->vcpus[i]->index, NAN,
			"vCPU %d waits for a page from a userfaultfd handler, and the VM is in no "
			"post-copy migration",
			m->vcpus[i]->index);

		vh_fact_ground(facts, f, "task.stack", vh_subject_tid(t->tid).s);
		vh_fact_ground(facts, f, "task.wchan", vh_subject_tid(t->tid).s);
	}
}

static void pressure_fact(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	double own = m->cgroup.memory_pressure_avg10, host = m->host.memory.pressure_avg10;

	if (own >= PRESSURE_MIN)
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_MEMORY_PRESSURE, -1, own / 100,
				"tasks of its cgroup waited for memory %.0f %% of the last 10 s",
				own),
			"cgroup.memory.pressure", NULL);
	else if (host >= PRESSURE_MIN)
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_MEMORY_PRESSURE, -1, host / 100,
				"tasks of this host waited for memory %.0f %% of the last 10 s",
				host),
			"host.pressure.memory", NULL);
}

static void host_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	const struct vh_host_memory *h = &m->host.memory;
	int64_t swapped = m->process.swap_bytes;
	struct vh_fact *f;

	if (swapped > 0 && m->vm->memory_bytes &&
		(double)swapped >= SWAPPED_MIN * (double)m->vm->memory_bytes) {
		f = vh_fact_add(facts, VH_FACT_VM_SWAPPED, -1, (double)swapped,
			"%s of the VM's memory are swapped out",
			vh_bytes_text((uint64_t)swapped).s);
		vh_fact_ground(facts, f, "proc.status", NULL);
	}
	if (h->swap_ins >= SWAP_INS_MIN) {
		f = vh_fact_add(facts, VH_FACT_HOST_SWAPS_IN, -1, h->swap_ins,
			"the host read %.0f pages a second back from swap", h->swap_ins);
		vh_fact_ground(facts, f, "host.vmstat", NULL);
	}
	if (h->total_bytes > 0 && h->available_bytes >= 0 &&
		(double)h->available_bytes < AVAILABLE_LOW * (double)h->total_bytes) {
		f = vh_fact_add(facts, VH_FACT_HOST_MEMORY_LOW, -1,
			(double)h->available_bytes / (double)h->total_bytes,
			"of the host's memory %.1f %% are available",
			100.0 * (double)h->available_bytes / (double)h->total_bytes);
		vh_fact_ground(facts, f, "host.meminfo", NULL);
	}
	if (h->direct_reclaims >= RECLAIMS_MIN) {
		f = vh_fact_add(facts, VH_FACT_HOST_RECLAIMS, -1, h->direct_reclaims,
			"tasks of the host had to free memory themselves %.0f times a second "
			"(allocstall)",
			h->direct_reclaims);
		vh_fact_ground(facts, f, "host.vmstat", NULL);
	}
	if (h->numa_faults >= NUMA_FAULTS_MIN) {
		f = vh_fact_add(facts, VH_FACT_NUMA_FAULTS, -1, h->numa_faults,
			"NUMA balancing of the host caused %.0f page faults a second",
			h->numa_faults);
		vh_fact_ground(facts, f, "host.vmstat", NULL);
	}
	if (h->numa_migrations >= NUMA_MIGRATIONS_MIN) {
		f = vh_fact_add(facts, VH_FACT_NUMA_MIGRATES, -1, h->numa_migrations,
			"NUMA balancing of the host moved %.0f pages a second between nodes",
			h->numa_migrations);
		vh_fact_ground(facts, f, "host.vmstat", NULL);
	}
}

static void log_facts(struct vh_facts *facts)
{
	static const struct {
		const char *hit;
		enum vh_fact_id fact;
	} rows[] = {
		{"split-lock", VH_FACT_SPLIT_LOCK_LOG},
		{"host-memory-failure", VH_FACT_MEMORY_POISONED},
		{"helper-oom-kill", VH_FACT_HELPER_OOM_KILLED},
		{"host-oom-kill", VH_FACT_VM_OOM_KILLED},
		{"kvm-run-efault", VH_FACT_KVM_RUN_EFAULT},
	};
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_hits; i++)
		for (size_t k = 0; k < VH_ARRAY_SIZE(rows); k++) {
			const struct vh_log_hit *hit = &m->hits[i];

			if (strcmp(hit->id, rows[k].hit) || vh_fact(facts, rows[k].fact) ||
				hit->kind == VH_LOG_SERIAL)
				continue;
			struct vh_fact *f = vh_fact_add(facts, rows[k].fact, -1, NAN, "%s: \"%s\"",
				hit->meaning, hit->line);

			VH_PUSH(f->evidence, f->n_evidence) = hit->evidence;
		}
}

/* The command line asks for KVM: "-enable-kvm", "-accel kvm", "-machine pc,accel=kvm:tcg". */
static bool asks_for(const struct vh_model *m, const char *accel)
{
	const struct vh_evidence *e = vh_case_find_data(m->c, "proc.cmdline", NULL, VH_N_ROUND);
	struct vh_str all = vh_evidence_text(e), arg;
	bool next = false, found = false;

	while (e && vh_next_part(&all, '\0', &arg)) {
		found |= next && vh_str_find(arg, accel) >= 0;
		found |= vh_str_is(arg, "-enable-kvm") && !strcmp(accel, "kvm");
		next = vh_str_is(arg, "-accel") || vh_str_is(arg, "--accel") ||
		       vh_str_is(arg, "-machine") || vh_str_is(arg, "-M");
	}
	return found;
}

static void accel_fact(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	const struct vh_thread *emulated = NULL;

	for (size_t i = 0; i < m->n_vcpus && !emulated; i++)
		if (m->vcpus[i]->thread && strstr(m->vcpus[i]->thread->name, "/TCG"))
			emulated = m->vcpus[i]->thread;
	if (!emulated || !vh_case_find_data(m->c, "proc.cmdline", NULL, VH_N_ROUND))
		return;
	bool wanted = asks_for(m, "kvm");

	/* Told to emulate, and nothing else: on purpose. */
	if (!wanted && asks_for(m, "tcg"))
		return;
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_EMULATED_CPU, -1, wanted,
		wanted ? "it was started to use KVM, but its vCPUs are emulated (threads CPU n/TCG)"
		       : "it was not told to use KVM, and its vCPUs are emulated (threads CPU "
			 "n/TCG)");

	vh_fact_ground(facts, f, "proc.cmdline", NULL);
	vh_fact_ground(facts, f, "task.stat", vh_subject_tid(emulated->tid).s);
}

void vh_facts_of_memory(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_vcpus; i++)
		vcpu_facts(facts, m->vcpus[i]);
	userfault_facts(facts);
	pressure_fact(facts);
	host_facts(facts);
	log_facts(facts);
	accel_fact(facts);
}
