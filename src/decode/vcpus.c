/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The virtual CPUs: which thread runs each, and what the monitor told of it. */
#include <math.h>

#include "decode/pasted.h"

/* Where the vCPU of that index is, or belongs. */
static size_t position_of(const struct vh_model *m, uint64_t index)
{
	size_t low = 0, high = m->n_vcpus;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if ((uint64_t)m->vcpus[middle]->index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct vh_vcpu *vh_vcpu_find(const struct vh_model *m, uint64_t index)
{
	size_t at = position_of(m, index);

	return at < m->n_vcpus && (uint64_t)m->vcpus[at]->index == index ? m->vcpus[at] : NULL;
}

/* The vCPU of that index, made if it is not there yet; NULL beyond the cap. */
static struct vh_vcpu *vcpu_get(struct vh_model *m, uint64_t index)
{
	struct vh_vcpu *v = vh_vcpu_find(m, index);
	size_t at = position_of(m, index);

	if (v || index >= VH_MAX_VCPUS)
		return v;
	v = vh_alloc(sizeof(*v));
	v->index = (int)index;
	v->regs_status = VH_SKIPPED;
	v->halted = -1;
	VH_PUSH(m->vcpus, m->n_vcpus) = v;
	memmove(&m->vcpus[at + 1], &m->vcpus[at], (m->n_vcpus - 1 - at) * sizeof(*m->vcpus));
	m->vcpus[at] = v;
	return v;
}

static void assign(struct vh_vcpu *v, struct vh_thread *t)
{
	v->thread = t;
	t->role = VH_ROLE_VCPU;
	t->vcpu = v->index;
}

/* A thread that a vCPU thread starts inherits its name (libraries' threads are not renamed), so of
 * several the one that the monitor names, or that was seen in KVM_RUN, or else the oldest, is it.
 */
static bool better(const struct vh_thread *t, const struct vh_thread *than, int64_t told)
{
	if ((t->tid == told) != (than->tid == told))
		return t->tid == told;
	bool a = t->first.in_kvm_run || t->last.in_kvm_run || t->after.in_kvm_run;
	bool b = than->first.in_kvm_run || than->last.in_kvm_run || than->after.in_kvm_run;

	return a && !b;
}

struct told {          /* by query-cpus-fast */
	int64_t *tids; /* by cpu-index; 0 not told */
};

static void assign_by_name(struct vh_model *m, const struct told *told)
{
	uint64_t index;

	for (size_t i = 0; i < m->n_threads; i++) {
		struct vh_thread *t = m->threads[i];

		if (!vh_vcpu_name(t->name, &index) || index >= VH_MAX_VCPUS)
			continue;
		struct vh_vcpu *v = vcpu_get(m, index);

		if (v->thread && !better(t, v->thread, told->tids[index]))
			continue;
		if (v->thread) {
			v->thread->role = VH_ROLE_OTHER;
			v->thread->vcpu = -1;
		}
		assign(v, t);
	}
}

/* Without names: what the monitor says, then the vCPU descriptors that the threads run
 * (anon_inode:kvm-vcpu:K, virt/kvm/kvm_main.c; K is the APIC id, mostly the index). */
static void assign_unnamed(struct vh_decoder *d, const struct told *told)
{
	struct vh_model *m = d->m;

	for (size_t i = 0; i < VH_MAX_VCPUS; i++) {
		struct vh_thread *t = told->tids[i] ? vh_thread_find(m, told->tids[i]) : NULL;
		struct vh_vcpu *v = t && t->vcpu < 0 ? vcpu_get(m, i) : NULL;

		if (v && !v->thread)
			assign(v, t);
	}
	for (size_t i = 0; i < m->n_threads; i++) {
		struct vh_thread *t = m->threads[i];
		vh_auto_free char *subject = vh_asprintf("tid:%d", (int)t->tid);
		struct vh_str fd =
			vh_str_trim(vh_seek_text(&d->in, "task.kvmfd", subject, VH_N_ROUND));
		vh_auto_free char *text = vh_str_dup(fd);
		uint64_t id;

		if (t->vcpu >= 0 || !vh_subject_number("anon_inode:kvm-vcpu:", text, &id))
			continue;
		struct vh_vcpu *v = vcpu_get(m, id);

		if (v && !v->thread)
			assign(v, t);
	}
}

/* Of the window; a thread that is always ready to run reaches 0.9 in spite of sampling. */
#define ALWAYS_READY 0.85

static bool may_be_vcpu(const struct vh_thread *t)
{
	double wait = isnan(t->wait_share) ? 0 : t->wait_share;

	return t->role == VH_ROLE_OTHER && t->vcpu < 0 && t->last.seen && !isnan(t->run_share) &&
	       t->run_share + wait >= ALWAYS_READY;
}

/* A vCPU that runs at each look shows no system call, so that its descriptor is not known. Where as
 * many threads run all the time as vCPUs are missing, they are these, in the order in which they
 * were made. */
static void assign_running(struct vh_model *m)
{
	size_t missing = 0, running = 0, v = 0;

	if (m->vm->accel != VH_ACCEL_KVM)
		return;
	for (size_t i = 0; i < m->n_vcpus; i++)
		missing += !m->vcpus[i]->thread;
	for (size_t i = 0; i < m->n_threads; i++)
		running += may_be_vcpu(m->threads[i]);
	if (!missing || running != missing)
		return;
	for (size_t i = 0; i < m->n_threads; i++) {
		if (!may_be_vcpu(m->threads[i]))
			continue;
		while (m->vcpus[v]->thread)
			v++;
		assign(m->vcpus[v], m->threads[i]);
	}
}

/* TCG without threads of its own for each: one runs them all in turn. */
static void assign_single_tcg(struct vh_model *m)
{
	struct vh_thread *all = NULL;

	for (size_t i = 0; i < m->n_threads && !all; i++)
		if (vh_prefix(m->threads[i]->name, "ALL CPUs/"))
			all = m->threads[i];
	if (!all)
		return;
	if (!m->n_vcpus)
		vcpu_get(m, 0);
	for (size_t i = 0; i < m->n_vcpus; i++)
		if (!m->vcpus[i]->thread)
			m->vcpus[i]->thread = all;
	all->role = VH_ROLE_VCPU;
	all->vcpu = m->vcpus[0]->index;
}

static void read_cpus_fast(struct vh_decoder *d, struct told *told)
{
	vh_auto_json struct json_object *list =
		vh_seek_json(&d->in, "qmp.query-cpus-fast", "", VH_N_ROUND);

	if (!json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *cpu = json_object_array_get_idx(list, i);
		const char *path = vh_json_string(cpu, "qom-path", NULL);
		int64_t tid;
		uint64_t index;

		if (!vh_json_u64(cpu, "cpu-index", &index) || index >= VH_MAX_VCPUS)
			continue;
		struct vh_vcpu *v = vcpu_get(d->m, index);

		if (path && !v->qom_path)
			v->qom_path = vh_strdup(path);
		if (vh_json_i64(cpu, "thread-id", &tid) && tid > 0)
			told->tids[index] = tid;
	}
}

static void add_glimpse(struct vh_vcpu *v, struct vh_glimpse glimpse)
{
	v->regs_status = VH_OK;
	if (v->n_glimpses < VH_MAX_GLIMPSES)
		v->glimpses[v->n_glimpses++] = glimpse;
}

static bool take_arm_registers(struct vh_vcpu *v, struct vh_str text)
{
	struct vh_arm_registers r;

	if (v->regs[0].valid || !vh_arm_registers_parse(text, &r))
		return false;
	v->arm[v->arm[0].valid ? 1 : 0] = r;
	add_glimpse(v, (struct vh_glimpse){.rip = r.pc,
			       .hlt = -1,
			       .irqs_on = vh_arm_irqs_on(&r),
			       .user_mode = vh_arm_el(&r) == 0});
	return true;
}

static void take_registers(struct vh_vcpu *v, const struct vh_evidence *e)
{
	struct vh_registers r;

	if (!vh_status_has_data(e->status) || v->arm[0].valid ||
		!vh_registers_parse(vh_evidence_text(e), &r)) {
		bool taken =
			vh_status_has_data(e->status) && take_arm_registers(v, vh_evidence_text(e));

		if (!taken && !v->regs[0].valid && !v->arm[0].valid)
			v->regs_status = vh_status_has_data(e->status) ? VH_FAILED : e->status;
		return;
	}
	if (!v->regs[0].valid)
		v->regs[0] = r;
	else
		v->regs[1] = r;
	add_glimpse(v, (struct vh_glimpse){.rip = vh_registers_linear_rip(&r),
			       .hlt = r.hlt,
			       .irqs_on = vh_registers_if(&r),
			       .user_mode = r.cpl == 3});
}

static void take_code(struct vh_vcpu *v, const struct vh_evidence *e)
{
	struct vh_str rest = vh_evidence_text(e), address, bytes;
	uint64_t value;

	v->code = (struct vh_code){0};
	if (!vh_next_word(&rest, &address) || !vh_parse_u64(address, 16, &v->code.address))
		return;
	while (vh_next_word(&rest, &bytes))
		for (; bytes.n >= 2 && v->code.n < sizeof(v->code.bytes);
			bytes.s += 2, bytes.n -= 2) {
			if (!vh_parse_u64((struct vh_str){bytes.s, 2}, 16, &value))
				return;
			v->code.bytes[v->code.n++] = (uint8_t)value;
		}
	v->code.seen = v->code.n > 0;
}

static void take_lapic(struct vh_vcpu *v, const struct vh_evidence *e)
{
	v->apic[e->round == VH_ASKED_AGAIN] = vh_apic_read(vh_evidence_text(e));
}

static void take_pic(struct vh_decoder *d)
{
	static const enum vh_round rounds[] = {VH_ASKED, VH_ASKED_AGAIN};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rounds); i++)
		d->m->pic[i] = vh_pic_read(vh_seek_text(&d->in, "hmp.info-pic", NULL, rounds[i]));
}

