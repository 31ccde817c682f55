/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The counting itself (docs/trace-format.md), for BPF programs and for user space. Whoever includes
 * it supplies, before, how the tables are reached:
 *
 *     __u64 vh_op_now(void *ops)                                     CLOCK_MONOTONIC, ns
 *     struct vh_key_slot *vh_op_key_slot(void *ops, __u32 index)     NULL: no such element
 *     struct vh_exit_slot *vh_op_exit_slot(void *ops, __u32 index)
 *     void vh_op_shared(void *ops, const struct vh_shared_key *key)  adds 1
 *
 * All are static inline. The clock is read only where a time is needed.
 *
 * KVM_RUN begins with kvm_fpu's load (arch/x86/kvm/x86.c, Linux 5.0 on) or, where that event is
 * missing, kvm_entry; it ends with kvm_fpu's unload or kvm_userspace_exit.
 */
#pragma once

#include "bpf/tables.h"

/* BPF programs share one copy of what is long. */
#ifndef VH_CORE_CALL
#define VH_CORE_CALL static inline __attribute__((unused))
#endif
#define VH_CORE static inline __attribute__((always_inline, unused))

/* The thread that an event belongs to, and the tables that count it now. */
struct vh_core {
	void *ops;
	struct vh_vcpu_state *state;
	__u32 thread; /* its index */
	__u32 epoch;
	__u32 slots; /* of one of its tables of keys: a power of two */
};

VH_CORE __u32 vh_key_table(__u32 kind)
{
	switch (kind) {
	case VH_KEY_MMIO: /* firmware that looks for PCI devices reads thousands of addresses */
		return VH_TABLE_MMIO;
	case VH_KEY_RIP:
	case VH_KEY_EMULATED:
		return VH_TABLE_CODE;
	case VH_KEY_FAULT:
	case VH_KEY_FAULT_RIP:
		return VH_TABLE_FAULTS;
	default:
		return VH_TABLE_DEVICES;
	}
}

VH_CORE __u32 vh_core_hash(__u64 a, __u64 b, __u64 c, __u32 kind)
{
	__u64 h = a * 0x9e3779b97f4a7c15ULL;

	h = (h ^ (h >> 32) ^ b) * 0xc2b2ae3d27d4eb4fULL;
	h = (h ^ (h >> 29) ^ c ^ ((__u64)kind << 56)) * 0x9e3779b97f4a7c15ULL;
	return h >> 40;
}

VH_CORE void vh_timing_add(struct vh_tally_timing *t, __u64 ns)
{
	__u64 low = ns & 0xffffffff, high = ns >> 32;
	__u64 square = low * low, cross = low * high;

	if (high) { /* above four seconds: (high * 2^32 + low) squared, a word at a time */
		__u64 shifted = cross << 33;

		square += shifted;
		t->squares[1] += high * high + (cross >> 31) + (square < shifted);
	}
	t->squares[0] += square;
	t->squares[1] += t->squares[0] < square;
	if (!t->timed || ns < t->min_ns)
		t->min_ns = ns;
	if (ns > t->max_ns)
		t->max_ns = ns;
	t->total_ns += ns;
	t->timed++;
}

/* floor(log2(ns)), at most the last element of a histogram. */
VH_CORE __u32 vh_core_log2(__u64 ns)
{
	__u32 n = 0;

	if (ns >> 32) {
		ns >>= 32;
		n += 32;
	}
	if (ns >> 16) {
		ns >>= 16;
		n += 16;
	}
	if (ns >> 8) {
		ns >>= 8;
		n += 8;
	}
	if (ns >> 4) {
		ns >>= 4;
		n += 4;
	}
	if (ns >> 2) {
		ns >>= 2;
		n += 2;
	}
	n += ns >> 1;
	return n < VH_N_LOG2 ? n : VH_N_LOG2 - 1;
}

VH_CORE __u64 vh_core_elapsed(__u64 since, __u64 now)
{
	return now > since ? now - since : 0;
}

/* Books the time up to now on where the thread was, and puts it where it is. */
VH_CORE void vh_core_move(struct vh_vcpu_state *s, __u64 now, __u32 place, __u32 rest)
{
	__u32 old_place = s->place, old_rest = s->rest;

	if (old_place == place && old_rest == rest)
		return;
	/* Told to the BPF verifier, too. */
	if (old_place < VH_N_PLACE && old_rest < VH_N_REST && now > s->since_ns) {
		s->time_ns[old_place][old_rest] += now - s->since_ns;
		s->since_ns = now;
	}
	s->place = place;
	s->rest = rest;
}

