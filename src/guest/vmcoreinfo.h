/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VMCOREINFO note that Linux keeps of itself (kernel/vmcore_info.c; Documentation/admin-guide/
 * kdump/vmcoreinfo.rst): lines of KEY=value. */
#pragma once

#include "base/text.h"
#include "guest/space.h"

struct vh_vmcoreinfo;

/* Copies what lies up to the first NUL; NULL where it does not begin with OSRELEASE=. */
struct vh_vmcoreinfo *vh_vmcoreinfo_parse(struct vh_str text);
void vh_vmcoreinfo_free(struct vh_vmcoreinfo *v);
/* Its text; the value of "KEY", of "NUMBER(phys_base)", of "OFFSET(list_head.next)", ... */
struct vh_str vh_vmcoreinfo_text(const struct vh_vmcoreinfo *v);
bool vh_vmcoreinfo_string(const struct vh_vmcoreinfo *v, const char *key, struct vh_str *value);
/* Decimal, and hexadecimal of SYMBOL() and KERNELOFFSET, as the kernel writes them. */
bool vh_vmcoreinfo_number(const struct vh_vmcoreinfo *v, const char *key, int64_t *value);

/* The next note in physical memory at or behind *gpa, which is set behind it; NULL: no more, or the
 * budget is used up. A stale one of an earlier boot may lie there too: whoever uses it validates.
 */
struct vh_vmcoreinfo *vh_vmcoreinfo_scan(struct vh_memory *m, vh_gpa *gpa);
