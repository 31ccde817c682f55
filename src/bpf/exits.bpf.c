/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The BPF programs: one an event, in two ways. Raw tracepoints hand over the arguments of the
 * kernel's trace_...() call and cost the least, but what those are is the kernel's own business:
 * user space (src/collect/trace_bpf.c) compares them with the kernel's BTF and takes the classic
 * tracepoint, whose fields it looks up in tracefs, where they are others.
 *
 * Nothing of the kernel is declared here: what is read of its structures comes as offsets.
 */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#include "bpf/config.h"

const volatile struct vh_bpf_config config = {};
volatile struct vh_bpf_control control = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VH_TID_SLOTS);
	__type(key, __u32);
	__type(value, struct vh_tid_slot);
} tids SEC(".maps");

/* User space maps these (Linux 5.5), and says how many elements the next three have. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vh_vcpu_state);
} states SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vh_key_slot);
} keys SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vh_exit_slot);
} exits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VH_SHARED_ENTRIES);
	__type(key, struct vh_shared_key);
	__type(value, __u64);
} shared SEC(".maps");

/* How often `shared` was full. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} shared_missed SEC(".maps");

static inline __u64 vh_op_now(void *ops)
{
	(void)ops;
	return bpf_ktime_get_ns();
}
static inline struct vh_key_slot *vh_op_key_slot(void *ops, __u32 index)
{
	(void)ops;
	return bpf_map_lookup_elem(&keys, &index);
}
static inline struct vh_exit_slot *vh_op_exit_slot(void *ops, __u32 index)
{
	(void)ops;
	return bpf_map_lookup_elem(&exits, &index);
}
static inline void vh_op_shared(void *ops, const struct vh_shared_key *key)
{
	__u64 zero = 0, *count = bpf_map_lookup_elem(&shared, key);
	__u32 first = 0;

	(void)ops;
	if (!count) {
		/* Another CPU may be quicker: then it is there, which is as good. */
		bpf_map_update_elem(&shared, key, &zero, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&shared, key);
	}
	if (!count)
		count = bpf_map_lookup_elem(&shared_missed, &first);
	if (count)
		__sync_fetch_and_add(count, 1);
}

#define VH_CORE_CALL static __attribute__((noinline, unused))
#include "bpf/exits_core.h"

/* The epoch to count in; false: nothing is to be counted yet. */
static inline _Bool is_armed(__u32 *epoch)
{
	*epoch = control.epoch;
	return control.armed;
}

/* Where a tid is, if not in its first place; -1. */
static __attribute__((noinline)) int thread_behind(__u32 tid)
{
	for (__u32 i = 1; i < VH_N_PROBES; i++) {
		__u32 at = (tid + i) & (VH_TID_SLOTS - 1);
		struct vh_tid_slot *slot = bpf_map_lookup_elem(&tids, &at);

		if (!slot || !slot->tid)
			return -1;
		if (slot->tid == tid)
			return (int)slot->thread;
	}
	return -1;
}

/* The index of a traced thread, or -1. */
static __attribute__((always_inline)) inline int thread_of(__u32 tid)
{
	__u32 at = tid & (VH_TID_SLOTS - 1);
	struct vh_tid_slot *slot = bpf_map_lookup_elem(&tids, &at);

	if (!slot || !slot->tid)
		return -1;
	return slot->tid == tid ? (int)slot->thread : thread_behind(tid);
}

static __attribute__((always_inline)) inline struct vh_vcpu_state *state_of(
	__u32 tid, __u32 *thread)
{
	int found = thread_of(tid);

	if (found < 0)
		return 0;
	*thread = (__u32)found;
	return bpf_map_lookup_elem(&states, thread);
}

/* False where the current thread is none of the VM's vCPUs. */
static inline _Bool current_vcpu(struct vh_core *c)
{
	__u64 id = bpf_get_current_pid_tgid();

	if (id >> 32 != config.tgid)
		return 0;
	c->state = state_of((__u32)id, &c->thread);
	if (!c->state || !is_armed(&c->epoch))
		return 0;
	c->ops = 0;
	c->slots = config.slots;
	return 1;
}