/* A thread that has an event of its own runs, whatever was seen of it before. */
VH_CORE void vh_core_place(struct vh_vcpu_state *s, __u64 now, __u32 place)
{
	vh_core_move(s, now, place, VH_REST_ON);
}

/* The slot of a key, whose place is left in it; NULL: no room. */
VH_CORE_CALL struct vh_key_slot *vh_core_find_key(const struct vh_core *c, struct vh_pending *key)
{
	__u32 base = vh_key_base(c->thread, c->epoch, vh_key_table(key->used - 1), c->slots);
	__u32 hash = vh_core_hash(key->value, key->detail, key->reason, key->used);

	for (__u32 i = 0; i < VH_N_PROBES; i++) {
		__u32 index = base + ((hash + i) & (c->slots - 1));
		struct vh_key_slot *slot = vh_op_key_slot(c->ops, index);

		if (!slot)
			return 0;
		if (!slot->used) {
			slot->value = key->value;
			slot->detail = key->detail;
			slot->reason = key->reason;
			slot->used = key->used;
		} else if ((slot->used ^ key->used) | (slot->value ^ key->value) |
			   (slot->detail ^ key->detail) | (slot->reason ^ key->reason)) {
			continue; /* one branch: what verifies it counts them */
		}
		key->slot = index;
		return slot;
	}
	return 0;
}

VH_CORE_CALL struct vh_exit_slot *vh_core_find_exit(const struct vh_core *c, __u64 reason)
{
	__u32 base = vh_exit_base(c->thread, c->epoch);
	/* Reasons are small numbers, and some that begin at 0x400 or 0x80000000. */
	__u32 hash = reason ^ (reason >> 5) ^ (reason >> 26);

	for (__u32 i = 0; i < VH_N_PROBES; i++) {
		struct vh_exit_slot *slot =
			vh_op_exit_slot(c->ops, base + ((hash + i) & (VH_EXIT_SLOTS - 1)));

		if (!slot)
			return 0;
		if (!slot->used) {
			slot->reason = reason;
			slot->used = 1;
		} else if (slot->reason != reason) {
			continue;
		}
		return slot;
	}
	return 0;
}

/* A thread without an event of kvm_entry or kvm_fpu for long: whatever else it does, it does in
 * KVM_RUN. */
VH_CORE void vh_core_is_inside(const struct vh_core *c)
{
	if (c->state->place == VH_PLACE_UNKNOWN)
		vh_core_place(c->state, vh_op_now(c->ops), VH_PLACE_INSIDE);
}

/* Counts a key and leaves it in *key, whoever may want to time it later. False: no room. */
VH_CORE _Bool vh_core_count_in(
	const struct vh_core *c, struct vh_pending *key, __u32 kind, __u64 value, __u64 detail)
{
	struct vh_key_slot *slot;

	vh_core_is_inside(c);
	key->used = kind + 1;
	key->epoch = c->epoch;
	key->value = value;
	key->detail = detail;
	key->reason = c->state->in_exit ? c->state->exit_reason : VH_NO_REASON;
	slot = vh_core_find_key(c, key);
	if (!slot) {
		key->used = 0;
		c->state->missed++;
		return 0;
	}
	slot->timing.count++;
	return 1;
}

VH_CORE void vh_core_count(const struct vh_core *c, __u32 kind, __u64 value, __u64 detail)
{
	struct vh_pending key;

	vh_core_count_in(c, &key, kind, value, detail);
}

/* Counts a key that took ns. */
VH_CORE void vh_core_took(const struct vh_core *c, __u32 kind, __u64 value, __u64 detail, __u64 ns)
{
	struct vh_pending key;
	struct vh_key_slot *slot;

	if (vh_core_count_in(c, &key, kind, value, detail) &&
		(slot = vh_op_key_slot(c->ops, key.slot)))
		vh_timing_add(&slot->timing, ns);
}

/* The end of a pending key. It may have been counted in an epoch that was read since. */
VH_CORE_CALL void vh_core_end(const struct vh_core *c, struct vh_pending *key, __u64 now)
{
	struct vh_key_slot *slot;

	slot = key->epoch == c->epoch ? vh_op_key_slot(c->ops, key->slot)
				      : vh_core_find_key(c, key);
	if (slot)
		vh_timing_add(&slot->timing, vh_core_elapsed(key->at_ns, now));
	key->used = 0;
}

