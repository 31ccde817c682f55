/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the VM turned while it was looked at. */
#include "decode/decoder.h"

/* Whether its cgroup is frozen now tells nothing of what was before. */
static enum vh_wait wait_at(const struct vh_decoder *d, const struct vh_pulse_side *side)
{
	struct vh_thread_sample s = {.seen = true, .stat.state = 'S', .syscall = VH_SYSCALL_NONE};
	char wchan[sizeof(side->wchan)];

	if (!side->wchan[0])
		return VH_WAIT_UNKNOWN;
	memcpy(wchan, side->wchan, sizeof(wchan));
	s.wchan = wchan;
	return vh_wait_of(&s, NULL, -1, d->x86);
}

static struct vh_turn_view turn_of(const struct vh_decoder *d, enum vh_round round)
{
	const struct vh_found *f = vh_seek_data(&d->in, "task.pulse", "", round);
	struct vh_turn_view v = {0};

	if (!f)
		return v;
	v.turn = vh_pulse_turn(vh_evidence_text(f->e));
	v.evidence = f->index;
	v.before_ns = vh_evidence_number(f->e, "before_ns", 0);
	v.waited = wait_at(d, &v.turn.before);
	v.waits = wait_at(d, &v.turn.after);
	return v;
}

void vh_decode_pulse(struct vh_decoder *d)
{
	d->m->turned_before = turn_of(d, VH_ONCE);
	d->m->turned = turn_of(d, VH_LAST);
}