static inline _Bool current_is_of_vm(__u32 *epoch)
{
	return bpf_get_current_pid_tgid() >> 32 == config.tgid && is_armed(epoch);
}

/* One field of a classic tracepoint's record; 0 where this kernel's event has none. */
static inline __u64 field(const void *record, const volatile struct vh_tp_field *f)
{
	__u32 size = f->size;
	union {
		__u64 value;
		__s8 byte;
		__s16 half;
		__s32 word;
	} read = {0};

	if (!size || size > 8)
		return 0;
	bpf_probe_read_kernel(&read, size, record + f->offset);
	if (!f->is_signed)
		return read.value;
	return size == 1   ? (__u64)(__s64)read.byte
	       : size == 2 ? (__u64)(__s64)read.half
	       : size == 4 ? (__u64)(__s64)read.word
			   : read.value;
}

#define ARG(n) (ctx->args[n])

/* A raw program: the fields of src/bpf/events.h by position, out of the arguments. */
#define RAW(tp, event, ...)                                                                        \
	SEC("raw_tp/" #event)                                                                      \
	int raw_##event(struct bpf_raw_tracepoint_args *ctx)                                       \
	{                                                                                          \
		struct vh_core c;                                                                  \
                                                                                                   \
		(void)ctx;                                                                         \
		if (current_vcpu(&c)) {                                                            \
			const __u64 f[VH_TP_FIELDS] = {__VA_ARGS__};                               \
                                                                                                   \
			vh_on_event(&c, tp, f);                                                    \
		}                                                                                  \
		return 0;                                                                          \
	}

/* What a classic program must return: with 0 the kernel keeps the event from every perf event that
 * is open on the tracepoint, of whomever (kernel/events/core.c, perf_trace_run_bpf_submit). */
#define LET_OTHERS_SEE 1

/* A classic program, of so many fields. */
#define CLASSIC(tp, event, n)                                                                      \
	SEC("tp/kvm/" #event)                                                                      \
	int tp_##event(void *ctx)                                                                  \
	{                                                                                          \
		struct vh_core c;                                                                  \
                                                                                                   \
		if (!((tp) == VH_TP_EMULATE && control.sampled) && current_vcpu(&c)) {             \
			__u64 f[VH_TP_FIELDS] = {0};                                               \
                                                                                                   \
			for (int i = 0; i < n; i++)                                                \
				f[i] = field(ctx, &config.layout[tp].field[i]);                    \
			vh_on_event(&c, tp, f);                                                    \
		}                                                                                  \
		return LET_OTHERS_SEE;                                                             \
	}

/* arm64: kvm_exit(ret, esr_ec, pc) */
RAW(VH_TP_EXIT, kvm_exit, ARG(1), ARG(2), 0, ARG(0))
RAW(VH_TP_ENTRY, kvm_entry, 0)
RAW(VH_TP_FPU, kvm_fpu, ARG(0))
RAW(VH_TP_USERSPACE_EXIT, kvm_userspace_exit, ARG(0), ARG(1))
RAW(VH_TP_PIO, kvm_pio, ARG(0), ARG(1), ARG(2))
RAW(VH_TP_MMIO, kvm_mmio, ARG(0), ARG(1), ARG(2))
RAW(VH_TP_FAST_MMIO, kvm_fast_mmio, ARG(0))
RAW(VH_TP_MSR, kvm_msr, ARG(0), ARG(1), 0, ARG(3))
RAW(VH_TP_CR, kvm_cr, ARG(0), ARG(1))
RAW(VH_TP_CPUID, kvm_cpuid, ARG(0), ARG(1))
RAW(VH_TP_HYPERCALL, kvm_hypercall, ARG(0))
RAW(VH_TP_HV_HYPERCALL, kvm_hv_hypercall, ARG(0))
RAW(VH_TP_XEN_HYPERCALL, kvm_xen_hypercall, ARG(1))
RAW(VH_TP_INJ_VIRQ, kvm_inj_virq, ARG(0), ARG(1), ARG(2))
RAW(VH_TP_INJ_EXCEPTION, kvm_inj_exception, ARG(0), ARG(1), ARG(2))
RAW(VH_TP_APIC_IPI, kvm_apic_ipi, ARG(0), ARG(1))
RAW(VH_TP_EOI, kvm_eoi, (__s64)(int)ARG(1))
RAW(VH_TP_VMGEXIT_MSR, kvm_vmgexit_msr_protocol_enter, ARG(1))
RAW(VH_TP_VCPU_WAKEUP, kvm_vcpu_wakeup, ARG(0), ARG(1), ARG(2))

CLASSIC(VH_TP_EXIT, kvm_exit, 4)
CLASSIC(VH_TP_ENTRY, kvm_entry, 0)
CLASSIC(VH_TP_FPU, kvm_fpu, 1)
CLASSIC(VH_TP_USERSPACE_EXIT, kvm_userspace_exit, 2)
CLASSIC(VH_TP_PIO, kvm_pio, 3)
CLASSIC(VH_TP_MMIO, kvm_mmio, 3)
CLASSIC(VH_TP_FAST_MMIO, kvm_fast_mmio, 1)
CLASSIC(VH_TP_MSR, kvm_msr, 4)
CLASSIC(VH_TP_CR, kvm_cr, 2)
CLASSIC(VH_TP_CPUID, kvm_cpuid, 2)
CLASSIC(VH_TP_HYPERCALL, kvm_hypercall, 1)
CLASSIC(VH_TP_HV_HYPERCALL, kvm_hv_hypercall, 1)
CLASSIC(VH_TP_XEN_HYPERCALL, kvm_xen_hypercall, 1)
CLASSIC(VH_TP_PAGE_FAULT, kvm_page_fault, 3)
CLASSIC(VH_TP_INJ_VIRQ, kvm_inj_virq, 3)
CLASSIC(VH_TP_INJ_EXCEPTION, kvm_inj_exception, 3)
CLASSIC(VH_TP_APIC_IPI, kvm_apic_ipi, 2)
CLASSIC(VH_TP_EOI, kvm_eoi, 1)
CLASSIC(VH_TP_EMULATE, kvm_emulate_insn, 3)
CLASSIC(VH_TP_VMGEXIT, kvm_vmgexit_enter, 2)
CLASSIC(VH_TP_VMGEXIT_MSR, kvm_vmgexit_msr_protocol_enter, 1)
CLASSIC(VH_TP_VCPU_WAKEUP, kvm_vcpu_wakeup, 3)

/* kvm_vmgexit_enter(vcpu_id, ghcb): the page that the guest shares, laid out as the GHCB
 * specification has it. */
#define GHCB_EXIT_CODE  0x390
#define GHCB_EXIT_INFO1 0x398

SEC("raw_tp/kvm_vmgexit_enter")
int raw_kvm_vmgexit_enter(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 f[VH_TP_FIELDS] = {0};
	struct vh_core c;

	if (!current_vcpu(&c))
		return 0;
	bpf_probe_read_kernel(&f[VH_F_VMGEXIT_CODE], 8, (const void *)ARG(1) + GHCB_EXIT_CODE);
	bpf_probe_read_kernel(&f[VH_F_VMGEXIT_INFO1], 8, (const void *)ARG(1) + GHCB_EXIT_INFO1);
	vh_on_event(&c, VH_TP_VMGEXIT, f);
	return 0;
}

/* Of another vCPU than the sender's: in any thread of the VM, in the sender's context. */
SEC("raw_tp/kvm_apic_accept_irq")
int raw_kvm_apic_accept_irq(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 epoch;

	if (current_is_of_vm(&epoch))
		vh_on_accept(0, epoch, (__u32)ARG(0), ARG(1), ARG(2), ARG(3) & 0xff);
	return 0;
}

SEC("tp/kvm/kvm_apic_accept_irq")
int tp_kvm_apic_accept_irq(void *ctx)
{
	const volatile struct vh_tp_field *f = config.layout[VH_TP_APIC_ACCEPT].field;
	__u32 epoch;

	if (current_is_of_vm(&epoch))
		vh_on_accept(0, epoch, field(ctx, &f[VH_F_ACCEPT_VCPU]),
			field(ctx, &f[VH_F_ACCEPT_DM]), field(ctx, &f[VH_F_ACCEPT_TM]),
			field(ctx, &f[VH_F_ACCEPT_VECTOR]));
	return LET_OTHERS_SEE;
}

SEC("raw_tp/kvm_set_irq")
int raw_kvm_set_irq(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 epoch;

	if (current_is_of_vm(&epoch))
		vh_on_shared(0, epoch, VH_KEY_GSI, VH_TRACE_VM, (__u32)ARG(0), (__u32)ARG(1));
	return 0;
}

SEC("tp/kvm/kvm_set_irq")
int tp_kvm_set_irq(void *ctx)
{
	const volatile struct vh_tp_field *f = config.layout[VH_TP_SET_IRQ].field;
	__u32 epoch;

	if (current_is_of_vm(&epoch))
		vh_on_shared(0, epoch, VH_KEY_GSI, VH_TRACE_VM, field(ctx, &f[VH_F_IRQ_GSI]),
			(__u32)field(ctx, &f[VH_F_IRQ_LEVEL]));
	return LET_OTHERS_SEE;
}

static inline void switched(__u32 prev, __u32 next, __u64 prev_state)
{
	struct vh_vcpu_state *s;
	__u32 thread, epoch;

	if (!is_armed(&epoch))
		return;
	s = prev ? state_of(prev, &thread) : 0;
	if (s)
		vh_on_switch_out(s, bpf_ktime_get_ns(), prev_state);
	s = next ? state_of(next, &thread) : 0;
	if (s)
		vh_on_switch_in(s, bpf_ktime_get_ns());
}

static inline __u32 pid_of(const void *task)
{
	__u32 pid = 0;

	bpf_probe_read_kernel(&pid, sizeof(pid), task + config.pid_offset);
	return pid;
}

static inline __u64 state_in(const void *task)
{
	__u32 state =
		0; /* a long before 5.14; the bits that matter are the low ones (x86, arm64) */

	bpf_probe_read_kernel(&state, sizeof(state), task + config.state_offset);
	return state;
}

/* sched_switch(preempt, prev, next, prev_state); before Linux 5.18 without prev_state. It comes
 * before the switch: prev is current. */
SEC("raw_tp/sched_switch")
int raw_sched_switch(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 prev = id >> 32 == config.tgid ? (__u32)id : 0;
	_Bool preempted = ARG(0) & 1;

	switched(prev, pid_of((const void *)ARG(2)),
		preempted || !prev    ? 0
		: config.state_offset ? state_in((const void *)ARG(1))
				      : (__u32)ARG(3));
	return 0;
}

SEC("tp/sched/sched_switch")
int tp_sched_switch(void *ctx)
{
	const volatile struct vh_tp_field *f = config.layout[VH_TP_SCHED_SWITCH].field;

	/* The bits above stand for "preempted" (include/trace/events/sched.h). */
	switched(field(ctx, &f[VH_F_SWITCH_PREV]), field(ctx, &f[VH_F_SWITCH_NEXT]),
		field(ctx, &f[VH_F_SWITCH_STATE]) & 0xff);
	return LET_OTHERS_SEE;
}

static inline void woken(__u32 tid)
{
	__u32 thread, epoch;
	struct vh_vcpu_state *s = state_of(tid, &thread);

	if (s && is_armed(&epoch))
		vh_on_wake(s, bpf_ktime_get_ns());
}

SEC("raw_tp/sched_wakeup")
int raw_sched_wakeup(struct bpf_raw_tracepoint_args *ctx)
{
	woken(pid_of((const void *)ARG(0)));
	return 0;
}

SEC("tp/sched/sched_wakeup")
int tp_sched_wakeup(void *ctx)
{
	woken(field(ctx, &config.layout[VH_TP_SCHED_WAKEUP].field[VH_F_WAKEUP_PID]));
	return LET_OTHERS_SEE;
}

/* The helpers want it; the LGPL allows it (section 3 of version 2.1). */
char license_of_this[] SEC("license") = "GPL";