/* Counts a key that lasts until the next kvm_entry. Where that never comes nothing waits for it. */
VH_CORE void vh_core_until_entry(const struct vh_core *c, __u32 kind, __u64 value, __u64 detail)
{
	struct vh_vcpu_state *s = c->state;
	struct vh_pending key;

	if (!vh_core_count_in(c, &key, kind, value, detail) || !s->entries)
		return;
	key.at_ns = vh_op_now(c->ops);
	for (__u32 i = 0; i < VH_N_PENDING; i++)
		if (!s->pending[i].used) {
			s->pending[i] = key;
			return;
		}
}

VH_CORE void vh_on_entry(const struct vh_core *c)
{
	struct vh_vcpu_state *s = c->state;
	__u64 now = vh_op_now(c->ops);
	struct vh_exit_slot *slot;

	s->seen[VH_TP_ENTRY]++;
	s->entries++;
	vh_core_place(s, now, VH_PLACE_GUEST);
	slot = s->in_exit ? vh_core_find_exit(c, s->exit_reason) : 0;
	s->in_exit = 0;
	if (slot) {
		__u64 ns = vh_core_elapsed(s->exit_ns, now);

		vh_timing_add(&slot->timing, ns);
		slot->log2[vh_core_log2(ns)]++;
	}
	if (s->userspace.used)
		vh_core_end(c, &s->userspace, now);
	for (__u32 i = 0; i < VH_N_PENDING; i++)
		if (s->pending[i].used)
			vh_core_end(c, &s->pending[i], now);
}

VH_CORE void vh_on_exit(const struct vh_core *c, __u64 reason, __u64 rip, __u32 isa)
{
	struct vh_vcpu_state *s = c->state;
	__u64 now = vh_op_now(c->ops);
	struct vh_exit_slot *slot;

	s->seen[VH_TP_EXIT]++;
	s->isa = isa;
	s->in_exit = 1;
	s->exit_reason = reason;
	s->exit_ns = now;
	vh_core_place(s, now, VH_PLACE_KVM);
	slot = vh_core_find_exit(c, reason);
	if (slot)
		slot->timing.count++;
	else
		s->missed++;
	vh_core_count(c, VH_KEY_RIP, rip, 0);
}

VH_CORE void vh_on_fpu(const struct vh_core *c, __u64 load)
{
	struct vh_vcpu_state *s = c->state;
	__u64 now = vh_op_now(c->ops);

	s->seen[VH_TP_FPU]++;
	if (!load) {
		vh_core_place(s, now, VH_PLACE_USER);
		return;
	}
	vh_core_place(s, now, s->entries ? VH_PLACE_KVM : VH_PLACE_INSIDE);
	if (s->userspace.used)
		vh_core_end(c, &s->userspace, now);
}

VH_CORE void vh_on_userspace_exit(const struct vh_core *c, __u64 reason, __u64 err)
{
	struct vh_vcpu_state *s = c->state;

	s->seen[VH_TP_USERSPACE_EXIT]++;
	if (s->place != VH_PLACE_USER)
		vh_core_place(s, vh_op_now(c->ops), VH_PLACE_USER);
	/* kvm_fpu has just said so: its time is the one. */
	s->userspace.at_ns = s->since_ns;
	vh_core_count_in(c, &s->userspace, VH_KEY_USERSPACE, reason, (__u32)err);
}

VH_CORE void vh_on_pio(const struct vh_core *c, __u64 rw, __u64 port, __u64 size)
{
	c->state->seen[VH_TP_PIO]++;
	vh_core_until_entry(c, VH_KEY_PIO, port, (rw & 1) | (size & 0xff) << 8);
}

VH_CORE void vh_on_mmio(const struct vh_core *c, __u64 type, __u64 len, __u64 gpa)
{
	struct vh_vcpu_state *s = c->state;
	__u64 detail = (type & 0xff) | (len & 0xff) << 8;

	s->seen[VH_TP_MMIO]++;
	if (type == 2)
		vh_core_until_entry(c, VH_KEY_MMIO, gpa, detail);
	else if (s->in_exit)
		vh_core_took(c, VH_KEY_MMIO, gpa, detail,
			vh_core_elapsed(s->exit_ns, vh_op_now(c->ops)));
	else
		vh_core_count(c, VH_KEY_MMIO, gpa, detail);
}

VH_CORE void vh_on_fast_mmio(const struct vh_core *c, __u64 gpa)
{
	c->state->seen[VH_TP_FAST_MMIO]++;
	vh_core_until_entry(c, VH_KEY_MMIO, gpa, 3);
}

