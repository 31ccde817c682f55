/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VMMs other than QEMU: known by the name of their program. Internal to discover. */
#pragma once

#include "case/vm.h"

/* VH_VMM_OTHER for any other program. */
enum vh_vmm vmm_of_program(const char *path);
/* Name and memory, from its command line (NUL-separated); leaves alone what is not there. */
void vmm_cmdline_parse(struct vh_str args, struct vh_vm *vm);
