/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Encrypted guests: which kind one is, who says so, and what its policy allows. What its registers
 * mean is in trust.h, what the last exit left in them in residue.h, the GHCB protocol in ghcb.h.
 */
#pragma once

#include "case/vm.h"

/* Who told the kind of the guest; the surest first. */
enum vh_conf_source {
	VH_CONF_BY_NOBODY,
	VH_CONF_BY_MONITOR,      /* the type of the machine's confidential-guest-support object */
	VH_CONF_BY_QUERY_SEV,    /* query-sev */
	VH_CONF_BY_COMMAND_LINE, /* or by what discovered the VM */
	VH_CONF_BY_LIBVIRT,      /* <launchSecurity> */
	VH_CONF_BY_VMM_LOG,      /* the command line that libvirt writes into the VMM's log */
	VH_CONF_BY_REGISTERS,    /* a dump that only KVM's answer for a SEV-ES vCPU looks like */
	VH_N_CONF_SOURCE
};
const char *vh_conf_source_name(enum vh_conf_source source);  /* stable id */
const char *vh_conf_source_title(enum vh_conf_source source); /* "query-sev" */

struct vh_conf_view {
	enum vh_conf_source source;
	char *object; /* QOM type, "sev-guest"; NULL not told */
	bool has_policy;
	uint64_t policy; /* SEV or SNP policy, TDX attributes */
	bool denied;     /* query-sev: no SEV guest */
	char *launch;    /* query-sev's state ("running", "launch-secret"); NULL not told */
	int api_major, api_minor, build; /* of the platform's firmware; -1 not told */
	int64_t handle;                  /* of the guest in the platform's firmware; -1 not told */
	size_t evidence;                 /* index in the case, or SIZE_MAX */
};

/* True where the guest asks its host through a GHCB (SEV-ES, SEV-SNP). */
static inline bool vh_conf_has_ghcb(enum vh_conf_kind kind)
{
	return kind == VH_CONF_SEV_ES || kind == VH_CONF_SEV_SNP;
}
/* 1: the policy lets the host decrypt and debug the guest; 0: it does not; -1: not of that kind.
 * Mind the polarity: SEV's bit 0 forbids it, SNP's bit 19 and TDX's bit 0 allow it. */
int vh_conf_debug_allowed(enum vh_conf_kind kind, uint64_t policy);
/* "no debugging, SEV-ES, firmware API 1.51 or later". */
void vh_conf_policy_text(enum vh_conf_kind kind, uint64_t policy, struct vh_buf *out);
/* "SEV-ES", "SEV-SNP", "TDX": for people. */
const char *vh_conf_title(enum vh_conf_kind kind);
/* The kind of a QOM type (QEMU target/i386/sev.c, kvm/tdx.c); a SEV guest without a known policy
 * is taken for SEV-ES, whose registers are not to be trusted. */
enum vh_conf_kind vh_conf_of_type(const char *type, bool has_policy, uint64_t policy);