VH_CORE void vh_on_msr(const struct vh_core *c, __u64 write, __u64 ecx, __u64 refused)
{
	c->state->seen[VH_TP_MSR]++;
	vh_core_until_entry(c, VH_KEY_MSR, ecx, (write ? 1 : 0) | (refused ? 2 : 0));
}

/* An event that is a key of its own thread, and takes no time that is told. */
VH_CORE void vh_on_plain(
	const struct vh_core *c, __u32 event, __u32 kind, __u64 value, __u64 detail)
{
	c->state->seen[event]++;
	vh_core_count(c, kind, value, detail);
}

VH_CORE void vh_on_page_fault(const struct vh_core *c, __u64 address, __u64 error, __u64 rip)
{
	__u64 page = address & ~0xfffULL;

	vh_on_plain(c, VH_TP_PAGE_FAULT, VH_KEY_FAULT, page, error);
	vh_core_count(c, VH_KEY_FAULT_RIP, rip, page);
}

VH_CORE void vh_on_virq(const struct vh_core *c, __u64 vector, __u64 soft, __u64 reinjected)
{
	vh_on_plain(c, VH_TP_INJ_VIRQ, VH_KEY_VIRQ, vector, (reinjected ? 1 : 0) | (soft ? 2 : 0));
}

VH_CORE void vh_on_exception(const struct vh_core *c, __u64 vector, __u64 has_error, __u64 error)
{
	vh_on_plain(c, VH_TP_INJ_EXCEPTION, VH_KEY_EXCEPTION, vector,
		has_error ? 1ULL << 32 | (__u32)error : 0);
}

/* kvm_vcpu_wakeup(ns, waited, valid) */
VH_CORE void vh_on_wakeup(const struct vh_core *c, __u64 ns, __u64 waited, __u64 valid)
{
	c->state->seen[VH_TP_VCPU_WAKEUP]++;
	vh_core_took(c, VH_KEY_WAKEUP, !waited, valid ? 1 : 0, ns);
}

/* owner: the receiver's vcpu_id, or VH_TRACE_VM. It may happen in any thread, and in an interrupt.
 */
VH_CORE void vh_on_shared(
	void *ops, __u32 epoch, __u32 kind, __u32 owner, __u64 value, __u64 detail)
{
	struct vh_shared_key key = {
		.epoch = epoch, .kind = kind, .owner = owner, .value = value, .detail = detail};

	vh_op_shared(ops, &key);
}

/* kvm_apic_accept_irq(apicid, dm, tm, vec) */
VH_CORE void vh_on_accept(void *ops, __u32 epoch, __u64 id, __u64 dm, __u64 tm, __u64 vector)
{
	vh_on_shared(ops, epoch, VH_KEY_ACCEPT, id, vector, (dm & 0xff) | (tm ? 0x100 : 0));
}

/* The thread leaves its CPU. state: what it waits in; 0: it would go on. */
VH_CORE void vh_on_switch_out(struct vh_vcpu_state *s, __u64 now, __u64 state)
{
	s->seen[VH_TP_SCHED_SWITCH]++;
	vh_core_move(s, now, s->place, state ? VH_REST_ASLEEP : VH_REST_READY);
}

/* The thread comes to a CPU. Up to now it had none: one that seemed to run (/proc does not tell who
 * runs from who waits to, at the begin; or its leaving was missed) waited. Of a starved thread that
 * is as much as it gets in a second. */
VH_CORE void vh_on_switch_in(struct vh_vcpu_state *s, __u64 now)
{
	s->seen[VH_TP_SCHED_SWITCH]++;
	if (s->rest == VH_REST_ON)
		s->rest = VH_REST_READY;
	vh_core_move(s, now, s->place, VH_REST_ON);
}

VH_CORE void vh_on_wake(struct vh_vcpu_state *s, __u64 now)
{
	s->seen[VH_TP_SCHED_WAKEUP]++;
	if (s->rest == VH_REST_ASLEEP)
		vh_core_move(s, now, s->place, VH_REST_READY);
}

/* What decode takes for the reason. arm64's kvm_exit tells the class of a trap (ret 2) alone; what
 * else ended the run (0 an interrupt, 1 SError, 3 illegal state) is 0x100 + ret. */
VH_CORE __u64 vh_exit_reason_of(__u64 isa, __u64 reason, __u64 ret)
{
	ret &= 0x7fffffff;
	return isa || ret == 2 ? reason : 0x100 + ret;
}

/*
 * Any event of a thread but those of the scheduler and the shared ones (kvm_apic_accept_irq,
 * kvm_set_irq); f by position, as src/bpf/events.h lists them, 0 where this kernel has no such
 * field.
 */
