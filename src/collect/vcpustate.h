/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What KVM keeps of the VM's vCPUs, read from the host's kernel: evidence trace.vcpu. */
#pragma once

#include "collect/collect.h"

/*
 * Adds trace.vcpu (once): control registers, mp_state and, of an encrypted guest, the GHCB's
 * address of each vCPU, by a BPF iterator (src/bpf/vcpu.bpf.c). Neither the guest nor the VMM
 * notices. Where it cannot be read, the piece says why.
 */
void vh_collect_vcpu_state(
	struct vh_host *host, struct vh_case *c, const struct vh_collect_options *options);
