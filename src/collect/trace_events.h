/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tracepoints of src/bpf/events.h as the running kernel has them: which there are, and where
 * their fields lie, by events/SYSTEM/NAME/format in tracefs. Nothing is required: an event or field
 * that a kernel does not have is absent, and says so.
 */
#pragma once

#include <linux/types.h>

#include "base/host.h"
#include "bpf/events.h"

struct vh_tp_format {
	char *name; /* "kvm:kvm_exit", as this kernel has it; its first name where absent */
	bool usable;
	bool absent; /* where it is not usable: this kernel has none */
	char *why;   /* where it is not usable, and not absent: a clause */
	int err;     /* the errno value behind it, 0 without */
	uint32_t id; /* common_type; perf_event_attr.config */
	struct vh_tp_layout layout;
};

/*
 * Reads all formats into out[VH_N_TP]. Returns NULL, or, where no format can be read at all
 * (tracefs is not mounted, or is root's), the reason as a clause, which the caller frees; out is
 * valid either way.
 */
char *vh_tp_read(struct vh_host *host, struct vh_tp_format out[VH_N_TP]);
void vh_tp_free(struct vh_tp_format formats[VH_N_TP]);

/* Binds one format file's text. False where it is none, or lacks a field that is needed: *why, a
 * clause, which the caller frees, tells which. */
bool vh_tp_parse(
	enum vh_tp tp, struct vh_str text, uint32_t *id, struct vh_tp_layout *layout, char **why);
/* "kvm:kvm_exit": its first name. */
const char *vh_tp_name(enum vh_tp tp);
/* A field's first name; NULL where the event has none at that position. */
const char *vh_tp_field_name(enum vh_tp tp, int position);

/* A field's value out of a raw record of n bytes, sign-extended where it is signed. False where the
 * event has no such field or the record is shorter; *value is 0 then. */
bool vh_tp_value(const struct vh_tp_field *f, const void *raw, size_t n, uint64_t *value);