VH_CORE void vh_on_event(const struct vh_core *c, __u32 tp, const __u64 *f)
{
	switch (tp) {
	case VH_TP_EXIT:
		return vh_on_exit(c,
			vh_exit_reason_of(f[VH_F_EXIT_ISA], f[VH_F_EXIT_REASON], f[VH_F_EXIT_RET]),
			f[VH_F_EXIT_RIP], f[VH_F_EXIT_ISA]);
	case VH_TP_ENTRY:
		return vh_on_entry(c);
	case VH_TP_FPU:
		return vh_on_fpu(c, f[VH_F_FPU_LOAD]);
	case VH_TP_USERSPACE_EXIT:
		return vh_on_userspace_exit(c, f[VH_F_USERSPACE_REASON], f[VH_F_USERSPACE_ERRNO]);
	case VH_TP_PIO:
		return vh_on_pio(c, f[VH_F_PIO_RW], f[VH_F_PIO_PORT], f[VH_F_PIO_SIZE]);
	case VH_TP_MMIO:
		return vh_on_mmio(c, f[VH_F_MMIO_TYPE], f[VH_F_MMIO_LEN], f[VH_F_MMIO_GPA]);
	case VH_TP_FAST_MMIO:
		return vh_on_fast_mmio(c, f[VH_F_FAST_MMIO_GPA]);
	case VH_TP_MSR:
		return vh_on_msr(c, f[VH_F_MSR_WRITE], f[VH_F_MSR_ECX], f[VH_F_MSR_EXCEPTION]);
	case VH_TP_CR:
		return vh_on_plain(c, tp, VH_KEY_CR, f[VH_F_CR_CR], f[VH_F_CR_RW] & 1);
	case VH_TP_CPUID:
		return vh_on_plain(
			c, tp, VH_KEY_CPUID, f[VH_F_CPUID_FUNCTION], f[VH_F_CPUID_INDEX]);
	case VH_TP_HYPERCALL:
		return vh_on_plain(c, tp, VH_KEY_HYPERCALL, f[VH_F_HYPERCALL_NR], 0);
	case VH_TP_HV_HYPERCALL:
		return vh_on_plain(c, tp, VH_KEY_HV_HYPERCALL, f[VH_F_HYPERCALL_NR], 0);
	case VH_TP_XEN_HYPERCALL:
		return vh_on_plain(c, tp, VH_KEY_XEN_HYPERCALL, f[VH_F_HYPERCALL_NR], 0);
	case VH_TP_PAGE_FAULT:
		return vh_on_page_fault(
			c, f[VH_F_FAULT_ADDRESS], f[VH_F_FAULT_ERROR], f[VH_F_FAULT_RIP]);
	case VH_TP_INJ_VIRQ:
		return vh_on_virq(
			c, f[VH_F_VIRQ_VECTOR], f[VH_F_VIRQ_SOFT], f[VH_F_VIRQ_REINJECTED]);
	case VH_TP_INJ_EXCEPTION:
		return vh_on_exception(c, f[VH_F_EXCEPTION_VECTOR], f[VH_F_EXCEPTION_HAS_ERROR],
			f[VH_F_EXCEPTION_ERROR]);
	case VH_TP_APIC_IPI:
		return vh_on_plain(
			c, tp, VH_KEY_IPI, (__u32)f[VH_F_IPI_ICR_LOW], (__u32)f[VH_F_IPI_DEST]);
	case VH_TP_EOI:
		return vh_on_plain(c, tp, VH_KEY_EOI, f[VH_F_EOI_VECTOR], 0);
	case VH_TP_EMULATE:
		return vh_on_plain(c, tp, VH_KEY_EMULATED,
			f[VH_F_EMULATE_RIP] + f[VH_F_EMULATE_CSBASE], f[VH_F_EMULATE_FAILED] & 1);
	case VH_TP_VMGEXIT:
		return vh_on_plain(c, tp, VH_KEY_NAE, f[VH_F_VMGEXIT_CODE], f[VH_F_VMGEXIT_INFO1]);
	case VH_TP_VMGEXIT_MSR:
		return vh_on_plain(c, tp, VH_KEY_NAE_MSR, f[VH_F_VMGEXIT_GHCB], 0);
	case VH_TP_VCPU_WAKEUP:
		return vh_on_wakeup(
			c, f[VH_F_WAKEUP_NS], f[VH_F_WAKEUP_WAITED], f[VH_F_WAKEUP_VALID]);
	}
}
