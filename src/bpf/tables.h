/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables that exits are counted in, as BPF programs and user space share them: of headers only
 * the kernel's in here.
 */
#pragma once

#include <linux/types.h>

#include "bpf/events.h"
#include "bpf/exits.h"

struct vh_tally_timing {
	__u64 count;
	__u64 timed;
	__u64 total_ns, min_ns, max_ns;
	__u64 squares[2]; /* sum of ns squared: low, high word */
};

/*
 * The tables of a thread. Each belongs to one thread and is written by the events of that thread
 * alone, so there is no lock; an element is found by hashing, and is free while `used` is 0. There
 * are two of each, for even and for odd epochs: what counts reads the epoch once an event; what
 * reads adds 1 to it, waits until no event can still be under way, and has the others for itself.
 */
enum vh_table { /* What may have many different keys must not crowd out what has few. */
	VH_TABLE_DEVICES,
	VH_TABLE_MMIO,
	VH_TABLE_CODE,
	VH_TABLE_FAULTS,
	VH_N_TABLE
};
#define VH_N_PROBES   8  /* places in a table where a key may be */
#define VH_EXIT_SLOTS 64 /* reasons of a thread: a power of two */

struct vh_key_slot {
	__u32 used; /* kind + 1 */
	__u32 spare;
	__u64 value, detail, reason;
	struct vh_tally_timing timing;
};
struct vh_exit_slot {
	__u32 used;
	__u32 spare;
	__u64 reason;
	struct vh_tally_timing timing;
	__u32 log2[VH_N_LOG2];
};

/* What any thread of the VM may count: of the VM as a whole, or of another vCPU than its own. */
struct vh_shared_key {
	__u32 epoch;
	__u32 kind;
	__u32 owner; /* vcpu_id of who received it; VH_TRACE_VM */
	__u32 spare;
	__u64 value, detail;
};

/* A key whose end is waited for. */
struct vh_pending {
	__u32 used; /* kind + 1; 0: none */
	__u32 epoch;
	__u32 slot; /* where it was counted, in that epoch */
	__u32 spare;
	__u64 value, detail, reason;
	__u64 at_ns;
};
#define VH_N_PENDING 4

/* A traced thread. Counters only grow; whoever reads keeps what they were at the last reading. The
 * sum of time_ns is always since_ns less begin_ns: a copy for which it is not was torn. */
struct vh_vcpu_state {
	__u32 tid;
	__u32 isa;     /* of kvm_exit */
	__u32 vcpu_id; /* as KVM counts them, + 1; 0: not told yet */
	__u32 place, rest;
	__u32 in_exit;
	__u64 exit_reason, exit_ns;
	__u64 begin_ns;
	__u64 since_ns; /* of this place and rest */
	__u64 time_ns[VH_N_PLACE][VH_N_REST];
	__u64 entries;
	__u64 missed;
	__u64 seen[VH_N_TP];
	struct vh_pending userspace;
	struct vh_pending pending[VH_N_PENDING];
};

/* Where the tables of a thread begin; all the keys of one thread and epoch lie together. */
static inline __attribute__((always_inline, unused)) __u32 vh_key_base(
	__u32 thread, __u32 epoch, __u32 table, __u32 slots)
{
	return ((thread * 2 + (epoch & 1)) * VH_N_TABLE + table) * slots;
}
static inline __attribute__((always_inline, unused)) __u32 vh_exit_base(__u32 thread, __u32 epoch)
{
	return (thread * 2 + (epoch & 1)) * VH_EXIT_SLOTS;
}
