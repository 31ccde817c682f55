/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which BPF program counts which event on this kernel. */
#pragma once

#include "bpf/config.h"
#include "collect/btf.h"
#include "collect/trace_events.h"
#include "collect/trace_tally.h"

struct vh_bpf_choice {
	const char *program;   /* in src/bpf/exits.bpf.c; NULL: this event is not counted */
	const char *unused[2]; /* its other programs; NULL behind the last */
	bool raw;
	enum vh_event_state state; /* of an event that is not counted */
	char *why;
};
/* btf may be NULL. formats as vh_tp_read gives them, which may be without any. */
void vh_bpf_choose(const struct vh_btf *btf, const struct vh_tp_format formats[VH_N_TP],
	const char *no_formats, struct vh_bpf_choice out[VH_N_TP], struct vh_bpf_config *config);
void vh_bpf_choices_free(struct vh_bpf_choice choices[VH_N_TP]);
