/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the public handles are, for the files of this floor. */
#pragma once

#include "case/case.h"
#include "discover/discover.h"
#include "vmhang/vmhang.h"

struct vmhang_error {
	struct vh_error *err;
	char *message; /* escaped */
};

struct vmhang_host {
	struct vh_host *host;
};

struct vmhang_vms {
	struct vh_vm_list list;
};

struct vmhang_case {
	struct vh_case *c;
};

/* A caller built against an older header has a shorter struct, one against a newer a longer. */
void vmhang_copy_options(void *to, size_t to_size, const void *from);
/* Hands err over, or frees it. True where there was none. */
bool vmhang_give(struct vh_error *err, vmhang_error **error);
