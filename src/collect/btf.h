/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The little that vmhang asks of the kernel's own types (BTF, Documentation/bpf/btf.rst): which
 * arguments a tracepoint hands over, and where a member lies in a structure.
 */
#pragma once

#include "base/host.h"

struct vh_btf;

/* Of this kernel and its kvm module; NULL where it has none. */
struct vh_btf *vh_btf_read(struct vh_host *host);
/* Of memory, which is copied: base, and one module's (both as /sys/kernel/btf/ has them), or an
 * empty one. NULL where base is no BTF. */
struct vh_btf *vh_btf_parse(struct vh_str base, struct vh_str module);
void vh_btf_free(struct vh_btf *btf); /* accepts NULL */

/*
 * The arguments of a tracepoint ("kvm_pio") as a raw BPF program gets them, a letter each: `i` a
 * number, `p` a pointer, `?` anything else. False where the kernel does not tell.
 */
#define VH_BTF_MAX_ARGS 12
bool vh_btf_tracepoint(const struct vh_btf *btf, const char *name, char args[VH_BTF_MAX_ARGS + 1]);
/* Where a direct member of a structure begins, in bytes; -1 unknown. */
int64_t vh_btf_offset(const struct vh_btf *btf, const char *structure, const char *member);
