/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Modules that are loaded in a guest's kernel, with their symbols and ORC tables. */
#pragma once

#include "guest/kernel.h"

/* Never NULL: without BTF, or where the list is broken, as far as it went, with a note in in. */
struct vh_modules *vh_modules_read(struct vh_kernel *k, struct vh_inside *in);
void vh_modules_free(struct vh_modules *m);

struct vh_module_orc {
	uint64_t ip_gva, orc_gva;
	uint32_t n;
};
/* True where an address lies in a module's memory; its index. */
bool vh_modules_at(const struct vh_modules *m, uint64_t gva, size_t *index);
/* True where that memory is text. */
bool vh_modules_is_text(const struct vh_modules *m, uint64_t gva);
const char *vh_modules_name(const struct vh_modules *m, size_t index);
bool vh_modules_orc(const struct vh_modules *m, size_t index, struct vh_module_orc *out);
/* The symbol of a module that covers an address; its symbol table is read when first asked for. The
 * name lives in the modules. */
bool vh_modules_symbol(
	struct vh_modules *m, struct vh_space *s, uint64_t gva, struct vh_symbol *out);
/* Fills in->modules. */
void vh_modules_list(const struct vh_modules *m, struct vh_inside *in);
