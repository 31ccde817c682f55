/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is counted, by the names that evidence trace.exits has (docs/trace-format.md): for who
 * writes it and for who reads it. */
#pragma once

#include <linux/types.h>

#include "base/names.h"
#include "bpf/exits.h"

VH_NAMES_DECLARE(vh_place, enum vh_place);
VH_NAMES_DECLARE(vh_rest, enum vh_rest);
VH_NAMES_DECLARE(vh_key_kind, enum vh_key_kind);

/* What became of a tracepoint. */
enum vh_event_state {
	VH_EVENT_ATTACHED,
	VH_EVENT_SAMPLED,
	VH_EVENT_ABSENT,
	VH_EVENT_FAILED,
	VH_EVENT_UNWANTED,
	VH_N_EVENT_STATE
};
VH_NAMES_DECLARE(vh_event_state, enum vh_event_state);
