/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The exits of a case, and the devices that they go to, in the model. */
#include "decode/decoder.h"

static char *machine(const struct vh_lookup *in)
{
	struct vh_str rest = vh_seek_text(in, "host.uname", "", VH_N_ROUND), line;
	struct vh_str last = {NULL, 0};

	while (vh_next_line(&rest, &line))
		last = line;
	return last.n ? vh_str_dup(vh_str_trim(last)) : NULL;
}

void vh_decode_exits(struct vh_decoder *d)
{
	struct vh_str tree = vh_seek_text(&d->in, "hmp.info-mtree", "", VH_N_ROUND);
	struct vh_str flat = vh_seek_text(&d->in, "hmp.info-mtree-flat", "", VH_N_ROUND);
	const struct vh_found *f = vh_seek_data(&d->in, "trace.exits", "", VH_N_ROUND);
	vh_auto_free char *uname = machine(&d->in);
	vh_auto_error struct vh_error *err = NULL;

	if (tree.n || flat.n)
		d->m->devices = vh_devices_parse(tree, flat);
	if (!f)
		return;
	/* What cannot be understood is as if it were not there; the report lists it as evidence. */
	d->m->exits = vh_exits_decode(vh_evidence_text(f->e), uname, d->m->devices, &err);
	if (d->m->exits)
		d->m->exits->evidence = f->index;
}
