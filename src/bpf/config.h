/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What user space tells the BPF programs: before they are loaded, and while they run. */
#pragma once

#include "bpf/tables.h"

/* Finds the thread of a tid: at tid, or in one of the VH_N_PROBES places from there on. */
#define VH_TID_SLOTS 16384
struct vh_tid_slot {
	__u32 tid; /* 0: free */
	__u32 thread;
};

struct vh_bpf_config { /* read-only once loaded */
	__u32 tgid;
	__u32 slots;        /* of a table of keys */
	__u32 pid_offset;   /* of task_struct.pid */
	__u32 state_offset; /* of task_struct.__state, where sched_switch does not tell it; 0 else
			     */
	struct vh_tp_layout layout[VH_N_TP]; /* of the events that are not read raw */
};

struct vh_bpf_control { /* mapped */
	__u32 epoch;
	__u32 armed; /* 0: nothing is counted yet, so that all events are from the same moment on */
	__u32 sampled; /* kvm_emulate_insn is over, though it may come until it is detached */
};

/* Keys that no thread owns (kvm_set_irq, kvm_apic_accept_irq). */
#define VH_SHARED_ENTRIES 8192
