/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bpf/names.h"

static const char *const place_names[VH_N_PLACE] = {
	[VH_PLACE_UNKNOWN] = "unknown",
	[VH_PLACE_GUEST] = "guest",
	[VH_PLACE_KVM] = "kvm",
	[VH_PLACE_INSIDE] = "inside",
	[VH_PLACE_USER] = "user",
};
static const char *const rest_names[VH_N_REST] = {
	[VH_REST_ON] = "on",
	[VH_REST_ASLEEP] = "asleep",
	[VH_REST_READY] = "ready",
};
static const char *const kind_names[VH_N_KEY_KIND] = {
	[VH_KEY_PIO] = "pio",
	[VH_KEY_MMIO] = "mmio",
	[VH_KEY_MSR] = "msr",
	[VH_KEY_CR] = "cr",
	[VH_KEY_CPUID] = "cpuid",
	[VH_KEY_HYPERCALL] = "hypercall",
	[VH_KEY_HV_HYPERCALL] = "hv-hypercall",
	[VH_KEY_XEN_HYPERCALL] = "xen-hypercall",
	[VH_KEY_FAULT] = "fault",
	[VH_KEY_FAULT_RIP] = "fault-rip",
	[VH_KEY_VIRQ] = "virq",
	[VH_KEY_EXCEPTION] = "exception",
	[VH_KEY_IPI] = "ipi",
	[VH_KEY_ACCEPT] = "accept",
	[VH_KEY_EOI] = "eoi",
	[VH_KEY_EMULATED] = "emulated",
	[VH_KEY_NAE] = "nae",
	[VH_KEY_NAE_MSR] = "nae-msr",
	[VH_KEY_USERSPACE] = "userspace",
	[VH_KEY_RIP] = "rip",
	[VH_KEY_WAKEUP] = "wakeup",
	[VH_KEY_GSI] = "gsi",
};
static const char *const event_state_names[VH_N_EVENT_STATE] = {
	[VH_EVENT_ATTACHED] = "attached",
	[VH_EVENT_SAMPLED] = "sampled",
	[VH_EVENT_ABSENT] = "absent",
	[VH_EVENT_FAILED] = "failed",
	[VH_EVENT_UNWANTED] = "unwanted",
};

VH_NAMES_DEFINE(vh_place, enum vh_place, place_names)
VH_NAMES_DEFINE(vh_rest, enum vh_rest, rest_names)
VH_NAMES_DEFINE(vh_key_kind, enum vh_key_kind, kind_names)
VH_NAMES_DEFINE(vh_event_state, enum vh_event_state, event_state_names)
