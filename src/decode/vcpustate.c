/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What KVM keeps of each vCPU (evidence trace.vcpu), and the GHCB pages (guest.ghcb). Of an
 * encrypted guest the first takes the place of a register dump, which QEMU may not have. The parts
 * of SEV are made after the kernel's sources; no hardware here has tested them.
 */
#include "decode/decoder.h"

#define MP_STATE_HALTED 3 /* linux/kvm.h, KVM_MP_STATE_HALTED */

static bool hex_of(struct json_object *o, const char *key, uint64_t *value)
{
	return vh_parse_u64(vh_str(vh_json_string(o, key, "")), 0, value);
}

static bool read_state(struct json_object *o, struct vh_kvm_state *s)
{
	struct json_object *regs = vh_json_at(o, "regs", NULL);
	int64_t mp_state;

	if (!hex_of(o, "cr0", &s->cr0) || !hex_of(o, "cr4", &s->cr4) ||
		!hex_of(o, "efer", &s->efer) || !vh_json_i64(o, "mp_state", &mp_state) ||
		mp_state < 0 || mp_state > 1000 || !json_object_is_type(regs, json_type_array) ||
		json_object_array_length(regs) != VH_ARRAY_SIZE(s->regs))
		return false;
	for (size_t i = 0; i < VH_ARRAY_SIZE(s->regs); i++) {
		struct json_object *value = json_object_array_get_idx(regs, i);

		if (!json_object_is_type(value, json_type_string) ||
			!vh_parse_u64(vh_str(json_object_get_string(value)), 0, &s->regs[i]))
			return false;
	}
	s->mp_state = (int)mp_state;
	s->is_protected = vh_json_bool(o, "protected", false);
	hex_of(o, "cr0_owned", &s->cr0_owned);
	hex_of(o, "cr4_owned", &s->cr4_owned);
	s->has_ghcb = hex_of(o, "ghcb_gpa", &s->ghcb_gpa);
	return true;
}

/* As a dump of KVM's answer for a protected vCPU is: what it does not have is zero. */
static struct vh_registers as_dump(const struct vh_kvm_state *s)
{
	return (struct vh_registers){.valid = true,
		.has_segments = true,
		.rax = s->regs[0],
		.rcx = s->regs[1],
		.rdx = s->regs[2],
		.rbx = s->regs[3],
		.rsi = s->regs[6],
		.rip = s->regs[16],
		.rflags = 2,
		.hlt = s->mp_state == MP_STATE_HALTED,
		.cr0 = s->cr0,
		.cr4 = s->cr4,
		.efer = s->efer};
}

static void take_state(struct vh_decoder *d, struct json_object *o)
{
	struct vh_kvm_state s = {.seen = true};
	int64_t index;

	if (!vh_json_i64(o, "vcpu", &index) || index < 0 || !read_state(o, &s))
		return;
	struct vh_vcpu *v = vh_vcpu_find(d->m, (uint64_t)index);

	if (!v)
		return;
	v->kvm_state = s;
	if (!s.is_protected || vh_dump_shape_of(&v->regs[0]) == VH_DUMP_BARE)
		return;
	v->regs[0] = as_dump(&s);
	v->regs[1] = (struct vh_registers){0};
	v->regs_status = VH_OK;
	v->regs_by_kvm = true;
	v->n_glimpses = 1;
}

static void take_page(struct vh_decoder *d, const struct vh_evidence *e)
{
	struct vh_str text = vh_str_trim(vh_evidence_text(e));
	uint8_t page[VH_GHCB_PAGE_BYTES];
	uint64_t index, byte;
	struct vh_vcpu *v =
		vh_subject_number("vcpu:", e->subject, &index) ? vh_vcpu_find(d->m, index) : NULL;

	if (!v || !vh_status_has_data(e->status) || text.n != 2 * sizeof(page))
		return;
	for (size_t i = 0; i < sizeof(page); i++) {
		if (!vh_parse_u64((struct vh_str){text.s + 2 * i, 2}, 16, &byte))
			return;
		page[i] = (uint8_t)byte;
	}
	v->has_ghcb_page = vh_ghcb_page_parse(page, sizeof(page), &v->ghcb_page);
}

void vh_decode_vcpu_state(struct vh_decoder *d)
{
	vh_auto_json struct json_object *o = vh_seek_json(&d->in, "trace.vcpu", "", VH_N_ROUND);
	struct json_object *list = vh_json_at(o, "vcpus", NULL);
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	size_t begin, end;

	for (size_t i = 0; i < VH_MIN(n, VH_MAX_VCPUS); i++)
		take_state(d, json_object_array_get_idx(list, i));
	vh_lookup_source(&d->in, "guest.ghcb", &begin, &end);
	for (size_t i = begin; i < end; i++)
		take_page(d, d->in.list[i].e);
}
