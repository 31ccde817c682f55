/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Modules from within: what modules.c, modules_layout.c and modules_symbols.c share. */
#pragma once

#include "guest/bytes.h"
#include "guest/modules.h"

#define VH_MODULE_STRUCT 4096u /* of struct module so much is read, at most */
#define VH_MODULE_NAME   56u   /* MODULE_NAME_LEN on 64 bits */
#define VH_MODULE_MEMS   16u   /* 7 of enum mod_mem_type, in 6.4 to 7.x */

/* Where the members of struct module are; bytes from its begin. An offset of 0 is none: there is
 * its state. */
struct vh_module_layout {
	uint32_t bytes, list, name;
	/* 6.4 on: n_mems pieces of mem_stride bytes. */
	uint32_t mem, n_mems, mem_stride, mem_base, mem_size;
	uint32_t text, init_text; /* which of them are text */
	/* Before: two pieces, and how much of each is text. */
	uint32_t core, init, layout_base, layout_size, layout_text;
	uint32_t kallsyms, num_orcs, orc_ip, orc;
	uint32_t symtab, num_symtab, strtab; /* of struct mod_kallsyms */
};

struct vh_module_region {
	uint64_t gva, bytes;
	uint32_t module;
	bool text;
};

struct vh_module {
	char name[VH_MODULE_NAME];
	uint64_t at;  /* of its struct module */
	uint64_t gva; /* as /proc/modules shows it: where its text begins */
	uint64_t bytes;
	uint64_t kallsyms; /* gva of struct mod_kallsyms; 0 none */
	struct vh_module_orc orc;
	/* Read when first asked for. */
	bool has_symbols;
	struct vh_symbol *symbols; /* ascending */
	size_t n_symbols;
	char *names;
};

struct vh_modules {
	struct vh_module_layout layout;
	struct vh_module *list;
	size_t n;
	struct vh_module_region *regions; /* ascending */
	size_t n_regions;
	size_t symbols; /* of all */
};

/* What BTF tells; false where it does not tell enough. */
bool vh_module_layout_of(const struct vh_kernel *k, struct vh_module_layout *out);
/*
 * Without BTF, of kernels before 5.18 (stock ones have had BTF for longer): from the bytes of a
 * module at gva. Its own struct lies in its core memory, which is how that is told from any other
 * pair of address and size.
 */
bool vh_module_layout_infer(struct vh_bytes module, uint64_t gva, struct vh_module_layout *out);
/* The region of an address, or NULL. */
const struct vh_module_region *vh_module_region_at(const struct vh_modules *m, uint64_t gva);
