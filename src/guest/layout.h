/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the members of a guest kernel's structures are: of its BTF, else of VMCOREINFO's
 * OFFSET(type.member) and SIZE(type), else inferred from init_task and its neighbours, else a
 * default of the caller's.
 */
#pragma once

#include "guest/btf.h"
#include "guest/vmcoreinfo.h"

struct vh_layout;

/* Both may be NULL and are borrowed. */
struct vh_layout *vh_layout_new(const struct vh_btf *btf, const struct vh_vmcoreinfo *note);
void vh_layout_free(struct vh_layout *l);
bool vh_layout_has_btf(const struct vh_layout *l);
/* Enters what was inferred (tasks_infer.c); what BTF or VMCOREINFO tell goes before it. */
void vh_layout_add(
	struct vh_layout *l, const char *type, const char *path, uint32_t offset, uint32_t size);

bool vh_layout_field(
	const struct vh_layout *l, const char *type, const char *path, struct vh_field *out);
/* The first path of several that is there: {"__state", "state", NULL}. */
bool vh_layout_first(const struct vh_layout *l, const char *type, const char *const paths[],
	struct vh_field *out);
bool vh_layout_sizeof(const struct vh_layout *l, const char *type, uint32_t *bytes);
/* The offset alone, or the fallback. */
uint32_t vh_layout_offset(
	const struct vh_layout *l, const char *type, const char *path, uint32_t fallback);