/* Hands each piece of a source with subject "vcpu:N" to its vCPU, in order. */
static void each_vcpu(struct vh_decoder *d, const char *source, bool with_data_only,
	void (*take)(struct vh_vcpu *v, const struct vh_evidence *e))
{
	size_t begin, end;

	vh_lookup_source(&d->in, source, &begin, &end);
	for (size_t i = begin; i < end; i++) {
		const struct vh_evidence *e = d->in.list[i].e;
		bool has_data = vh_status_has_data(e->status) && e->data;
		uint64_t index;
		struct vh_vcpu *v = vh_subject_number("vcpu:", e->subject, &index)
					    ? vcpu_get(d->m, index)
					    : NULL;

		if (v && (has_data || !with_data_only))
			take(v, e);
	}
}

void vh_decode_vcpus(struct vh_decoder *d)
{
	struct vh_model *m = d->m;
	struct told told = {vh_alloc(VH_MAX_VCPUS * sizeof(*told.tids))};

	read_cpus_fast(d, &told);
	vh_pasted_thread_ids(d, told.tids);
	for (size_t i = 0; d->pasted && i < VH_MAX_VCPUS; i++)
		if (told.tids[i])
			vcpu_get(m, i);
	assign_by_name(m, &told);
	assign_unnamed(d, &told);
	for (unsigned i = 0; i < VH_MIN(m->vm->vcpus, VH_MAX_VCPUS); i++)
		vcpu_get(m, i);
	assign_running(m);
	assign_single_tcg(m);
	each_vcpu(d, "hmp.info-registers", false, take_registers);
	each_vcpu(d, "guest.code", true, take_code);
	each_vcpu(d, "hmp.info-lapic", true, take_lapic);
	take_pic(d);
	if (d->pasted)
		for (size_t i = 0; i < m->n_vcpus; i++)
			m->vcpus[i]->halted = vh_pasted_halted(d, m->vcpus[i]->index);
	for (size_t i = 0; i < m->n_threads; i++)
		vh_thread_decide_wait(m->threads[i]);
	free(told.tids);
}
